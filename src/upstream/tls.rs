//! How a TLS connection to the gateway is made and whom it trusts.
use std::io;
use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ClientConfig, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{AlertDescription as Alert, CertificateError, PeerIncompatible, RootCertStore};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::metered::Metered;
use super::{Cause, Error, Sent};
use crate::certificates::provider;

/// The protocol names of ALPN (RFC 7301).
const HTTP_1: &[u8] = b"http/1.1";
const HTTP_2: &[u8] = b"h2";

/// Whom to trust, ready for use. Keys are never logged (rustls writes them only where a `KeyLog`
/// is set, and none is: `SSLKEYLOGFILE` is ignored), and no early data is sent: it could be
/// replayed (RFC 8446 §8).
#[derive(Clone, Debug)]
pub struct TlsConfig {
    submit: Arc<ClientConfig>,
    pooled: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
}

/// Why the platform's certificates cannot be used; completes "failed to …".
#[derive(Debug, thiserror::Error)]
#[error("load the platform's root certificates; set a CA file instead")]
pub struct PlatformRootsError(#[from] rustls::Error);

/// What a handshake is for, which decides what ALPN offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// One submit on a connection of its own: HTTP/1.1 only, so that its bytes can be told from
    /// those of any other request.
    Submit,
    /// Polls, lookups and relayed requests.
    Pooled,
}

impl TlsConfig {
    /// Trusts what the platform trusts. Its certificates are read once, here.
    pub fn platform() -> Result<Self, PlatformRootsError> {
        let provider = provider();
        let verifier = rustls_platform_verifier::Verifier::new(Arc::clone(&provider))?;
        Ok(Self::new(provider, Arc::new(verifier))?)
    }

    /// Trusts these roots, and no others.
    pub fn from_roots(roots: RootCertStore) -> Result<Self, rustls::Error> {
        let provider = provider();
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(|error| rustls::Error::General(error.to_string()))?;
        Self::new(provider, verifier)
    }

    fn new(
        provider: Arc<CryptoProvider>,
        verifier: Arc<dyn ServerCertVerifier>,
    ) -> Result<Self, rustls::Error> {
        let mut submit = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        submit.alpn_protocols = vec![HTTP_1.to_vec()];
        let mut pooled = submit.clone();
        pooled.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1.to_vec()];
        Ok(Self {
            submit: Arc::new(submit),
            pooled: Arc::new(pooled),
            server_name: None,
        })
    }

    /// Shows this certificate to a gateway that asks for one.
    pub fn with_identity(mut self, pair: &Arc<CertifiedKey>) -> Self {
        for config in [&mut self.submit, &mut self.pooled] {
            let identity = SingleCertAndKey::from(CertifiedKey::clone(pair));
            Arc::make_mut(config).client_auth_cert_resolver = Arc::new(identity);
        }
        self
    }

    /// Asks for this name, and takes certificates for it alone, whatever the origin's host is.
    pub fn with_server_name(self, name: ServerName<'static>) -> Self {
        Self {
            server_name: Some(name),
            ..self
        }
    }

    /// Shakes hands over `stream` with the server that calls itself `host`.
    pub(super) async fn handshake(
        &self,
        purpose: Purpose,
        host: &str,
        stream: Metered,
    ) -> Result<TlsStream<Metered>, Error> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.to_owned())
                .map_err(|error| Error::new(Cause::Handshake, Sent::Never).because(error))?,
        };
        let config = match purpose {
            Purpose::Submit => &self.submit,
            Purpose::Pooled => &self.pooled,
        };
        TlsConnector::from(Arc::clone(config))
            .connect(name, stream)
            .await
            .map_err(|error| failed(&error))
    }
}

/// True if the handshake chose HTTP/2.
pub(super) fn is_http2(stream: &TlsStream<Metered>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(HTTP_2)
}

/// The cause of a handshake's failure. A certificate is told apart from the rest because waiting
/// does not mend it.
fn failed(error: &io::Error) -> Error {
    match of(error) {
        Some(tls @ rustls::Error::InvalidCertificate(_)) => {
            Error::new(Cause::Certificate, Sent::Never).because(in_words(tls))
        }
        Some(tls) => Error::new(Cause::Handshake, Sent::Never).because(in_words(tls)),
        None => Error::new(Cause::Handshake, Sent::Never).because(error),
    }
}

/// The TLS library's error, where that is what failed.
pub(super) fn of(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// True if the gateway did not take us for who we are. Under TLS 1.3 it says so when our side of
/// the handshake is over (RFC 8446 §4.4.2.4), so it may be the answer to the first request.
pub(super) const fn is_refusal(error: &rustls::Error) -> bool {
    let rustls::Error::AlertReceived(alert) = error else {
        return false;
    };
    matches!(
        alert,
        Alert::CertificateRequired
            | Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
    )
}

/// What failed, in words about the gateway. The enums are rustls's own and not exhaustive.
pub(super) fn in_words(error: &rustls::Error) -> String {
    let words = match error {
        rustls::Error::InvalidCertificate(reason) => return of_certificate(reason),
        rustls::Error::AlertReceived(Alert::CertificateRequired | Alert::NoCertificate) => {
            "it demands a certificate of us (client_certificate, client_key)"
        }
        rustls::Error::AlertReceived(alert) if is_refusal(error) => {
            return format!("it does not accept our certificate: {alert:?}");
        }
        rustls::Error::AlertReceived(Alert::ProtocolVersion)
        | rustls::Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => "it speaks neither TLS 1.2 nor TLS 1.3",
        rustls::Error::AlertReceived(Alert::HandshakeFailure) => {
            "it refused: there is no cipher in common, or it demands a certificate of us \
             (client_certificate, client_key)"
        }
        rustls::Error::AlertReceived(Alert::UnrecognisedName) => {
            "it has no certificate for this host (server_name)"
        }
        rustls::Error::AlertReceived(Alert::NoApplicationProtocol)
        | rustls::Error::NoApplicationProtocol => "it does not speak HTTP/1.1 above TLS",
        rustls::Error::PeerIncompatible(_) => "there is no cipher or signature in common",
        rustls::Error::InvalidMessage(_) => "it does not speak TLS",
        other => return other.to_string(),
    };
    words.to_owned()
}

/// What is wrong with a certificate.
fn of_certificate(reason: &CertificateError) -> String {
    let words = match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another host"
        }
        CertificateError::UnknownIssuer => "its issuer is not trusted",
        CertificateError::BadSignature => "its issuer did not sign it",
        CertificateError::Revoked => "it was revoked",
        other => return other.to_string(),
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn submits_offer_http_1_only_and_keys_are_never_logged() {
        let mut roots = RootCertStore::empty();
        let authority = rcgen::generate_simple_self_signed(["gateway.example".to_owned()]).unwrap();
        roots.add(authority.cert.der().clone()).unwrap();
        let tls = TlsConfig::from_roots(roots).unwrap();
        assert_eq!(tls.submit.alpn_protocols, [b"http/1.1".to_vec()]);
        assert_eq!(
            tls.pooled.alpn_protocols,
            [b"h2".to_vec(), b"http/1.1".to_vec()]
        );
        for config in [&tls.submit, &tls.pooled] {
            assert!(!config.key_log.will_log("CLIENT_RANDOM"));
            assert!(!config.enable_early_data);
        }
    }
}
