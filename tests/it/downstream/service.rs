//! A listener with a service of the test's choice, and clients that behave as they are told.
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use holdline::drain::Drain;
use holdline::listener::{
    Config, Delivery, Evidence, Keyring, Metrics, Presence, Receipt, Reply, Server, bind,
};
use holdline::live::Live;
use holdline::message::{self, Body, BodyError};
use holdline::timing::Clock;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::Service;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::client::TlsStream;

use crate::secure::Authority;

/// How long a goodbye of TLS waits in tests.
const GOODBYE: Duration = Duration::from_millis(500);

/// What happened at the listener, in its order. The text is the request's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Arrived(String),
    Dropped(String),
    Settled(String, bool),
}

pub(crate) fn arrived(path: &str) -> Event {
    Event::Arrived(path.to_owned())
}

pub(crate) fn dropped(path: &str) -> Event {
    Event::Dropped(path.to_owned())
}

pub(crate) fn settled(path: &str, delivered: bool) -> Event {
    Event::Settled(path.to_owned(), delivered)
}

/// A running listener. The path says the answer: `/FRAMING/BYTES/...`, where the framing is
/// `whole`, `plain` (without a receipt), `streamed`, `empty`, `echo`, `short` (of its declared
/// length) or `broken`. Every answer takes one permit of `gate` first.
pub(crate) struct Downstream {
    pub(crate) address: SocketAddr,
    pub(crate) drain: Drain,
    pub(crate) metrics: Metrics,
    pub(crate) gate: Arc<Semaphore>,
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    client: Arc<Mutex<Presence>>,
    promises: bool,
    authority: Option<Authority>,
}

pub(crate) struct Setup {
    pub(crate) config: Config,
    pub(crate) evidence: Evidence,
    pub(crate) delay: Duration,
    pub(crate) open: bool,
    pub(crate) promise: Promise,
    pub(crate) authority: Option<Authority>,
    pub(crate) keyring: Option<Keyring>,
}

/// Whether the service promises its answers, so that connections are parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    Never,
    WithTheBodyRead,
    WithTheBodyUnread,
}

/// A listener whose answers leave at once.
pub(crate) fn listener() -> Setup {
    Setup {
        config: Config::default(),
        evidence: Evidence::of_this_system(),
        delay: Duration::ZERO,
        open: true,
        promise: Promise::Never,
        authority: None,
        keyring: None,
    }
}

/// The same with TLS.
pub(crate) fn tls_listener() -> Setup {
    let authority = Authority::new();
    let keyring = authority.keyring();
    Setup {
        authority: Some(authority),
        ..listener()
    }
    .keyring(keyring)
    // Its goodbye decides an answer: long enough that a busy machine does not put a client's reset
    // after it.
    .configure(|config| config.goodbye = GOODBYE)
}

/// Listeners without parking and with it, plain and with TLS.
pub(crate) fn all_ways() -> [Setup; 4] {
    let parking = |setup: Setup| setup.promise(Promise::WithTheBodyRead);
    [
        listener(),
        parking(listener()),
        tls_listener(),
        parking(tls_listener()),
    ]
}

impl Setup {
    pub(crate) fn configure(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    pub(crate) fn quiet(self, quiet: Duration) -> Self {
        self.configure(|config| config.quiet = quiet)
    }

    pub(crate) fn evidence(self, evidence: Evidence) -> Self {
        Self { evidence, ..self }
    }

    /// Each answer leaves so long after its request came.
    pub(crate) fn delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// Answers wait until the test adds permits to the gate.
    pub(crate) fn holding(self) -> Self {
        Self {
            open: false,
            ..self
        }
    }

    pub(crate) fn promise(self, promise: Promise) -> Self {
        Self { promise, ..self }
    }

    pub(crate) fn keyring(self, keyring: Keyring) -> Self {
        Self {
            keyring: Some(keyring),
            ..self
        }
    }

    pub(crate) fn start(self) -> Downstream {
        let tcp = bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = tcp.local_addr().unwrap();
        let (clock, drain, metrics) = (Clock::start(), Drain::new(), Metrics::default());
        let gate = Arc::new(Semaphore::new(if self.open { 1 << 20 } else { 0 }));
        let (tell, events) = mpsc::unbounded_channel();
        let client = Arc::default();
        let server = Server {
            config: Live::new(self.config),
            clock,
            drain: drain.clone(),
            metrics: metrics.clone(),
            evidence: self.evidence,
            tls: self.keyring,
        };
        let answers = Answers {
            tell,
            client: Arc::clone(&client),
            gate: Arc::clone(&gate),
            delay: self.delay,
            promise: self.promise,
        };
        drop(drain.spawn(server.run(tcp, answers)));
        Downstream {
            address,
            drain,
            metrics,
            gate,
            events,
            client,
            promises: self.promise != Promise::Never,
            authority: self.authority,
        }
    }
}

/// Tells that the service's future was dropped before its answer.
struct Held(String, mpsc::UnboundedSender<Event>, bool);

impl Drop for Held {
    fn drop(&mut self) {
        if !self.2 {
            let _ = self.1.send(Event::Dropped(self.0.clone()));
        }
    }
}

#[derive(Clone)]
struct Answers {
    tell: mpsc::UnboundedSender<Event>,
    client: Arc<Mutex<Presence>>,
    gate: Arc<Semaphore>,
    delay: Duration,
    promise: Promise,
}

impl Service<Request<Incoming>> for Answers {
    type Response = Reply;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Reply, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let answers = self.clone();
        Box::pin(async move { Ok(answers.serve(request).await) })
    }
}

