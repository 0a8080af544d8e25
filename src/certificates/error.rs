//! Why a file of certificates or keys cannot be used.
use std::io;
use std::path::{Path, PathBuf};

/// A file that cannot be used; completes "failed to …".
#[derive(Debug, thiserror::Error)]
#[error("use {}, which {reason}", .path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong with a file; each completes "the file …". No text quotes what is in it.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// It is not PEM.
    #[error("is no PEM file: {0}")]
    Malformed(String),
    /// It holds no certificate.
    #[error("has no certificate in it")]
    NoCertificate,
    /// A certificate of it is broken, or cannot be an issuer's.
    #[error("has a certificate that cannot be used: {0}")]
    Certificate(rustls::Error),
    /// It holds no private key that is not encrypted.
    #[error("has no private key in it, or an encrypted one")]
    NoKey,
    /// Its key is of a kind that is not known.
    #[error("has a private key that cannot be used: {0}")]
    Key(rustls::Error),
    /// Its key belongs to another certificate.
    #[error("is not the key of the certificate in {}", .0.display())]
    OtherKey(PathBuf),
}

impl Reason {
    /// The reason as an error about `path`.
    pub(super) fn of(self, path: &Path) -> FileError {
        FileError {
            path: path.to_owned(),
            reason: self,
        }
    }
}
