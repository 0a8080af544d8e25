//! The ordered stop: who is told that it begins, and the tracker that every task is spawned on.
use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};
use tokio_util::task::TaskTracker;

/// `[drain]`: how a stop is bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How long held requests may go on after SIGTERM.
    pub timeout: Duration,
}

/// How long the last answers may take to leave once everything else has ended.
const LAST_ANSWERS: Duration = Duration::from_secs(3);

impl Config {
    /// How long what runs may go on: the rest is for the last answers.
    pub fn until_last_answers(&self) -> Duration {
        let last = LAST_ANSWERS.min(self.timeout / 10);
        self.timeout.saturating_sub(last)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
        }
    }
}

/// Waits for a step of the stop.
pub type Reaching<'a> = WaitForCancellationFuture<'a>;

/// A handle on the process's end, cloned into every room that has tasks.
///
/// A stop has two steps: *draining* begins (nothing new is accepted, what runs may end), then
/// everything is *over* (what still waits is answered and let go).
#[derive(Clone, Debug, Default)]
pub struct Drain {
    draining: CancellationToken,
    over: CancellationToken,
    tasks: TaskTracker,
}

impl Drain {
    /// A handle for a process that is running.
    pub fn new() -> Self {
        Self::default()
    }

    /// Spawns a task on the tracker, so that [`Drain::finished`] waits for it.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn(task)
    }

    /// Begins the drain: what runs may go on until [`Drain::end`].
    pub fn begin(&self) {
        self.draining.cancel();
    }

    /// Ends the drain: what still waits is let go now.
    pub fn end(&self) {
        self.draining.cancel();
        self.over.cancel();
    }

    /// True once the drain has begun.
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// True once the drain is over.
    pub fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    /// Returns when the drain begins.
    pub fn begun(&self) -> Reaching<'_> {
        self.draining.cancelled()
    }

    /// Returns when the drain is over.
    pub fn ended(&self) -> Reaching<'_> {
        self.over.cancelled()
    }

    /// Returns when every spawned task has ended. Call it after [`Drain::begin`].
    pub async fn finished(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// How many spawned tasks have not ended.
    pub fn tasks(&self) -> usize {
        self.tasks.len()
    }
}
