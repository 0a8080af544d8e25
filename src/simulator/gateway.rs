//! One simulated gateway, as tests hold it: made, served, steered and looked into.
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::Notify;

use super::faults::Words;
use super::ledger::Ledger;
use super::settings::Settings;
use super::state::State;
use crate::timing::{Clock, Moment, wall_clock};

/// A simulated gateway. Clones are handles on the same one; nothing is shared between two.
#[derive(Clone)]
pub struct Gateway(Arc<Shared>);

struct Shared {
    settings: Arc<Settings>,
    clock: Clock,
    /// The time of day at the clock's start.
    epoch: SystemTime,
    /// Locked for a moment at a time, never while anything is awaited.
    state: Mutex<State>,
    /// Woken when a task is ended by hand.
    finished: Notify,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Gateway").finish_non_exhaustive()
    }
}

impl Gateway {
    /// A gateway that has seen nothing yet.
    pub fn new(settings: Settings, clock: Clock) -> Self {
        let settings = Arc::new(settings);
        let elapsed = clock.now().since_start();
        let epoch = settings
            .epoch
            .unwrap_or_else(|| wall_clock().checked_sub(elapsed).unwrap_or_else(wall_clock));
        Self(Arc::new(Shared {
            state: Mutex::new(State::new(settings.clone())),
            settings,
            clock,
            epoch,
            finished: Notify::new(),
        }))
    }

    /// What truly happened until now.
    pub fn ledger(&self) -> Ledger {
        self.state().ledger.clone()
    }

    /// Forgets everything. The random draws go on, so that no id comes again.
    pub fn reset(&self) {
        self.state().forget();
        self.0.finished.notify_waiters();
    }

    /// Ends a task that still runs, now; false if there is none of this `request_id`.
    pub fn finish(&self, request_id: &str) -> bool {
        let ended = self.state().finish(self.now(), request_id);
        self.0.finished.notify_waiters();
        ended
    }

    /// When a task ends, and its transaction is shown to queries; `None` while the word `hold` holds
    /// it, and if there is none of this `request_id`.
    pub fn end_of(&self, request_id: &str) -> Option<Moment> {
        self.state().tasks.get(request_id)?.done
    }

    /// Ends every task that the word `hold` holds; returns how many.
    pub fn finish_held(&self) -> usize {
        let held = self.state().held();
        held.iter().filter(|id| self.finish(id)).count()
    }

    /// Gives these words to the next submit that comes; several calls line up.
    pub fn arm(&self, words: Words) {
        self.state().arm(words);
    }

    pub(super) fn draw(&self) -> Words {
        self.state().draw()
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(super) fn now(&self) -> Moment {
        self.0.clock.now()
    }

    /// The gateway's time of day.
    pub(super) fn time_of_day(&self) -> SystemTime {
        self.0.epoch + self.now().since_start()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when the task is done, or forgotten.
    pub(super) async fn done(&self, request_id: &str) {
        loop {
            let finished = self.0.finished.notified();
            tokio::pin!(finished);
            // From here on no ending is missed, though it is not awaited yet.
            finished.as_mut().enable();
            let done = match self.state().tasks.get(request_id) {
                None => return,
                Some(task) if task.is_done(self.now()) => return,
                Some(task) => task.done,
            };
            match done {
                None => finished.await,
                Some(done) => tokio::select! {
                    () = self.0.clock.sleep_until(done) => {}
                    () = finished => {}
                },
            }
        }
    }
}
