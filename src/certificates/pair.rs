//! A certificate and its key.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;

use super::issuers::certificates;
use super::{FileError, Reason, provider, read};

/// The PEM files of a certificate, followed by those of its issuers, and of its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairFiles {
    /// The certificate and its issuers, up to the one that the other side knows.
    pub certificate: PathBuf,
    /// Its key; it may be the same file.
    pub key: PathBuf,
}

impl PairFiles {
    /// Reads both files; the key is the certificate's.
    pub fn read(&self) -> Result<Arc<CertifiedKey>, FileError> {
        let chain = certificates(&self.certificate)?;
        let key = key(&self.key)?;
        let key = provider()
            .key_provider
            .load_private_key(key)
            .map_err(|error| Reason::Key(error).of(&self.key))?;
        let pair = CertifiedKey::new(chain, key);
        match pair.keys_match() {
            // Of some kinds of keys the public half is not known; then the handshake tells.
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
                Ok(Arc::new(pair))
            }
            Err(rustls::Error::InconsistentKeys(_)) => {
                Err(Reason::OtherKey(self.certificate.clone()).of(&self.key))
            }
            Err(error) => Err(Reason::Certificate(error).of(&self.certificate)),
        }
    }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, FileError> {
    let pem = read(path)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| {
        match error {
            rustls::pki_types::pem::Error::NoItemsFound => Reason::NoKey,
            other => Reason::of_pem(&other),
        }
        .of(path)
    })
}

/// True if the certificate is for a server of that name.
pub fn is_for(pair: &CertifiedKey, name: &ServerName<'_>) -> bool {
    pair.end_entity_cert()
        .and_then(ParsedCertificate::try_from)
        .is_ok_and(|certificate| verify_server_name(&certificate, name).is_ok())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey as Made, KeyPair, generate_simple_self_signed};

    use super::*;

    fn made(name: &str) -> Made<KeyPair> {
        generate_simple_self_signed([name.to_owned()]).unwrap()
    }

    #[test]
    fn a_pair_is_read_and_what_does_not_belong_together_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let (one, two) = (made("one.example"), made("two.example"));
        let pair = |certificate: &PathBuf, key: &PathBuf| {
            PairFiles {
                certificate: certificate.clone(),
                key: key.clone(),
            }
            .read()
        };
        let certificate = write("one.pem", one.cert.pem());
        let key = write("one.key", one.signing_key.serialize_pem());
        let read = pair(&certificate, &key).unwrap();
        let name = |name: &'static str| ServerName::try_from(name).unwrap();
        assert!(is_for(&read, &name("one.example")));
        assert!(!is_for(&read, &name("two.example")));
        let both = write(
            "both.pem",
            one.cert.pem() + &one.signing_key.serialize_pem(),
        );
        assert!(pair(&both, &both).is_ok());

        let reason = |read: Result<Arc<CertifiedKey>, FileError>| read.err().unwrap().to_string();
        let other = write("two.key", two.signing_key.serialize_pem());
        let told = reason(pair(&certificate, &other));
        assert!(told.contains("two.key: it is not the key of"), "{told}");
        let told = reason(pair(&certificate, &certificate));
        assert!(told.contains("it has no private key in it"), "{told}");
        let told = reason(pair(&key, &key));
        assert!(told.contains("it has no certificate in it"), "{told}");
        let told = reason(pair(&certificate, &write("empty.key", String::new())));
        assert!(told.ends_with("empty.key: it is empty"), "{told}");
        let odd = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let told = reason(pair(&certificate, &write("odd.key", odd.to_owned())));
        assert!(
            told.contains("it has a private key that cannot be used"),
            "{told}"
        );
    }
}
