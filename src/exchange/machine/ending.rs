//! The ends of an exchange: what is recorded for each, and what its waiters are told.
use smallvec::smallvec;

use super::action::{Action, Actions, Closing, Outcome, Record, RecordKind, Withdrawal};
use super::doubt::Doubt;
use super::event::{Event, Whole};
use super::state::{Machine, State};
use crate::timing::Moment;

impl<A: Whole> Machine<A> {
    /// A submit may outlive its exchange, and so may the client that is reading the answer.
    pub(super) fn ended(&mut self, event: &Event<A>) -> Actions<A> {
        match event {
            Event::Acknowledged => Actions::new(),
            other => self.too_late(other),
        }
    }

    pub(super) fn driver_lost(&mut self, now: Moment) -> Actions<A> {
        match self.state {
            State::Undelivered | State::Delivered | State::Ended => Actions::new(),
            // Its end was decided, and what was told before it must not turn into a doubt.
            State::Recording(RecordKind::Closed) => self.recorded(RecordKind::Closed, now),
            State::Recording(_)
            | State::Connecting
            | State::Submitting
            | State::Waiting
            | State::Polling
            | State::Asking
            | State::Doubtful => {
                if !self.was_sent() {
                    return self.withdraw_unseen();
                }
                self.open_submits = 0;
                self.note_lost(Doubt::Driver);
                self.end_in_doubt(now)
            }
        }
    }

    /// The intent is on record, or on its way there, and nothing of it left: a restart must not take
    /// it for a doubt. Where the intent itself does not arrive its withdrawal is of nothing.
    fn withdraw_unseen(&mut self) -> Actions<A> {
        let may_be_recorded = matches!(
            self.state,
            State::Connecting | State::Recording(RecordKind::Submitted)
        );
        let mut actions = self.not_submitted(Withdrawal::Driver);
        if may_be_recorded {
            actions.insert(0, Action::Note(Record::Withdrawn(Withdrawal::Driver)));
        }
        actions
    }

    pub(super) fn complete(&mut self, answer: A) -> Actions<A> {
        self.answer = Some(answer.clone());
        self.record(Record::Completed(answer))
    }

    pub(super) fn refuse(&mut self, answer: A) -> Actions<A> {
        self.answer = Some(answer.clone());
        self.record(Record::Refused(answer))
    }

    pub(super) fn withdraw(&mut self, why: Withdrawal) -> Actions<A> {
        self.withdrawal = why;
        self.record(Record::Withdrawn(why))
    }

    pub(super) fn not_submitted(&mut self, why: Withdrawal) -> Actions<A> {
        self.await_in(State::Ended);
        smallvec![Action::Finish(Outcome::NotSubmitted(why))]
    }

    pub(super) fn expire(&mut self) -> Actions<A> {
        let mut actions = smallvec![Action::WarnExpired];
        actions.extend(self.record(Record::Closed(Closing::Expired)));
        actions
    }

    pub(super) fn end_in_doubt(&mut self, now: Moment) -> Actions<A> {
        self.finished_at = now;
        self.has_body = false;
        // An acceptance may still come, and its task is then polled.
        self.has_credentials = self.has_credentials && self.open_submits > 0;
        self.await_in(State::Doubtful);
        let doubt = Outcome::InDoubt(self.cause());
        let mut actions = smallvec![Action::Finish(doubt), Action::DropBody];
        if !self.has_credentials {
            actions.push(Action::DropCredentials);
        }
        actions
    }
}
