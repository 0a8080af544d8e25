//! The issuers of a PEM file, as roots of trust.
use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::{FileError, Reason, read};

/// Reads the certificates of a PEM file as the only roots of trust.
pub fn issuers(path: &Path) -> Result<RootCertStore, FileError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| Reason::Certificate(error).of(path))?;
    }
    Ok(roots)
}

/// Reads the certificates of a PEM file, of which there is at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let pem = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|error| Reason::of_pem(&error).of(path))?;
    if found.is_empty() {
        return Err(Reason::NoCertificate.of(path));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_serve_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let reason = |path: &Path| issuers(path).err().unwrap().reason.to_string();
        let missing = reason(&folder.path().join("none.pem"));
        assert!(missing.starts_with("cannot be read: "), "{missing}");
        let empty = reason(&write("empty.pem", "no certificate here\n"));
        assert_eq!(empty, "has no certificate in it");
        let broken = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
        let broken = reason(&write("broken.pem", broken));
        assert!(broken.ends_with("is not base64"), "{broken}");
        let cut = reason(&write("cut.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n"));
        assert!(cut.contains("it ends before the \"-----END\""), "{cut}");
        let bare = reason(&write("bare.pem", "-----BEGIN CERTIFICATE\nAAAA\n"));
        assert!(bare.contains("a line of it begins with"), "{bare}");
        let odd = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let odd = reason(&write("odd.pem", odd));
        assert!(odd.starts_with("has a certificate that cannot"), "{odd}");
        let authority = rcgen::generate_simple_self_signed(["gateway.example".to_owned()]).unwrap();
        let good = issuers(&write("good.pem", &authority.cert.pem())).unwrap();
        assert_eq!(good.len(), 1);
    }
}
