//! Why no TLS session came about: the kinds that are counted, in words for the log.
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};
use rustls::{AlertDescription as Alert, Error as TlsError, PeerIncompatible};
use tracing::warn;

use crate::telemetry::{Capped, Seldom};
use crate::timing::Moment;

/// The kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::listener) enum Failure {
    /// HTTP without TLS, on a listener with it.
    PlainHttp,
    /// TLS, on a listener without it.
    TlsOnPlain,
    /// Something that is no TLS.
    NotTls,
    /// Hands were not shaken in time.
    Timeout,
    /// The client went away before.
    Closed,
    /// It knows neither TLS 1.2 nor 1.3.
    Version,
    /// It knows none of our ciphers, groups or signatures.
    Cipher,
    /// It wants another protocol than HTTP/1 above TLS.
    Protocol,
    /// It speaks HTTP/2 without having asked, above TLS or without it.
    Http2,
    /// It does not accept our certificate.
    Untrusted,
    /// It showed no certificate where one is required.
    ClientCertificateMissing,
    /// The one that it showed is not acceptable.
    ClientCertificateRefused,
    /// Something else.
    Other,
}

impl Failure {
    const fn name(self) -> &'static str {
        match self {
            Self::PlainHttp => "plain_http",
            Self::TlsOnPlain => "tls_on_plain",
            Self::NotTls => "not_tls",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Version => "version",
            Self::Cipher => "cipher",
            Self::Protocol => "protocol",
            Self::Http2 => "http2",
            Self::Untrusted => "untrusted",
            Self::ClientCertificateMissing => "client_certificate_missing",
            Self::ClientCertificateRefused => "client_certificate_refused",
            Self::Other => "other",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::PlainHttp => {
                "a client speaks plain HTTP to a listener with TLS: its URL should begin with https://"
            }
            Self::TlsOnPlain => {
                "a client speaks TLS to a listener without: its URL should begin with http://, or the \
                 gateway needs tls_certificate and tls_key"
            }
            Self::NotTls => "a client speaks neither TLS nor HTTP to a listener with TLS",
            Self::Timeout => "a client did not end its handshake within listener.handshake_timeout",
            Self::Closed => "a client went away during the handshake",
            Self::Version => "a client knows neither TLS 1.2 nor TLS 1.3",
            Self::Cipher => {
                "a client knows no cipher, group or signature that is safe and fits our key"
            }
            Self::Protocol => "a client wants another protocol than HTTP/1.1 above TLS",
            Self::Http2 => "a client speaks HTTP/2 unasked: holdline speaks HTTP/1.1",
            Self::Untrusted => {
                "a client does not accept our certificate: it does not trust the issuer, asked for \
                 another host, or takes it for expired"
            }
            Self::ClientCertificateMissing => {
                "a client showed no certificate, and tls_clients requires one"
            }
            Self::ClientCertificateRefused => "a client's certificate is not acceptable",
            Self::Other => "a handshake failed",
        }
    }

    /// The kind of a handshake's error, and the library's words where they say more than the kind.
    pub(super) fn of(error: &io::Error) -> (Self, Option<String>) {
        let tls = error
            .get_ref()
            .and_then(|error| error.downcast_ref::<TlsError>());
        let Some(tls) = tls else {
            return match error.kind() {
                io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::BrokenPipe => (Self::Closed, None),
                _ => (Self::Other, Some(error.to_string())),
            };
        };
        let kind = Self::of_tls(tls);
        (kind, Some(tls.to_string()))
    }

    fn of_tls(error: &TlsError) -> Self {
        match error {
            TlsError::AlertReceived(Alert::CloseNotify | Alert::UserCanceled) => Self::Closed,
            TlsError::InvalidMessage(_) => Self::NotTls,
            // Whoever does not know the extension for signatures knows no TLS 1.2 (RFC 5246 §7.4.1.4.1).
            TlsError::PeerIncompatible(
                PeerIncompatible::SignatureAlgorithmsExtensionRequired
                | PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::Tls12NotOfferedOrEnabled
                | PeerIncompatible::SupportedVersionsExtensionRequired
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
            )
            | TlsError::AlertReceived(Alert::ProtocolVersion) => Self::Version,
            TlsError::PeerIncompatible(_)
            | TlsError::AlertReceived(Alert::HandshakeFailure | Alert::InsufficientSecurity) => {
                Self::Cipher
            }
            TlsError::NoApplicationProtocol => Self::Protocol,
            TlsError::NoCertificatesPresented => Self::ClientCertificateMissing,
            TlsError::InvalidCertificate(_) => Self::ClientCertificateRefused,
            TlsError::AlertReceived(
                Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::UnknownCA
                | Alert::AccessDenied,
            ) => Self::Untrusted,
            _ => Self::Other,
        }
    }
}

impl EncodeLabelValue for Failure {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(self.name())
    }
}

/// The log of failures: strangers make them, so each kind is told once in a while.
#[derive(Debug, Default)]
pub(in crate::listener) struct FailureLog(Mutex<BTreeMap<Failure, Seldom>>);

impl FailureLog {
    /// Tells a failure, unless its kind was told a moment ago.
    pub(in crate::listener) fn tell(
        &self,
        failure: Failure,
        detail: Option<&str>,
        client: SocketAddr,
        now: Moment,
    ) {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(before) = kinds.entry(failure).or_default().may_tell(now) else {
            return;
        };
        drop(kinds);
        let detail = Capped(detail.unwrap_or_default());
        let text = failure.text();
        warn!(%client, why = failure.name(), %detail, before, "{text}");
    }
}
