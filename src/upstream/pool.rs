//! The connections that wait for their next request, and the bound on how many are in use.
use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::connector::Connected;
use super::http1::Http1;
use super::http2::Http2;
use super::lean::{Lean, Passing};
use super::metrics::Open;
use super::{Config, Error};
use crate::drain::Drain;
use crate::live::{Bound, Live, Permit};
use crate::timing::{Clock, Moment};

/// Shared connections at once. One carries a hundred requests, or what its peer allows, and the second what is
/// over that.
const MAX_SHARED: usize = 2;

/// The connections of one origin that may be used again.
pub(super) struct Pool {
    places: Bound,
    config: Live<Config>,
    clock: Clock,
    drain: Drain,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Waiting HTTP/1.1 connections of every kind, in the order in which they were given back. The
    /// last of a kind is taken first, so that few stay warm and the others end.
    idle: Vec<Idle>,
    shared: Vec<Http2>,
    /// The last handshake chose HTTP/1.1, so many connections are needed.
    speaks_http1: bool,
    /// A task ends what waits too long.
    is_reaping: bool,
    /// Raised when connections are made in another way; those of before carry no further request.
    generation: u32,
}

struct Idle {
    connection: Waiting,
    since: Moment,
}

/// A waiting connection; one kind does not change into another.
pub(super) enum Waiting {
    Http1(Box<Http1>),
    Lean(Box<Lean>),
    Passing(Box<Passing>),
}

/// A kind of connection that carries one request at a time and can wait for the next.
pub(super) trait Pooled: Sized + Send {
    /// Readies HTTP on a stream; nothing is written.
    fn open(
        connected: Connected,
        open: Open,
    ) -> impl Future<Output = Result<Box<Self>, Error>> + Send;

    /// True if it can take a request now.
    fn is_ready(&mut self) -> bool;

    /// True if it is worth keeping after an answer.
    fn is_fit(&mut self) -> bool;

    fn into_waiting(self: Box<Self>) -> Waiting;

    /// The connection, if it is of this kind.
    fn from_waiting(waiting: Waiting) -> Option<Box<Self>>;

    fn is_kind_of(waiting: &Waiting) -> bool;
}

/// A pooled connection in use. Dropped without [`Lease::give_back`], the connection ends.
pub(super) struct Lease<C> {
    connection: Box<C>,
    generation: u32,
    pool: Arc<Pool>,
    _permit: Permit,
}

impl Pool {
    pub(super) fn new(config: Live<Config>, clock: Clock, drain: Drain) -> Arc<Self> {
        Arc::new(Self {
            places: Bound::new(config.now().connections),
            config,
            clock,
            drain,
            state: Mutex::default(),
        })
    }

    /// The places of connections in use. Connections that wait hold none.
    pub(super) const fn places(&self) -> &Bound {
        &self.places
    }

    fn idle_timeout(&self) -> Duration {
        self.config.now().idle_timeout
    }

    /// A waiting connection of a kind that is alive, and its generation.
    pub(super) fn take<C: Pooled>(&self) -> Option<(Box<C>, u32)> {
        let (now, idle_timeout) = (self.clock.now(), self.idle_timeout());
        loop {
            let (idle, generation) = self.pop::<C>()?;
            let mut connection = C::from_waiting(idle.connection)?;
            if now.since(idle.since) < idle_timeout && connection.is_ready() {
                return Some((connection, generation));
            }
        }
    }

    /// What waits is of the present generation.
    fn pop<C: Pooled>(&self) -> Option<(Idle, u32)> {
        let mut state = self.state();
        let is_wanted = |idle: &Idle| C::is_kind_of(&idle.connection);
        let last = state.idle.iter().rposition(is_wanted)?;
        Some((state.idle.remove(last), state.generation))
    }

    /// Ends the connections that waited longest until those that wait and those in use, the one
    /// to be opened among them, are no more than allowed. Its place is held already.
    pub(super) fn make_room(&self) {
        let room = self.places.free();
        let mut state = self.state();
        let surplus = state.idle.len().saturating_sub(room);
        let ended: Vec<Idle> = state.idle.drain(..surplus).collect();
        drop(state);
        drop(ended);
    }

