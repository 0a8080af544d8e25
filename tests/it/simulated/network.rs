//! The network between holdline and the simulated gateway: pipes in memory, a log of every byte,
//! and connects that fail or take their time.
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use holdline::drain::Drain;
use holdline::simulator::Gateway;
use holdline::timing::{Clock, Moment};
use holdline::upstream::Connector;
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex, split,
};

/// As much as a socket's buffer holds.
const PIPE: usize = 64 * 1024;

/// What becomes of a connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connect {
    Ready,
    Refused,
    Slow(Duration),
}

/// What went over one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wire {
    /// What the gateway read, with the moment of each piece.
    pub(crate) up: Vec<(Moment, Vec<u8>)>,
    /// What the gateway wrote.
    pub(crate) down: Vec<(Moment, Vec<u8>)>,
}

/// The network in a test's hands.
#[derive(Clone)]
pub(crate) struct Network(Arc<Inner>);

struct Inner {
    gateway: Gateway,
    clock: Clock,
    drain: Drain,
    state: Mutex<State>,
}

struct State {
    wires: Vec<Arc<Mutex<Wire>>>,
    next: VecDeque<Connect>,
    plan: Box<dyn FnMut() -> Connect + Send>,
    sends_again: bool,
}

impl Network {
    pub(crate) fn new(gateway: Gateway, clock: Clock) -> Self {
        let state = State {
            wires: Vec::new(),
            next: VecDeque::new(),
            plan: Box::new(|| Connect::Ready),
            sends_again: false,
        };
        Self(Arc::new(Inner {
            gateway,
            clock,
            drain: Drain::new(),
            state: Mutex::new(state),
        }))
    }

    /// What becomes of the next connect.
    pub(crate) fn next(&self, connect: Connect) {
        self.state().next.push_back(connect);
    }

    /// What becomes of every connect of which nothing else is said.
    pub(crate) fn plan(&self, plan: impl FnMut() -> Connect + Send + 'static) {
        self.state().plan = Box::new(plan);
    }

    /// From now on a box in between sends a request again whose connection broke before an answer.
    pub(crate) fn send_again(&self) {
        self.state().sends_again = true;
    }

    /// What went over each connection.
    pub(crate) fn wires(&self) -> Vec<Wire> {
        let wires = self.state().wires.clone();
        wires.iter().map(|wire| lock(wire).clone()).collect()
    }

    /// The connector to this network's gateway.
    pub(crate) fn connector(&self) -> Connector {
        let network = self.clone();
        Connector::memory(move || network.clone().connect())
    }

    async fn connect(self) -> io::Result<DuplexStream> {
        let (connect, sends_again) = {
            let mut state = self.state();
            let connect = state.next.pop_front();
            (connect.unwrap_or_else(|| (state.plan)()), state.sends_again)
        };
        match connect {
            Connect::Ready => {}
            Connect::Refused => return Err(io::ErrorKind::ConnectionRefused.into()),
            Connect::Slow(span) => tokio::time::sleep(span).await,
        }
        if !sends_again {
            return Ok(self.reach());
        }
        let (ours, theirs) = duplex(PIPE);
        let network = self.clone();
        self.0
            .drain
            .spawn(async move { network.sit_between(theirs).await });
        Ok(ours)
    }

    /// A connection that the gateway serves.
    fn reach(&self) -> DuplexStream {
        let (ours, theirs) = duplex(PIPE);
        let wire = Arc::default();
        self.state().wires.push(Arc::clone(&wire));
        let tapped = Tapped {
            io: theirs,
            clock: self.0.clock,
            wire,
        };
        let gateway = self.0.gateway.clone();
        self.0
            .drain
            .spawn(async move { gateway.serve_stream(tapped).await });
        ours
    }

    /// Passes bytes on, and the request once more where the gateway's side ends without a word.
    async fn sit_between(self, client: DuplexStream) {
        let (mut from_client, mut to_client) = split(client);
        let mut request = vec![0; PIPE];
        let Ok(count) = from_client.read(&mut request).await else {
            return;
        };
        request.truncate(count);
        for _ in 0..2 {
            let (mut from_gateway, mut to_gateway) = split(self.reach());
            if to_gateway.write_all(&request).await.is_err() {
                continue;
            }
            let rest = async { tokio::io::copy(&mut from_client, &mut to_gateway).await };
            let answer = async { tokio::io::copy(&mut from_gateway, &mut to_client).await };
            let told = tokio::select! {
                _ = rest => return,
                told = answer => told,
            };
            if told.is_ok_and(|bytes| bytes > 0) {
                return;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The gateway's end of a connection, whose bytes are written down.
struct Tapped {
    io: DuplexStream,
    clock: Clock,
    wire: Arc<Mutex<Wire>>,
}

impl AsyncRead for Tapped {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let tapped = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut tapped.io).poll_read(context, buffer))?;
        let bytes = buffer.filled()[before..].to_vec();
        if !bytes.is_empty() {
            lock(&tapped.wire).up.push((tapped.clock.now(), bytes));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tapped {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let tapped = self.get_mut();
        let count = ready!(Pin::new(&mut tapped.io).poll_write(context, bytes))?;
        let written = bytes[..count].to_vec();
        lock(&tapped.wire).down.push((tapped.clock.now(), written));
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }
}
