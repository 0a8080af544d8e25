//! How a flight is let go when the process stops.
use std::sync::atomic::Ordering;

use super::running::Driver;
use crate::exchange::flights::Told;
use crate::exchange::machine::{Record, RecordKind, State, Withdrawal};

impl Driver {
    /// The flight is let go: whoever waits for it is told how it stands.
    pub(super) fn stop(&mut self) {
        self.flight.stopped.store(true, Ordering::Release);
        self.withdraw_unsent();
        self.flight.let_go();
        self.is_over = true;
    }

    /// An intent that is on its way to the disk is on record when the process has ended, and nothing of it
    /// left: its successor must not take it for a doubt.
    fn withdraw_unsent(&self) {
        let state = self.state();
        if state == State::Recording(RecordKind::Submitted) {
            self.note(&Record::Withdrawn(Withdrawal::Draining));
        } else if state != State::Recording(RecordKind::Withdrawn) {
            return;
        }
        self.flight.core().tell(&Told::NotSubmitted {
            why: Withdrawal::Draining,
            cause: None,
        });
    }
}
