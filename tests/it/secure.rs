//! An authority of the test's own, certificates that it signed, and clients that trust it alone.
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use holdline::certificates::{PairFiles, provider};
use holdline::listener::{Clients, Keyring, Metrics, Tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::client::{
    ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, NamedGroup, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The host that the tests' listeners are.
pub(crate) const HOST: &str = "gateway.example";

/// An authority with a directory for its files.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "an authority of tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The file of its own certificate.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder().join("ca.pem")
    }

    /// Makes a certificate for `host` that is valid until `year`, in files of that name.
    pub(crate) fn pair_until(&self, host: &str, year: i32) -> PairFiles {
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let pair = PairFiles {
            certificate: self.folder().join(format!("{host}.pem")),
            key: self.folder().join(format!("{host}.key")),
        };
        std::fs::write(&pair.key, key.serialize_pem()).unwrap();
        std::fs::write(&pair.certificate, certificate.pem()).unwrap();
        pair
    }

    pub(crate) fn pair(&self, host: &str) -> PairFiles {
        self.pair_until(host, 2100)
    }

    /// What a listener for these hosts shows.
    pub(crate) fn tls(&self, hosts: &[&str], clients: Clients) -> Tls {
        Tls {
            pairs: hosts.iter().map(|host| self.pair(host)).collect(),
            clients,
        }
    }

    pub(crate) fn keyring(&self) -> Keyring {
        let tls = self.tls(&[HOST], Clients::Unasked);
        Keyring::load(tls, &Metrics::default()).unwrap()
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }

    /// A client that trusts this authority, and shows the certificate of `identity`.
    pub(crate) fn client(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        identity: Option<&PairFiles>,
    ) -> (ClientConfig, Arc<Tickets>) {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(self.roots());
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                use rustls::pki_types::pem::PemObject as _;
                let read = pair.read().unwrap();
                let key = PrivatePkcs8KeyDer::from_pem_file(&pair.key).unwrap();
                let key = PrivateKeyDer::Pkcs8(key);
                builder
                    .with_client_auth_cert(read.cert.clone(), key)
                    .unwrap()
            }
        };
        let tickets = Arc::new(Tickets::default());
        config.resumption = Resumption::store(tickets.clone());
        (config, tickets)
    }

    /// Shakes hands with a listener, and reads the tickets which it sends behind that, so that
    /// nothing but answers is left to read.
    pub(crate) async fn connect(&self, tcp: TcpStream) -> TlsStream<TcpStream> {
        let (config, tickets) = self.client(&[&rustls::version::TLS13], None);
        let mut stream = shake(config, HOST, tcp).await.unwrap();
        std::future::poll_fn(|context| {
            let mut byte = [0];
            let read = Pin::new(&mut stream).poll_read(context, &mut ReadBuf::new(&mut byte));
            assert!(read.is_pending(), "{read:?}");
            if tickets.0.load(Ordering::Relaxed) < 2 {
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
        stream
    }
}

/// Shakes hands over `tcp` with a server that is called `name`.
pub(crate) async fn shake(
    config: ClientConfig,
    name: &'static str,
    tcp: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(name).unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
}

/// Counts the tickets that a server sends, and resumes nothing.
#[derive(Debug, Default)]
pub(crate) struct Tickets(pub(crate) AtomicUsize);

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, _: Tls13ClientSessionValue) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}
