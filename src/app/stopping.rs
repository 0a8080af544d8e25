//! The ordered stop: what runs may end, then every waiter is let go, then the journal is closed.
use std::sync::Arc;
use std::time::Duration;

use crate::drain::{Config, Drain};
use crate::exchange::{Flight, Flights};
use crate::journal::Journal;
use crate::telemetry::Capped;
use crate::timing::{Clock, Moment};
use crate::{listener, proxy};

/// How long the disk may take for the last entries.
const CLOSING: Duration = Duration::from_secs(2);

/// How long answers that came while the process stood still may take: they are read at once, and the disk
/// has what it needs for entries.
const CATCHING_UP: Duration = CLOSING;

/// How often a drain looks whether anything still runs.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

/// What is left to do once the process is told to stop.
pub(super) struct Stopping {
    pub(super) clock: Clock,
    pub(super) drain: Drain,
    pub(super) flights: Flights,
    pub(super) clients: listener::Metrics,
    pub(super) held: proxy::Metrics,
    /// Closed at the end; absent where everything is in memory.
    pub(super) journal: Option<Journal>,
}

impl Stopping {
    /// No new submits; what runs may end; then every waiter is let go and the last answers leave. All of
    /// it within the time-out, of which the last answers have their part, but for two seconds at most where
    /// the time-out is short. A process that stood still over its end has a moment more. False if
    /// something that was to be durable is not.
    pub(super) async fn drain(self, config: &Config, hurry: impl Future<Output = ()>) -> bool {
        let (begun, timeout) = (self.clock.now(), config.timeout);
        let end = begun + timeout;
        let until = begun + config.until_last_answers();
        let (running, at_rest) = self.flights.count();
        let held = self.held.held();
        tracing::info!(held, running, at_rest, timeout = ?timeout, "draining");
        self.drain.begin();
        self.flights.begin_drain(until);
        let mut left = 0;
        tokio::select! {
            () = self.nothing_runs(&mut left) => {}
            () = self.clock.wait_out(until, CATCHING_UP) => {}
            () = hurry => tracing::warn!("told twice to stop: not waiting for what runs"),
        }
        left += self.let_go(self.flights.stop(|flight| !flight.is_at_rest()));
        let ended = running.saturating_sub(left);
        self.drain.end();
        // Whoever has just been given an answer may still give up over it.
        let end = end.max(self.clock.now() + listener::LAST_WRITES + DRAIN_LOOK);
        tokio::select! {
            () = self.nothing_is_served(&mut left) => {}
            () = self.clock.sleep_until(end) => {}
        }
        left += self.let_go(self.flights.stop(|_| true));
        tokio::select! {
            () = self.drain.finished() => {}
            () = self.clock.sleep_until(end + DRAIN_LOOK) => {
                self.tell_tasks();
            }
        }
        let is_written = self.close_journal().await;
        let seconds = self.clock.now().since(begun).as_secs_f64();
        if self.journal.is_some() {
            tracing::info!(ended, for_the_successor = left, seconds, "stopped");
        } else {
            tracing::info!(ended, forgotten = left, seconds, "stopped");
        }
        is_written
    }

    /// A client that keeps its connection open is a task too, and nobody waits for that.
    fn tell_tasks(&self) {
        let (tasks, clients) = (self.drain.tasks(), self.clients.open());
        if tasks > usize::try_from(clients).unwrap_or_default() {
            tracing::warn!(tasks, clients, "stopping with tasks that did not end");
        } else {
            tracing::info!(
                clients,
                "clients keep their connections open: not waiting for them"
            );
        }
    }

    /// True if what was written last is on disk: it may refuse, or hang.
    async fn close_journal(&self) -> bool {
        let Some(journal) = &self.journal else {
            return true;
        };
        let patience = self.clock.now() + CLOSING;
        tokio::select! {
            owed = journal.close() => owed == 0,
            () = self.clock.wait_out(patience, CLOSING) => {
                let left_over = journal.left_over();
                if left_over.is_none() {
                    let owed = journal.unwritten();
                    tracing::error!(owed, "the disk does not take what was written last");
                }
                left_over == Some(0)
            }
        }
    }

    /// Returns when no exchange runs and no client is served: relayed requests and reads count too.
    /// Who came later is refused, or waits for an exchange that runs; clients that go on trying do
    /// not draw out the stop. An exchange that can do nothing more in time is let go, and counted: its
    /// client waits in vain here.
    async fn nothing_runs(&self, let_go: &mut usize) {
        while self.flights.any_runs() || self.clients.open_before() > 0 {
            *let_go += self.let_go(self.flights.stop_what_waits_in_vain());
            self.look_again().await;
        }
    }

    /// Returns when no client is served. Who joins now what an earlier process left waits in vain.
    async fn nothing_is_served(&self, let_go: &mut usize) {
        while self.clients.open() > 0 {
            *let_go += self.let_go(self.flights.stop_what_waits_in_vain());
            self.look_again().await;
        }
    }

    async fn look_again(&self) {
        let next: Moment = self.clock.now() + DRAIN_LOOK;
        self.clock.sleep_until(next).await;
    }

    /// Tells of flights that were let go, and says how many they are. Without a journal they end with the
    /// process; whoever reads the log must know which.
    fn let_go(&self, flights: Vec<Arc<Flight>>) -> usize {
        let count = flights.len();
        if self.journal.is_some() {
            return count;
        }
        for flight in flights {
            tracing::warn!(
                target: "holdline::exchange",
                exchange = %flight.id(),
                request_id = flight.ticket(),
                key = %Capped(flight.key().value.to_str().unwrap_or_default()),
                tracking_id = %Capped(flight.facts().tracking_id.as_deref().unwrap_or_default()),
                parent_uid = %Capped(flight.facts().parent_uid.as_deref().unwrap_or_default()),
                state = ?flight.state(),
                "forgotten at the stop: its answer was not acknowledged, and nothing is on disk"
            );
        }
        count
    }
}
