//! A listener with a service of the test's choice.
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
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
use tokio::sync::{Semaphore, mpsc};

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
    pub(super) authority: Option<Authority>,
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
