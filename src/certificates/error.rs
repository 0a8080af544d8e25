//! Why a file of certificates or keys cannot be used.
use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem;

/// A file that cannot be used; completes "failed to …".
#[derive(Debug, thiserror::Error)]
#[error("use {}: it {reason}", .path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong with a file; each completes "it …". No text quotes what is in it.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// There is nothing in it.
    #[error("is empty")]
    Empty,
    /// It is larger than any such file.
    #[error("is larger than 4 MiB, as no file of certificates or keys is")]
    TooLarge,
    /// It is not PEM (RFC 7468).
    #[error("is no sound PEM file: {0}")]
    Malformed(&'static str),
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
    /// What a reader of PEM found. Its own words would quote the file, byte for byte.
    pub(super) fn of_pem(error: &pem::Error) -> Self {
        Self::Malformed(match error {
            pem::Error::MissingSectionEnd { .. } => {
                "it ends before the \"-----END\" line of what began with \"-----BEGIN\""
            }
            pem::Error::IllegalSectionStart { .. } => {
                "a line of it begins with \"-----BEGIN\" and does not end with \"-----\""
            }
            pem::Error::Base64Decode(_) => {
                "what stands between \"-----BEGIN\" and \"-----END\" is not base64"
            }
            _ => "it cannot be taken apart",
        })
    }

    /// The reason as an error about `path`.
    pub(super) fn of(self, path: &Path) -> FileError {
        FileError {
            path: path.to_owned(),
            reason: self,
        }
    }
}