impl Answers {
    async fn serve(self, request: Request<Incoming>) -> Reply {
        let path = request.uri().path().to_owned();
        let client = request.extensions().get().cloned();
        *self.client.lock().unwrap() = client.unwrap();
        let _ = self.tell.send(Event::Arrived(path.clone()));
        let mut body = request.into_body();
        match self.promise {
            Promise::Never => self.answer(path, Some(body)).await.into(),
            Promise::WithTheBodyRead => {
                let read = message::collect(&mut body, 1 << 20).await.unwrap();
                let echo = Body::from(Bytes::copy_from_slice(&read));
                Reply::later(body, self.answer(path, Some(echo)))
            }
            Promise::WithTheBodyUnread => Reply::later(body, self.answer(path, None::<Body>)),
        }
    }

    async fn answer<B>(self, path: String, echo: Option<B>) -> Delivery
    where
        B: http_body::Body<Data = Bytes, Error: std::fmt::Debug> + Unpin,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let Self {
            tell, gate, delay, ..
        } = self;
        let mut held = Held(path.clone(), tell.clone(), false);
        let receipt = Receipt::new({
            let path = path.clone();
            move |delivered| {
                let _ = tell.send(Event::Settled(path, delivered));
            }
        });
        gate.acquire().await.unwrap().forget();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        held.2 = true;
        let mut parts = path.split('/').skip(1);
        let framing = parts.next().unwrap().to_owned();
        let size = parts.next().map_or(0, |size| size.parse().unwrap_or(0));
        let body = match (framing.as_str(), echo) {
            ("whole" | "plain" | "short", _) => Body::from(Bytes::from(text(size))),
            ("streamed", _) => streamed(size, false),
            ("broken", _) => streamed(size, true),
            ("echo", Some(body)) => Body::from(message::collect(body, 1 << 20).await.unwrap()),
            _ => Body::empty(),
        };
        let mut response = Response::new(body);
        if framing == "short" {
            let length = http::HeaderValue::from(size + 1);
            response
                .headers_mut()
                .insert(http::header::CONTENT_LENGTH, length);
        }
        Delivery {
            response,
            receipt: (framing != "plain").then_some(receipt),
        }
    }
}

fn text(size: usize) -> Vec<u8> {
    let mut text = vec![b'x'; size.max(3)];
    text.truncate(size.max(3) - 3);
    text.extend_from_slice(b"END");
    text
}

/// A body of unknown length, in two or more frames.
fn streamed(size: usize, breaks: bool) -> Body {
    let mut frames: Vec<_> = text(size)
        .chunks(size.div_ceil(2).clamp(1, 16_384))
        .map(|chunk| Ok(http_body::Frame::data(Bytes::copy_from_slice(chunk))))
        .collect();
    if breaks {
        frames.push(Err(BodyError::cut("the source went away")));
    }
    let stream = futures_util::stream::iter(frames);
    Body::streamed(http_body_util::StreamBody::new(stream).boxed_unsync())
}

/// How a client asks and by what it knows the end of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Framing {
    ContentLength,
    Chunked,
    Empty,
    Http10,
    CloseDelimited,
}

pub(crate) const FRAMINGS: [Framing; 5] = [
    Framing::ContentLength,
    Framing::Chunked,
    Framing::Empty,
    Framing::Http10,
    Framing::CloseDelimited,
];

