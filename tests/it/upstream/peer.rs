//! Peers that follow a script, and the clients that call them.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use holdline::drain::Drain;
use holdline::message::Body;
use holdline::timing::Clock;
use holdline::upstream::{Client, Config, Connector, Metrics};
use http::Request;
use prometheus_client::registry::Registry;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;

/// How much a pipe in memory holds; less than a large body, so that writing one waits for its
/// reader.
const PIPE: usize = 16 * 1024;

/// A gateway whose connections are pipes in memory.
pub(crate) struct Gateway {
    arrivals: mpsc::UnboundedReceiver<DuplexStream>,
    pub(crate) metrics: Metrics,
}

/// The gateway's end of a connection.
pub(crate) struct Peer<S>(pub(crate) S);

/// A client of a gateway in memory.
pub(crate) fn gateway(config: Config) -> (Client, Gateway) {
    let (connector, gateway) = Gateway::in_memory();
    let client = Client::new(
        "http://gateway.example".parse().unwrap(),
        connector,
        config,
        Clock::start(),
        Drain::new(),
        gateway.metrics.clone(),
    );
    (client, gateway)
}

/// A client of the origin `url`.
pub(crate) fn client(url: &str, connector: Connector, config: Config) -> Client {
    let origin = url.parse().unwrap();
    let (clock, drain) = (Clock::start(), Drain::new());
    Client::new(origin, connector, config, clock, drain, Metrics::default())
}

impl Gateway {
    /// A gateway and what connects to it.
    pub(crate) fn in_memory() -> (Connector, Self) {
        let (arrive, arrivals) = mpsc::unbounded_channel();
        let connector = Connector::memory(move || {
            let (ours, theirs) = tokio::io::duplex(PIPE);
            arrive.send(theirs).unwrap();
            std::future::ready(Ok(ours))
        });
        let metrics = Metrics::default();
        (connector, Self { arrivals, metrics })
    }

    /// The next connection; none comes without a call.
    pub(crate) async fn accept(&mut self) -> Peer<DuplexStream> {
        Peer(self.arrivals.recv().await.unwrap())
    }

    /// How many connections came that were not accepted.
    pub(crate) fn waiting(&self) -> usize {
        self.arrivals.len()
    }

    /// The metrics as they are scraped.
    pub(crate) fn scraped(&self) -> String {
        let mut registry = Registry::with_prefix("holdline");
        self.metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    /// The head of the next request.
    pub(crate) async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap()
    }

    pub(crate) async fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Answers one request with `body`, and keeps the connection.
    pub(crate) async fn answer(&mut self, body: &str) {
        self.head().await;
        self.send(ok(body)).await;
    }

    /// Returns when the client has closed the connection; anything it still sends is dropped.
    pub(crate) async fn closed(&mut self) {
        let mut rest = [0; 1024];
        while !matches!(self.0.read(&mut rest).await, Ok(0) | Err(_)) {}
    }
}

/// An answer with a length.
pub(crate) fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nX-Kept: 1\r\n\r\n{body}",
        body.len()
    )
}

pub(crate) fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

pub(crate) fn post(body: impl Into<Bytes>) -> Request<Body> {
    Request::post("/async/transactions/payments")
        .body(Body::from(body.into()))
        .unwrap()
}

/// A latch as a submit takes it.
pub(crate) fn latch() -> Arc<AtomicBool> {
    Arc::default()
}

pub(crate) fn is_set(latch: &AtomicBool) -> bool {
    latch.load(Ordering::SeqCst)
}
