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

    /// A task of an earlier process was accepted before that moment, that of its last record: a little
    /// before, unless an answer was kept or taken back meanwhile.
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

    /// What a poll brought was not the result.
    pub(super) fn not_done(&mut self) {
        self.done_at = None;
    }

    /// How long ago the task was accepted.
    pub fn since(&self, now: Moment) -> Duration {
        self.accepted_at
            .map_or(Duration::ZERO, |then| now.since(then))
    }

    /// When the task was accepted; `None` where an earlier process was told so.
    pub fn accepted_at(&self) -> Option<Moment> {
        self.accepted_at.filter(|_| self.is_whole)
    }

    /// When the task was last known to run: when the last poll was sent that was answered "running", or when
    /// the task was accepted. `None` where nobody has asked since the process before this one accepted it.
    pub fn last_ran_at(&self) -> Option<Moment> {
        self.ran_at.or_else(|| self.accepted_at())
    }

    /// The time that the task took at least, and at most if it was seen done; `None` where nobody
    /// watched all of it.
    pub fn took(&self) -> Option<(Duration, Option<Duration>)> {
        let accepted_at = self.accepted_at()?;
        let span = |moment: Moment| moment.since(accepted_at);
        let ran = self.ran_at.map_or(Duration::ZERO, span);
        Some((ran, self.done_at.map(span)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::START + Duration::from_secs(seconds)
    }

    #[test]
    fn the_polls_of_one_task_tell_nothing_of_the_next() {
        let mut watch = Watch::default();
        watch.accepted(at(1), true);
        assert_eq!(watch.last_ran_at(), Some(at(1)));
        watch.ran(Some(at(5)));
        watch.accepted(at(6), false);
        assert_eq!(
            (watch.accepted_at(), watch.last_ran_at()),
            (Some(at(1)), Some(at(5)))
        );
        watch.accepted(at(9), true);
        assert_eq!(
            (watch.accepted_at(), watch.last_ran_at()),
            (Some(at(9)), Some(at(9)))
        );
    }

    #[test]
    fn a_task_is_done_when_it_brings_what_is_not_taken_back() {
        let mut watch = Watch::default();
        watch.accepted(at(1), true);
        watch.done(Some(at(3)));
        watch.not_done();
        watch.done(Some(at(8)));
        let took = (Duration::ZERO, Some(Duration::from_secs(7)));
        assert_eq!(watch.took(), Some(took));
    }

    #[test]
    fn a_task_of_an_earlier_process_is_known_to_run_once_a_poll_has_said_so() {
        let mut watch = Watch::default();
        watch.restored(at(1));
        assert_eq!((watch.accepted_at(), watch.last_ran_at()), (None, None));
        watch.ran(Some(at(5)));
        assert_eq!(
            (watch.accepted_at(), watch.last_ran_at()),
            (None, Some(at(5)))
        );
        assert_eq!(watch.took(), None);
    }
}