impl Framing {
    pub(crate) fn path(self, rest: &str) -> String {
        let kind = match self {
            Self::ContentLength | Self::Http10 => "whole/2000",
            Self::Chunked | Self::CloseDelimited => "streamed/2000",
            Self::Empty => "empty/0",
        };
        format!("/{kind}/{self:?}/{rest}")
    }

    pub(crate) fn request(self, path: &str) -> String {
        let version = match self {
            Self::ContentLength | Self::Chunked | Self::Empty => "1.1",
            Self::Http10 | Self::CloseDelimited => "1.0",
        };
        format!("GET {path} HTTP/{version}\r\nhost: test\r\n\r\n")
    }

    /// Whether `received` ends `answers` whole answers.
    fn is_whole(self, received: &[u8], answers: usize, ended: bool) -> bool {
        let count = |needle: &[u8]| {
            received
                .windows(needle.len())
                .filter(|window| *window == needle)
                .count()
        };
        match self {
            Self::ContentLength => count(b"END") == answers,
            Self::Chunked => count(b"\r\n0\r\n\r\n") == answers,
            Self::Empty => count(b"\r\n\r\n") == answers,
            Self::Http10 | Self::CloseDelimited => ended && count(b"END") == answers,
        }
    }
}

/// A client over a bare socket, or a TLS session above it.
pub(crate) struct Client {
    pub(crate) stream: Stream,
}

/// What a client reads and writes.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// The socket below.
    pub(crate) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

impl Client {
    pub(crate) async fn connect(downstream: &Downstream) -> Self {
        let stream = TcpStream::connect(downstream.address).await.unwrap();
        Self::over(downstream, stream).await
    }

    /// A client whose kernel takes little before it reads.
    pub(crate) async fn narrow(downstream: &Downstream) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let stream = socket.connect(downstream.address).await.unwrap();
        Self::over(downstream, stream).await
    }

    async fn over(downstream: &Downstream, stream: TcpStream) -> Self {
        let stream = match &downstream.authority {
            None => Stream::Plain(stream),
            Some(authority) => Stream::Tls(Box::new(authority.connect(stream).await)),
        };
        Self { stream }
    }

    /// Closes as libraries do: with the goodbye of TLS, and without waiting for an answer to it.
    pub(crate) async fn close(mut self) {
        if let Stream::Tls(stream) = &mut self.stream {
            stream.get_mut().1.send_close_notify();
            // It may be gone on the other side too.
            let _ = stream.flush().await;
        }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    pub(crate) async fn ask(&mut self, framing: Framing, path: &str) {
        self.send(&framing.request(path)).await;
    }

    /// Reads so many whole answers; an error or an early end says what came until then.
    pub(crate) async fn answers(
        &mut self,
        framing: Framing,
        answers: usize,
    ) -> Result<String, String> {
        let mut received = Vec::new();
        loop {
            let read = self.stream.read_buf(&mut received).await;
            let ended = !matches!(read, Ok(1..));
            if framing.is_whole(&received, answers, read.is_ok() && ended) {
                return Ok(String::from_utf8(received).unwrap());
            }
            if ended {
                return Err(String::from_utf8(received).unwrap());
            }
        }
    }

    pub(crate) async fn half_close(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Leaves with a reset, as a client that is killed with unread data or aborts.
    pub(crate) fn reset(self) {
        self.stream.tcp().set_zero_linger().unwrap();
    }

    /// Waits until the kernel has something of the answer, and reads nothing.
    pub(crate) async fn answer_arrives(&mut self) {
        assert!(self.stream.tcp().peek(&mut [0]).await.unwrap() > 0);
    }
}

impl Downstream {
    pub(crate) async fn event(&mut self) -> Event {
        self.events.recv().await.unwrap()
    }

    /// Who made the last request.
    pub(crate) fn client(&self) -> Presence {
        self.client.lock().unwrap().clone()
    }

    /// The next verdict and its path, with other events passed over.
    pub(crate) async fn verdict(&mut self) -> (String, bool) {
        loop {
            if let Event::Settled(path, delivered) = self.event().await {
                return (path, delivered);
            }
        }
    }

    /// Waits until so many connections are parked, if this listener's service promises answers.
    pub(crate) async fn parks(&self, connections: usize) {
        if !self.promises {
            return;
        }
        let line = format!("parked {connections}\n");
        let parked = async {
            while !self.metrics().contains(&line) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), parked)
            .await
            .unwrap_or_else(|_| panic!("not {line}: {}", self.metrics()));
    }

    /// The metrics as text.
    pub(crate) fn metrics(&self) -> String {
        let mut registry = prometheus_client::registry::Registry::default();
        self.metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }
}
