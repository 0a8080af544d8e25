//! The connections that wait for their next request, and the bound on how many are in use.
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::http1::Http1;
use super::http2::{Http2, Stream};
use crate::drain::Drain;
use crate::timing::{Clock, Moment};

/// Shared connections at once. One carries a hundred requests, and the second what is over that.
const MAX_SHARED: usize = 2;

/// The connections of one origin that may be used again.
pub(super) struct Pool {
    permits: Arc<Semaphore>,
    idle_timeout: Duration,
    clock: Clock,
    drain: Drain,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Waiting HTTP/1.1 connections, in the order in which they were given back. The last is taken
    /// first, so that few stay warm and the others end.
    idle: Vec<Idle>,
    shared: Vec<Http2>,
    /// The last handshake chose HTTP/1.1, so many connections are needed.
    speaks_http1: bool,
    /// A task ends what waits too long.
    is_reaping: bool,
}

struct Idle {
    http1: Box<Http1>,
    since: Moment,
}

/// A pooled connection in use. Dropped without [`Lease::give_back`], the connection ends.
pub(super) struct Lease {
    http1: Box<Http1>,
    pool: Arc<Pool>,
    _permit: OwnedSemaphorePermit,
}

impl Pool {
    pub(super) fn new(
        connections: usize,
        idle_timeout: Duration,
        clock: Clock,
        drain: Drain,
    ) -> Arc<Self> {
        Arc::new(Self {
            permits: Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS))),
            idle_timeout,
            clock,
            drain,
            state: Mutex::default(),
        })
    }

    /// The permits of connections in use. Connections that wait hold none, and none is opened
    /// while one waits, so there are never more connections than permits.
    pub(super) fn permits(&self) -> Arc<Semaphore> {
        Arc::clone(&self.permits)
    }

    /// A waiting connection that is alive.
    pub(super) fn take(&self) -> Option<Box<Http1>> {
        let now = self.clock.now();
        loop {
            let mut idle = self.state().idle.pop()?;
            if now.since(idle.since) < self.idle_timeout && idle.http1.is_ready() {
                return Some(idle.http1);
            }
        }
    }

    /// A part of a shared connection, unless there is none or another should be opened.
    pub(super) fn stream(&self) -> Option<Stream> {
        let mut state = self.state();
        state.shared.retain(|http2| !http2.is_closed());
        let least = state.shared.iter().min_by_key(|http2| http2.load())?;
        (!least.is_busy() || state.shared.len() >= MAX_SHARED).then(|| least.stream())
    }

    /// Shares a fresh connection.
    pub(super) fn share(&self, http2: Http2) -> Stream {
        let stream = http2.stream();
        let mut state = self.state();
        state.speaks_http1 = false;
        if state.shared.len() < MAX_SHARED {
            state.shared.push(http2);
        }
        stream
    }

    /// Gives no further request to a shared connection; what is on it goes on.
    pub(super) fn retire(&self, dead: &Http2) {
        self.state().shared.retain(|http2| !http2.is_same(dead));
    }

    /// Notes that a handshake chose HTTP/1.1.
    pub(super) fn note_http1(&self) {
        self.state().speaks_http1 = true;
    }

    /// True if the origin is known to speak HTTP/1.1.
    pub(super) fn speaks_http1(&self) -> bool {
        self.state().speaks_http1
    }

    fn put(self: &Arc<Self>, http1: Box<Http1>) {
        let since = self.clock.now();
        let mut state = self.state();
        state.idle.push(Idle { http1, since });
        if !state.is_reaping && !self.drain.is_draining() {
            state.is_reaping = true;
            drop(self.drain.spawn(reap(Arc::downgrade(self))));
        }
    }

    /// Ends the connections that waited too long; says when the next one will have.
    fn prune(&self) -> Option<Moment> {
        let now = self.clock.now();
        let mut state = self.state();
        let overdue = state
            .idle
            .partition_point(|idle| now.since(idle.since) >= self.idle_timeout);
        state.idle.drain(..overdue);
        let next = state
            .idle
            .first()
            .map(|idle| idle.since + self.idle_timeout);
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

impl Lease {
    pub(super) fn new(http1: Box<Http1>, pool: Arc<Pool>, permit: OwnedSemaphorePermit) -> Self {
        Self {
            http1,
            pool,
            _permit: permit,
        }
    }

    pub(super) fn http1(&mut self) -> &mut Http1 {
        &mut self.http1
    }

    /// Lets the connection wait for its next request, if it can take one: not if the peer said
    /// goodbye, sent more than its answer, or answered before it had read the whole request.
    pub(super) fn give_back(mut self) {
        if self.http1.is_ready() {
            self.pool.put(self.http1);
        }
    }
}
