//! The network between holdline and the simulated gateway: pipes in memory, a log of every byte,
//! and connects that fail or take their time.
use std::collections::VecDeque;
use std::io;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::Duration;

use futures_util::FutureExt;
use holdline::drain::Drain;
use holdline::simulator::Gateway;
use holdline::timing::{Clock, Moment};
use holdline::upstream::Connector;
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex, split,
};
use tokio::sync::Notify;
use tokio::time::Sleep;

use super::life::{Life, Step};

/// As much as a socket's buffer holds.
const PIPE: usize = 64 * 1024;

/// What becomes of a connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connect {
    Ready,
    Refused,
    Slow(Duration),
    /// It is ready, and the process has stood still for so long when it sees that.
    StandsStill(Duration),
    /// It is ready, and what the gateway answers on it arrives no sooner than after so long.
    AnswersAfter(Duration),
    /// It is ready, and the first write on it panics once the connection has taken the bytes.
    Panics,
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
    /// The connections of processes that live.
    lines: Vec<(Life, Weak<Mutex<Line>>)>,
    next: VecDeque<Connect>,
    plan: Box<dyn FnMut() -> Connect + Send>,
    sends_again: bool,
    witness: Option<Witness>,
}

/// Sees what arrives at the gateway, in the moment in which it does.
type Witness = Arc<dyn Fn(&[u8]) + Send + Sync>;

