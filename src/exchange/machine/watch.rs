//! How long a task took, as its polls tell: between two of them.
use std::time::Duration;

use crate::timing::Moment;

/// The moments of one task. Polls are told by when they were sent: what the way to the gateway takes
/// is then in both ends alike.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watch {
    accepted_at: Option<Moment>,
    /// False for a task of an earlier process: nobody asked while it was gone.
    is_whole: bool,
    /// When the last poll was sent that was answered "running".
    ran_at: Option<Moment>,
    /// When the first poll was sent that was answered otherwise, for good.
    done_at: Option<Moment>,
}

impl Watch {
    /// A task was accepted. The receipt of the same task again changes nothing.
    pub(super) fn accepted(&mut self, now: Moment, is_another: bool) {
        if is_another || self.accepted_at.is_none() {
            *self = Self {
                accepted_at: Some(now),
                is_whole: true,
                ..Self::default()
            };
        }
    }

    /// A task of an earlier process was accepted then, or a little earlier.
    pub(super) fn restored(&mut self, then: Moment) {
        self.accepted_at = Some(then);
    }

    /// A poll that was sent at this moment was answered "running".
    pub(super) fn ran(&mut self, sent: Option<Moment>) {
        (self.ran_at, self.done_at) = (sent, None);
    }

    /// A poll that was sent at this moment brought a result.
    pub(super) fn done(&mut self, sent: Option<Moment>) {
        self.done_at = self.done_at.or(sent);
    }

    /// How long ago the task was accepted.
    pub fn since(&self, now: Moment) -> Duration {
        self.accepted_at
            .map_or(Duration::ZERO, |then| now.since(then))
    }

    /// The time that the task took at least, and at most if it was seen done; `None` where nobody
    /// watched all of it.
    pub fn took(&self) -> Option<(Duration, Option<Duration>)> {
        let accepted_at = self.accepted_at.filter(|_| self.is_whole)?;
        let span = |moment: Moment| moment.since(accepted_at);
        let ran = self.ran_at.map_or(Duration::ZERO, span);
        Some((ran, self.done_at.map(span)))
    }
}
