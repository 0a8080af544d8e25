//! The states that wait for a client or an operator: in doubt, undelivered, delivered.
use smallvec::smallvec;

use super::action::{Action, Actions, Closing, Outcome, Record};
use super::doubt::Doubt;
use super::event::{Event, Timer, Verdict, Whole};
use super::ladder::{LADDER_AGAIN, Rung};
use super::state::{Machine, State};
use crate::timing::Moment;

impl<A: Whole> Machine<A> {
    pub(super) fn doubtful(&mut self, event: Event<A>, now: Moment) -> Actions<A> {
        match event {
            Event::Joined { .. } if self.settled || now.since(self.laddered_at) < LADDER_AGAIN => {
                let mut actions = smallvec![Action::Give, Action::DropBody];
                actions.extend((!self.has_credentials).then_some(Action::DropCredentials));
                actions
            }
            Event::Joined { .. } => {
                (self.has_body, self.has_credentials) = (true, true);
                self.ladder(Rung::Resubmit, now)
            }
            Event::Resolved(Verdict::Executed) => {
                self.settled = true;
                self.doubt = Some(Doubt::Executed);
                // Said twice, it is recorded twice: each word has a reason of its own.
                self.record(Record::InDoubt(Doubt::Executed))
            }
            Event::Resolved(Verdict::NotExecuted) => {
                self.is_undone = true;
                self.record(Record::Closed(Closing::NotExecuted))
            }
            Event::Opened(kept) => {
                self.kept = Some(kept);
                Actions::new()
            }
            Event::SealBroken => Actions::new(),
            Event::Timer(Timer::Retention) => self.expire(),
            other => {
                let mut actions = self.latecomer(other, now);
                if self.state == State::Doubtful && self.open_submits == 0 && self.has_credentials {
                    self.has_credentials = false;
                    actions.push(Action::DropCredentials);
                }
                actions
            }
        }
    }

    pub(super) fn undelivered(&mut self, event: Event<A>) -> Actions<A> {
        match event {
            Event::Acknowledged => {
                self.await_in(State::Delivered);
                smallvec![Action::Note(Record::Delivered)]
            }
            Event::Joined { .. } => smallvec![Action::Give],
            Event::Opened(answer) => {
                self.answer = Some(answer.clone());
                smallvec![Action::Finish(Outcome::Completed(answer))]
            }
            Event::SealBroken => {
                self.note_lost(Doubt::SealBroken);
                self.record(Record::InDoubt(Doubt::SealBroken))
            }
            Event::Timer(Timer::Retention) => self.expire(),
            other => self.too_late(&other),
        }
    }

    pub(super) fn delivered(&mut self, event: Event<A>) -> Actions<A> {
        match event {
            Event::Joined { .. } if self.explicit_key => smallvec![Action::Give],
            Event::Joined { .. } => smallvec![Action::Renew],
            Event::Timer(Timer::Retention) => self.record(Record::Closed(Closing::Expired)),
            Event::Acknowledged => Actions::new(),
            other => self.too_late(&other),
        }
    }
}