impl Network {
    pub(crate) fn new(gateway: Gateway, clock: Clock) -> Self {
        let state = State {
            wires: Vec::new(),
            lines: Vec::new(),
            next: VecDeque::new(),
            plan: Box::new(|| Connect::Ready),
            sends_again: false,
            witness: None,
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

    /// From now on `witness` sees what arrives at the gateway.
    pub(crate) fn witness(&self, witness: impl Fn(&[u8]) + Send + Sync + 'static) {
        self.state().witness = Some(Arc::new(witness));
    }

    /// What went over each connection.
    pub(crate) fn wires(&self) -> Vec<Wire> {
        let wires = self.state().wires.clone();
        wires.iter().map(|wire| lock(wire).clone()).collect()
    }

    /// A process's connector to this network's gateway. What the process has open is cut when it
    /// ends, and it connects to nothing any more.
    pub(crate) fn connector(&self, life: &Life) -> Connector {
        let (network, life) = (self.clone(), life.clone());
        let inner = Arc::downgrade(&self.0);
        life.at_end(move |life, _| {
            if let Some(inner) = inner.upgrade() {
                Self(inner).cut(life);
            }
        });
        Connector::memory(move || network.clone().connect(life.clone()))
    }

    /// Ends every connection of a process. What it wrote before is the network's, and arrives.
    fn cut(&self, life: &Life) {
        let lines: Vec<_> = {
            let mut state = self.state();
            let mine = |entry: &mut (Life, Weak<Mutex<Line>>)| entry.0 == *life;
            state.lines.extract_if(.., mine).collect()
        };
        for line in lines.iter().filter_map(|(_, line)| line.upgrade()) {
            lock(&line).cut();
        }
    }

    async fn connect(self, life: Life) -> io::Result<DuplexStream> {
        if !life.step(Step::Connect) {
            return std::future::pending().await;
        }
        let (connect, sends_again) = {
            let mut state = self.state();
            let connect = state.next.pop_front();
            (connect.unwrap_or_else(|| (state.plan)()), state.sends_again)
        };
        match connect {
            Connect::Ready | Connect::AnswersAfter(_) | Connect::Panics => {}
            Connect::Refused => return Err(io::ErrorKind::ConnectionRefused.into()),
            Connect::Slow(span) => tokio::time::sleep(span).await,
            Connect::StandsStill(span) => {
                // The clock jumps as this is asked for, and nobody has a turn in between.
                let _jumped = tokio::time::advance(span).now_or_never();
            }
        }
        if !sends_again {
            return Ok(self.reach(life, connect));
        }
        let (ours, theirs) = duplex(PIPE);
        let network = self.clone();
        self.0
            .drain
            .spawn(async move { network.sit_between(theirs, life).await });
        Ok(ours)
    }

    /// A connection that the gateway serves.
    fn reach(&self, life: Life, connect: Connect) -> DuplexStream {
        let (ours, mut theirs) = duplex(PIPE);
        let panicked = (connect == Connect::Panics).then(|| panic_of_writer(&mut theirs));
        let wire = Arc::default();
        let line = Arc::new(Mutex::new(Line {
            io: Some(theirs),
            rest: VecDeque::new(),
            waker: None,
        }));
        let witness = {
            let mut state = self.state();
            state.wires.push(Arc::clone(&wire));
            state.lines.retain(|(_, line)| line.strong_count() > 0);
            if life.has_ended() {
                lock(&line).io = None;
            } else {
                state.lines.push((life.clone(), Arc::downgrade(&line)));
            }
            state.witness.clone()
        };
        let answers_after = if let Connect::AnswersAfter(span) = connect {
            Some(Box::pin(tokio::time::sleep(span)))
        } else {
            None
        };
        let tapped = Tapped {
            line,
            life,
            clock: self.0.clock,
            wire,
            witness,
            answers_after,
        };
        let gateway = self.0.gateway.clone();
        self.0.drain.spawn(async move {
            if let Some(panicked) = panicked {
                panicked.notified().await;
            }
            gateway.serve_stream(tapped).await;
        });
        ours
    }

    /// Passes bytes on, and the request once more where the gateway's side ends without a word.
    async fn sit_between(self, client: DuplexStream, life: Life) {
        let (mut from_client, mut to_client) = split(client);
        let mut request = vec![0; PIPE];
        let Ok(count) = from_client.read(&mut request).await else {
            return;
        };
        request.truncate(count);
        for _ in 0..2 {
            let (mut from_gateway, mut to_gateway) =
                split(self.reach(life.clone(), Connect::Ready));
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

/// Has the first write at a pipe's other end panic once the pipe has taken the bytes; tells when it has.
fn panic_of_writer(end: &mut DuplexStream) -> Arc<Notify> {
    struct Panics(Arc<Notify>);

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            self.0.notify_one();
            resume_unwind(Box::new("the network panics"));
        }
    }

    let panicked = Arc::new(Notify::new());
    let waker = Waker::from(Arc::new(Panics(Arc::clone(&panicked))));
    let mut context = Context::from_waker(&waker);
    let mut nothing = [0];
    let read = Pin::new(end).poll_read(&mut context, &mut ReadBuf::new(&mut nothing));
    assert!(read.is_pending(), "nothing is written yet");
    panicked
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection as the gateway has it.
struct Line {
    /// `None` once the process at the other end is no more.
    io: Option<DuplexStream>,
    /// What the process had written when it ended.
    rest: VecDeque<u8>,
    /// Who waits for more of it.
    waker: Option<Waker>,
}

impl Line {
    /// The process ended: what it wrote is taken out now, so that nothing later comes with it.
    fn cut(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        let mut bytes = [0; 4096];
        while let Some(io) = &mut self.io {
            let mut buffer = ReadBuf::new(&mut bytes);
            let read = Pin::new(io).poll_read(&mut context, &mut buffer);
            if !matches!(read, Poll::Ready(Ok(()))) || buffer.filled().is_empty() {
                self.io = None;
            }
            self.rest.extend(buffer.filled());
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(io) = &mut self.io {
            self.waker = Some(context.waker().clone());
            return Pin::new(io).poll_read(context, buffer);
        }
        let count = self.rest.len().min(buffer.remaining());
        let bytes: Vec<u8> = self.rest.drain(..count).collect();
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }

    fn poll<T>(
        &mut self,
        act: impl FnOnce(Pin<&mut DuplexStream>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match &mut self.io {
            Some(io) => act(Pin::new(io)),
            None => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
        }
    }
}

/// The gateway's end of a connection, whose bytes are written down.
struct Tapped {
    line: Arc<Mutex<Line>>,
    life: Life,
    clock: Clock,
    wire: Arc<Mutex<Wire>>,
    witness: Option<Witness>,
    /// Nothing of the gateway's arrives before.
    answers_after: Option<Pin<Box<Sleep>>>,
}

impl AsyncRead for Tapped {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(lock(&self.line).poll_read(context, buffer))?;
        let bytes = buffer.filled()[before..].to_vec();
        if !bytes.is_empty() {
            if let Some(witness) = &self.witness {
                witness(&bytes);
            }
            lock(&self.wire).up.push((self.clock.now(), bytes));
            // They have left: the process may end in this moment, but they arrive.
            self.life.step(Step::Arrive);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tapped {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(answers_after) = &mut self.answers_after {
            ready!(answers_after.as_mut().poll(context));
            self.answers_after = None;
        }
        self.life.step(Step::Answer);
        let count = ready!(lock(&self.line).poll(|io| io.poll_write(context, bytes)))?;
        let written = bytes[..count].to_vec();
        lock(&self.wire).down.push((self.clock.now(), written));
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.line).poll(|io| io.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.line).poll(|io| io.poll_shutdown(context))
    }
}
