//! The certificates of a listener, taken from their files again when these change.
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use tracing::{info, warn};

use super::config::{Clients, Tls};
use super::shown::Shown;
use crate::certificates::{FileError, PairFiles, Phase, Validity, issuers, provider};
use crate::drain::Drain;
use crate::listener::Metrics;
use crate::telemetry::{Capped, with_causes};
use crate::timing::{Clock, Moment, wall_clock};

/// How often the files are looked at. They change every few weeks, and whoever changes them by hand
/// does not wait longer than this before trying it.
const LOOK: Duration = Duration::from_secs(5);
/// How often it is told.
const REMINDER: Duration = Duration::from_hours(24);
/// What is spoken above TLS (RFC 7301): the two versions that the listener serves.
const PROTOCOLS: [&[u8]; 2] = [b"http/1.1", b"http/1.0"];

/// Why certificates cannot be taken; completes "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// One of the files.
    #[error(transparent)]
    File(#[from] FileError),
    /// The issuers of clients' certificates.
    #[error("trust the issuers of clients' certificates")]
    Issuers(#[from] VerifierBuilderError),
    /// The library's own words.
    #[error("set TLS up")]
    Tls(#[from] rustls::Error),
}

/// A listener's certificates. Clones are one keyring.
#[derive(Clone)]
pub struct Keyring(Arc<Inner>);

struct Inner {
    metrics: Metrics,
    state: Mutex<Certificates>,
}

/// Certificates as they were read, ready to be shown.
pub struct Certificates {
    files: Tls,
    pairs: Vec<Pair>,
    /// Those of the pairs that stay in force where their files do not read.
    kept: Vec<Pair>,
    /// What the files looked like when they were read.
    seen: Vec<Look>,
    /// What is in force, for connections from now on.
    config: Arc<ServerConfig>,
    expiries: Vec<(String, Validity)>,
}

/// A certificate and its key, with their files.
pub type Pair = (PairFiles, Arc<CertifiedKey>);

/// What tells that a file is another one: by its metadata, since a file that was moved into its
/// place may have any time.
type Look = Option<(u64, i64, i64, u64)>;

impl Keyring {
    /// Takes the certificates from their files.
    pub fn load(files: Tls, metrics: &Metrics) -> Result<Self, Error> {
        let inner = Inner {
            state: Mutex::new(Certificates::read(files)?),
            metrics: metrics.clone(),
        };
        let keyring = Self(Arc::new(inner));
        keyring.expose();
        Ok(keyring)
    }

    /// Shows these certificates to connections from now on, whatever their files.
    pub fn replace(&self, certificates: Certificates) {
        for (file, _) in &self.state().expiries {
            self.0.metrics.certificate_is_gone(file);
        }
        *self.state() = certificates;
        self.expose();
        info!("the certificates of a listener were read again");
    }

    /// Looks at the files until the drain begins, and takes them again where they changed. Two
    /// files do not change at once: so they are left alone until they stay as they are for a while.
    pub async fn follow(self, clock: Clock, drain: Drain) {
        let (mut tried, mut reminder) = (self.state().seen.clone(), clock.now());
        let mut last = tried.clone();
        loop {
            if reminder <= clock.now() {
                self.remind(wall_clock());
                reminder = clock.now() + REMINDER;
            }
            let next: Moment = clock.now() + LOOK;
            tokio::select! {
                () = drain.begun() => return,
                () = clock.sleep_until(next) => {}
            }
            let files = self.state().files.clone();
            let Some(now) = off_the_thread(move || looks(&files)).await else {
                continue;
            };
            if now == last && now != tried && now != self.state().seen {
                tried.clone_from(&now);
                self.retry().await;
            }
            last = now;
        }
    }

    /// Takes changed files. A broken one is told once: it is tried again when it changes.
    async fn retry(&self) {
        let (files, kept) = {
            let state = self.state();
            (state.files.clone(), state.kept.clone())
        };
        match off_the_thread(move || Certificates::read_but(files, kept)).await {
            // A reload that named other files meanwhile knows better.
            Some(Ok(certificates)) if certificates.files == self.state().files => {
                self.replace(certificates);
                self.remind(wall_clock());
            }
            Some(Err(error)) => warn!(
                error = with_causes(&error),
                "failed to take certificates that changed: those of before stay in force"
            ),
            Some(Ok(_)) | None => {}
        }
    }

    /// The pairs in force of which that is true.
    pub fn kept(&self, is_kept: impl Fn(&PairFiles) -> bool) -> Vec<Pair> {
        let state = self.state();
        let pairs = state.pairs.iter();
        pairs.filter(|(files, _)| is_kept(files)).cloned().collect()
    }

    /// What a connection that begins now is served by.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.state().config)
    }

    fn state(&self) -> MutexGuard<'_, Certificates> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells until when its certificates are valid: also what another listener shows no more.
    pub fn expose(&self) {
        for (file, validity) in &self.state().expiries {
            self.0.metrics.certificate(file, validity.until_seconds());
        }
    }

    fn remind(&self, now: SystemTime) {
        for (file, validity) in &self.state().expiries {
            let (file, Validity { from, until }) = (Capped(file), validity);
            match validity.phase(now) {
                Phase::Expired => {
                    warn!(%file, %until, "a certificate has expired: clients refuse it");
                }
                Phase::EndsSoon => warn!(%file, %until, "a certificate expires soon"),
                Phase::Early => {
                    warn!(%file, %from, "a certificate is not valid yet: clients refuse it");
                }
                Phase::Valid => {}
            }
        }
    }
}

impl Certificates {
    /// Reads the files.
    pub fn read(files: Tls) -> Result<Self, Error> {
        Self::read_but(files, Vec::new())
    }

    /// Reads the files. A pair that is kept stays as it is where its files do not read.
    pub fn read_but(files: Tls, kept: Vec<Pair>) -> Result<Self, Error> {
        // Before the reading: what changes in between is seen as a change later.
        let seen = looks(&files);
        let mut pairs = Vec::new();
        let mut expiries = Vec::new();
        for pair in &files.pairs {
            let held = kept.iter().find(|(files, _)| files == pair);
            let read = match (pair.read(), held) {
                (Ok(read), _) => read,
                (Err(_), Some((_, held))) => Arc::clone(held),
                (Err(error), None) => return Err(error.into()),
            };
            let validity = read.cert.first().and_then(|it| Validity::of(it));
            expiries.extend(validity.map(|it| (pair.certificate.display().to_string(), it)));
            pairs.push((pair.clone(), read));
        }
        let shown = pairs.iter().map(|(_, read)| Arc::clone(read)).collect();
        let config = server_config(Shown(shown), &files.clients)?;
        Ok(Self {
            files,
            pairs,
            kept,
            seen,
            config: Arc::new(config),
            expiries,
        })
    }
}

fn looks(files: &Tls) -> Vec<Look> {
    let look = |path| {
        let found = fs::metadata(path).ok()?;
        Some((found.ino(), found.mtime(), found.mtime_nsec(), found.len()))
    };
    files.files().map(look).collect()
}

/// Disks may be slow, and everything else waits on the one thread.
async fn off_the_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

/// TLS 1.2 and 1.3. Keys are never logged: rustls writes them only where a `KeyLog` is set, and none
/// is (`SSLKEYLOGFILE` is ignored).
fn server_config(shown: Shown, clients: &Clients) -> Result<ServerConfig, Error> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])?;
    let builder = match verifier(clients)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::new(shown));
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    config.ignore_client_order = true;
    // A session is resumed by a ticket that the client keeps, under keys of this process that are
    // changed every few hours. They are fresh ones whenever certificates are read, so that nobody
    // resumes what would be refused now.
    config.ticketer = Ticketer::new()?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    // No early data: whoever records it can send it again (RFC 8446 §8), and a payment that is
    // sent again is a second charge.
    config.max_early_data_size = 0;
    Ok(config)
}

fn verifier(clients: &Clients) -> Result<Option<Arc<dyn ClientCertVerifier>>, Error> {
    let builder = |path| -> Result<_, Error> {
        let roots = Arc::new(issuers(path)?);
        Ok(WebPkiClientVerifier::builder_with_provider(
            roots,
            provider(),
        ))
    };
    Ok(match clients {
        Clients::Unasked => None,
        Clients::Optional(path) => Some(builder(path)?.allow_unauthenticated().build()?),
        Clients::Required(path) => Some(builder(path)?.build()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_never_logged_and_no_early_data_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["gateway.example".to_owned()]).unwrap();
        let path = folder.path().join("both.pem");
        fs::write(&path, made.cert.pem() + &made.signing_key.serialize_pem()).unwrap();
        let files = Tls {
            pairs: vec![PairFiles {
                certificate: path.clone(),
                key: path,
            }],
            clients: Clients::Unasked,
        };
        let keyring = Keyring::load(files, &Metrics::default()).unwrap();
        let config = keyring.config();
        assert!(!config.key_log.will_log("CLIENT_RANDOM"));
        assert_eq!(config.max_early_data_size, 0);
        assert_eq!(config.alpn_protocols, PROTOCOLS);
    }
}
