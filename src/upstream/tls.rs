//! How a TLS connection to the gateway is made and whom it trusts.
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ClientConfig, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, RootCertStore};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::metered::Metered;
use super::{Cause, Error, Sent};

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
}

/// Why the platform's certificates cannot be used; completes "failed to …".
#[derive(Debug, thiserror::Error)]
#[error("load the platform's root certificates; set a CA file instead")]
pub struct PlatformRootsError(#[from] rustls::Error);

/// Why a CA file cannot be used; each completes "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum CaFileError {
    /// The file could not be read.
    #[error("read the CA file {}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not PEM, or an entry is broken.
    #[error("read a certificate of the CA file {}: {reason}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, in the parser's words.
        reason: String,
    },
    /// The file holds no certificate.
    #[error("find a certificate in the CA file {}", .path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The certificates cannot serve as roots.
    #[error("use the CA file {}", .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
}

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

    /// Trusts the certificates of a PEM file, and no others.
    pub fn from_ca_file(path: &Path) -> Result<Self, CaFileError> {
        let pem = fs::read(path).map_err(|source| CaFileError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let malformed = |reason: String| CaFileError::Malformed {
            path: path.to_owned(),
            reason,
        };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| malformed(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| malformed(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(CaFileError::Empty {
                path: path.to_owned(),
            });
        }
        Self::from_roots(roots).map_err(|source| CaFileError::Unusable {
            path: path.to_owned(),
            source,
        })
    }

    fn from_roots(roots: RootCertStore) -> Result<Self, rustls::Error> {
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
        })
    }

    /// Shakes hands over `stream` with the server that calls itself `host`.
    pub(super) async fn handshake(
        &self,
        purpose: Purpose,
        host: &str,
        stream: Metered,
    ) -> Result<TlsStream<Metered>, Error> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| Error::new(Cause::Handshake, Sent::Never).because(error))?;
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

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// True if the handshake chose HTTP/2.
pub(super) fn is_http2(stream: &TlsStream<Metered>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(HTTP_2)
}

/// The cause of a handshake's failure. A certificate is told apart from the rest because waiting
/// does not mend it.
fn failed(error: &io::Error) -> Error {
    let source = error
        .get_ref()
        .and_then(|source| source.downcast_ref::<rustls::Error>());
    match source {
        Some(rustls::Error::InvalidCertificate(reason)) => {
            Error::new(Cause::Certificate, Sent::Never).because(in_words(reason))
        }
        Some(other) => Error::new(Cause::Handshake, Sent::Never).because(other),
        None => Error::new(Cause::Handshake, Sent::Never).because(error),
    }
}

/// What is wrong with a certificate, in words. The enum is rustls's own and not exhaustive.
fn in_words(reason: &CertificateError) -> String {
    match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another host".to_owned()
        }
        CertificateError::UnknownIssuer => "its issuer is not trusted".to_owned(),
        CertificateError::BadSignature => "its issuer did not sign it".to_owned(),
        CertificateError::Revoked => "it was revoked".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_file_that_cannot_serve_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let missing = TlsConfig::from_ca_file(&folder.path().join("none.pem"));
        assert!(matches!(missing, Err(CaFileError::Unreadable { .. })));
        let empty = TlsConfig::from_ca_file(&write("empty.pem", "no certificate here\n"));
        assert!(matches!(empty, Err(CaFileError::Empty { .. })));
        let broken = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
        let broken = TlsConfig::from_ca_file(&write("broken.pem", broken));
        assert!(matches!(broken, Err(CaFileError::Malformed { .. })));
        let authority = rcgen::generate_simple_self_signed(["gateway.example".to_owned()]).unwrap();
        let good = TlsConfig::from_ca_file(&write("good.pem", &authority.cert.pem()));
        assert!(good.is_ok());
    }

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
