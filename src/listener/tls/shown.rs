//! Which of several certificates a client is shown.
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::certificates::is_for;

/// The certificates of a listener, at least one.
#[derive(Debug)]
pub(super) struct Shown(pub(super) Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    /// The first that fits the client. Where none is for the name that the client asks for, or it
    /// asks for none as by an address, it is shown one all the same: its own words about a wrong
    /// host are clearer than a handshake that fails.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello
            .server_name()
            .and_then(|name| ServerName::try_from(name).ok());
        let signs = |pair: &&Arc<CertifiedKey>| {
            let schemes = hello.signature_schemes();
            pair.key.choose_scheme(schemes).is_some()
        };
        let named = |pair: &&Arc<CertifiedKey>| name.as_ref().is_some_and(|it| is_for(pair, it));
        let pairs = || self.0.iter();
        let found = pairs()
            .filter(named)
            .find(signs)
            .or_else(|| pairs().find(signs));
        found.or_else(|| self.0.first()).cloned()
    }
}
