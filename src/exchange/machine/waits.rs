//! When the next poll or lookup is made.
use std::time::Duration;

use super::action::{Actions, Record};
use super::event::Whole;
use super::state::{Machine, State};
use crate::polling::{SoFar, Wait};
use crate::timing::Moment;

/// The least time between two questions to the gateway that repeats of a request bring about.
const BETWEEN_REPEATS: Duration = Duration::from_millis(100);

impl<A: Whole> Machine<A> {
    /// The wait for the next poll of a task that runs.
    pub(super) fn scheduled(&mut self, now: Moment) -> Wait {
        let so_far = SoFar {
            since: self.watch.since(now),
            at: self
                .asked_at
                .map_or(Duration::ZERO, |it| self.watch.since(it)),
            polls: self.pending,
            held: self.hold_until.since(now),
        };
        self.terms.schedule.wait(so_far, &mut self.jitter)
    }

    /// A poll told nothing of the task, and so ends what "unknown" there was in a row.
    pub(super) fn poll_failed(&mut self, retry_after: Option<Duration>, now: Moment) -> Actions<A> {
        self.unknown_since = None;
        let wait = self.after_failure(retry_after, now);
        self.wait_for_poll(wait, now);
        Actions::new()
    }

    /// The wait after a poll or a lookup that brought nothing.
    pub(super) fn after_failure(&mut self, retry_after: Option<Duration>, now: Moment) -> Wait {
        self.failures = self.failures.saturating_add(1);
        let held = self.hold_until.since(now);
        let backoff = self.terms.policy.backoff;
        backoff.wait(self.failures, retry_after, held, &mut self.jitter)
    }

    pub(super) fn wait_for_poll(&mut self, wait: Wait, now: Moment) {
        self.await_in(State::Waiting);
        self.wake = self.has_credentials.then(|| wait.end(now));
    }

    /// A repeat is answered as soon as may be: the gateway is asked at once, unless it was a moment
    /// ago. A client that repeats in a loop must not become a loop of polls.
    pub(super) fn wake_for_repeat(&mut self, now: Moment) {
        let soonest = self
            .asked_at
            .map_or(now, |asked| now.max(asked + BETWEEN_REPEATS));
        self.wake = Some(self.wake.map_or(soonest, |wake| wake.min(soonest)));
    }

    /// Makes a record before the poll that is waited for; the wait goes on meanwhile.
    pub(super) fn recorded_before_poll(&mut self, record: Record<A>) -> Actions<A> {
        let due = self.wake;
        let actions = self.record(record);
        self.due = due;
        actions
    }
}
