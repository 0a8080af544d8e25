//! TLS before a gateway of plain connections: it does and says the same, in records.
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use holdline::certificates::provider;
use holdline::drain::Drain;
use rustls::ServerConfig;
use rustls::sign::SingleCertAndKey;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::secure::{Authority, HOST};

/// How holdline reaches its gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Plain,
    Tls,
}

/// Each case on a plain connection, and on one with TLS.
pub(crate) fn on_both_wires<T: Clone>(
    cases: impl IntoIterator<Item = T>,
) -> impl Iterator<Item = (Wire, T)> {
    let both = |case: T| [(Wire::Plain, case.clone()), (Wire::Tls, case)];
    cases.into_iter().flat_map(both)
}

/// After how many bytes to holdline a connection ends, those of the handshake among them; by the
/// connection's number.
pub(crate) type Cuts = Arc<dyn Fn(usize) -> usize + Send + Sync>;

/// How many bytes each connection has carried to holdline.
#[derive(Clone, Default)]
pub(crate) struct Carried(Arc<Mutex<Vec<Arc<AtomicUsize>>>>);

impl Carried {
    /// What the connection of that number has carried.
    pub(crate) fn by(&self, connection: usize) -> usize {
        self.0.lock().unwrap()[connection].load(Ordering::Relaxed)
    }

    fn begin(&self) -> (usize, Arc<AtomicUsize>) {
        let mut all = self.0.lock().unwrap();
        all.push(Arc::default());
        (all.len() - 1, Arc::clone(&all[all.len() - 1]))
    }
}

/// The front of one gateway, with a certificate of its own authority.
pub(crate) struct Front {
    authority: Authority,
    listener: TcpListener,
    acceptor: TlsAcceptor,
    gateway: SocketAddr,
    cuts: Cuts,
    pub(crate) carried: Carried,
}

impl Front {
    /// A front of the gateway at a plain origin.
    pub(crate) async fn of(origin: &str, cuts: Cuts) -> Self {
        let authority = Authority::new();
        let pair = authority.pair(HOST).read().unwrap();
        let resolver = SingleCertAndKey::from(Arc::unwrap_or_clone(pair));
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(resolver));
        Self {
            authority,
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
            acceptor: TlsAcceptor::from(Arc::new(config)),
            gateway: origin.strip_prefix("http://").unwrap().parse().unwrap(),
            cuts,
            carried: Carried::default(),
        }
    }

    /// How a configuration names it that trusts its authority.
    pub(crate) fn to_toml(&self) -> String {
        format!("{}ca_file = {:?}\n", self.place(), self.authority.file())
    }

    /// How a configuration names its place.
    pub(crate) fn place(&self) -> String {
        let address = self.listener.local_addr().unwrap();
        format!("upstream = \"https://{address}\"\nserver_name = \"{HOST}\"\n")
    }

    /// The certificate of its authority, as a file.
    pub(crate) fn authority(&self) -> PathBuf {
        self.authority.file()
    }

    pub(crate) async fn serve(self, drain: Drain) {
        loop {
            let (tcp, _) = self.listener.accept().await.unwrap();
            let (number, carried) = self.carried.begin();
            let stream = Counted {
                tcp,
                carried,
                limit: (self.cuts)(number),
            };
            let (acceptor, gateway) = (self.acceptor.clone(), self.gateway);
            drop(drain.spawn(bridge(stream, acceptor, gateway)));
        }
    }
}

/// Carries a connection until either side ends it; a reset of the gateway's is a reset here.
async fn bridge(stream: Counted, acceptor: TlsAcceptor, gateway: SocketAddr) {
    // Who did not get through the handshake has sent nothing.
    let Ok(mut tls) = acceptor.accept(stream).await else {
        return;
    };
    let mut plain = TcpStream::connect(gateway).await.unwrap();
    let carried = copy_bidirectional(&mut tls, &mut plain).await;
    if carried.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset) {
        tls.get_ref().0.tcp.set_zero_linger().unwrap();
    }
}

/// A connection that counts what it carries to holdline, and ends after so many bytes.
struct Counted {
    tcp: TcpStream,
    carried: Arc<AtomicUsize>,
    limit: usize,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(context, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let left = self.limit - self.carried.load(Ordering::Relaxed);
        if left == 0 {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let bytes = &bytes[..bytes.len().min(left)];
        let written = Pin::new(&mut self.tcp).poll_write(context, bytes);
        if let Poll::Ready(Ok(count)) = &written {
            self.carried.fetch_add(*count, Ordering::Relaxed);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}
