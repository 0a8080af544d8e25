//! What a listener with TLS shows, and what it asks of its clients.
use std::path::{Path, PathBuf};

use crate::certificates::PairFiles;

/// The files of a listener with TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Certificates and their keys. A client is shown the first that fits the name which it asks
    /// for (SNI, RFC 6066 §3) and the signatures that it knows; the first of all where none does.
    pub pairs: Vec<PairFiles>,
    /// Whether clients show certificates too.
    pub clients: Clients,
}

/// What is asked of clients. The path is that of a PEM file with the only issuers that their
/// certificates may come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clients {
    /// Nothing.
    Unasked,
    /// A client may show a certificate, and is refused if it is not acceptable.
    Optional(PathBuf),
    /// A client must show one.
    Required(PathBuf),
}

impl Tls {
    /// Every file that is read.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        let issuers = match &self.clients {
            Clients::Unasked => None,
            Clients::Optional(path) | Clients::Required(path) => Some(path.as_path()),
        };
        let pairs = self
            .pairs
            .iter()
            .flat_map(|pair| [pair.certificate.as_path(), pair.key.as_path()]);
        pairs.chain(issuers)
    }
}