    /// A shared connection, unless there is none or another should be opened.
    pub(super) fn shared(&self) -> Option<Http2> {
        let mut state = self.state();
        state.shared.retain(|http2| !http2.is_closed());
        let least = state.shared.iter().min_by_key(|http2| http2.load())?;
        (!least.is_busy() || state.shared.len() >= MAX_SHARED).then(|| least.clone())
    }

    /// True while further requests are given to it.
    pub(super) fn shares(&self, http2: &Http2) -> bool {
        let is_it = |other: &Http2| other.is_same(http2) && !other.is_closed();
        self.state().shared.iter().any(is_it)
    }

    /// Shares a fresh connection whose making began in `generation`.
    pub(super) fn share(&self, http2: &Http2, generation: u32) {
        let mut state = self.state();
        state.speaks_http1 = false;
        if state.shared.len() < MAX_SHARED && state.generation == generation {
            state.shared.push(http2.clone());
        }
    }

    /// Gives no further request to a shared connection; what is on it goes on.
    pub(super) fn retire(&self, dead: &Http2) {
        self.state().shared.retain(|http2| !http2.is_same(dead));
    }

    /// Gives no further request to any connection of now; what is on them goes on.
    pub(super) fn renew(&self) {
        let mut state = self.state();
        state.generation = state.generation.wrapping_add(1);
        let ended = (take(&mut state.idle), take(&mut state.shared));
        drop(state);
        drop(ended);
    }

    /// The generation of what is made from now on.
    pub(super) fn generation(&self) -> u32 {
        self.state().generation
    }

    /// Notes that a handshake chose HTTP/1.1.
    pub(super) fn note_http1(&self) {
        self.state().speaks_http1 = true;
    }

    /// True if the origin is known to speak HTTP/1.1.
    pub(super) fn speaks_http1(&self) -> bool {
        self.state().speaks_http1
    }

    fn put(self: &Arc<Self>, connection: Waiting, generation: u32) {
        let since = self.clock.now();
        let mut state = self.state();
        if state.generation != generation {
            return;
        }
        state.idle.push(Idle { connection, since });
        if !state.is_reaping && !self.drain.is_draining() {
            state.is_reaping = true;
            drop(self.drain.spawn(reap(Arc::downgrade(self))));
        }
    }

    /// Ends the connections that waited too long; says when the next one will have.
    fn prune(&self) -> Option<Moment> {
        let (now, idle_timeout) = (self.clock.now(), self.idle_timeout());
        let mut state = self.state();
        let overdue = state
            .idle
            .partition_point(|idle| now.since(idle.since) >= idle_timeout);
        state.idle.drain(..overdue);
        let next = state.idle.first().map(|idle| idle.since + idle_timeout);
        state.is_reaping = next.is_some();
        next
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends connections that wait too long, until none waits. The drain does not wait for it; what
/// then waits ends with the process.
async fn reap(pool: Weak<Pool>) {
    loop {
        let (next, clock, drain) = {
            let Some(pool) = pool.upgrade() else { return };
            let Some(next) = pool.prune() else { return };
            (next, pool.clock, pool.drain.clone())
        };
        tokio::select! {
            () = clock.sleep_until(next) => {}
            () = drain.begun() => return,
        }
    }
}

impl<C: Pooled> Lease<C> {
    /// A connection whose making began in `generation`.
    pub(super) fn new(
        connection: Box<C>,
        generation: u32,
        pool: Arc<Pool>,
        permit: Permit,
    ) -> Self {
        Self {
            connection,
            generation,
            pool,
            _permit: permit,
        }
    }

    pub(super) fn connection(&mut self) -> &mut C {
        &mut self.connection
    }

    /// Lets the connection wait for its next request, if it can take one: not if the peer said
    /// goodbye, sent more than its answer, or answered before it had read the whole request.
    pub(super) fn give_back(mut self) {
        if self.connection.is_fit() {
            let waiting = self.connection.into_waiting();
            self.pool.put(waiting, self.generation);
        }
    }
}
