//! Connecting and submitting, and a submit's answer, also one that comes late.
use std::time::Duration;

use smallvec::smallvec;

use super::action::{Action, Actions, Record, Withdrawal};
use super::doubt::Doubt;
use super::event::{Event, Polled, Submitted, Timer, Whole};
use super::ladder::Rung;
use super::state::{Machine, State};
use super::table::abandoning;
use crate::protocol::RequestId;
use crate::timing::Moment;

/// As many attempts that fail at once find room in `submit.start`, however long polls wait.
const ATTEMPTS: u32 = 4;

impl<A: Whole> Machine<A> {
    pub(super) fn connecting(&mut self, event: Event<A>, now: Moment) -> Actions<A> {
        match event {
            Event::HandedOver => {
                self.first_sent.get_or_insert(now);
                self.open_submits += 1;
                self.submit_until = now + self.terms.policy.submit_timeout;
                self.await_in(State::Submitting);
                Actions::new()
            }
            Event::ConnectFailed { passing: true } if self.may_start(now) => {
                self.wake = Some(now + self.between_attempts());
                Actions::new()
            }
            Event::ConnectFailed { .. } => self.give_up_connecting(Withdrawal::Connect, now),
            Event::Timer(Timer::Connect) if self.may_start(now) => {
                self.wake = None;
                smallvec![Action::Connect]
            }
            Event::Timer(Timer::Start | Timer::Connect) => {
                let rest = self.give_up_connecting(Withdrawal::Start, now);
                abandoning(rest)
            }
            Event::Draining { .. } => {
                let rest = self.give_up_connecting(Withdrawal::Draining, now);
                abandoning(rest)
            }
            Event::KeyShared | Event::ResubmitsLowered { .. } if self.resubmit_is_barred() => {
                abandoning(self.ladder(Rung::Lookup, now))
            }
            other => self.latecomer(other, now),
        }
    }

    /// No connection: nothing was sent, or only what was answered 429, or something unanswered.
    fn give_up_connecting(&mut self, why: Withdrawal, now: Moment) -> Actions<A> {
        if !self.was_sent() {
            return self.withdraw(why);
        }
        match self.too_many.take() {
            Some(answer) if self.is_clear() => self.refuse(answer),
            Some(_) | None => self.ladder(Rung::Lookup, now),
        }
    }

    pub(super) fn submitting(&mut self, event: Event<A>, now: Moment) -> Actions<A> {
        match event {
            Event::SubmitAnswered(answer) => self.submit_answered(answer, now),
            Event::SubmitLost(loss) => self.lose(loss.doubt(), now),
            Event::Timer(Timer::Submit) => {
                self.doubt.get_or_insert(Doubt::SubmitTimeout);
                self.ladder(Rung::Resubmit, now)
            }
            other => self.latecomer(other, now),
        }
    }

    fn submit_answered(&mut self, answer: Submitted<A>, now: Moment) -> Actions<A> {
        match answer {
            Submitted::Accepted(id) if self.lost_ticket.as_ref() == Some(&id) => {
                self.lose(Doubt::TaskUnknown, now)
            }
            Submitted::Accepted(id) => {
                self.watch.accepted(now, self.ticket.as_ref() != Some(&id));
                self.take_ticket(&id);
                let wait = self.scheduled(now);
                self.wait_for_poll(wait, now);
                self.recorded_before_poll(Record::Accepted(id))
            }
            Submitted::Standard { answer, matches } if matches || self.resubmits == 0 => {
                self.complete(answer)
            }
            Submitted::Refused(answer) if self.is_clear() => self.refuse(answer),
            Submitted::TooMany {
                answer,
                retry_after,
            } if self.is_clear() => {
                // Those who were refused together do not come again together, unless they are told when.
                let own = self.between_attempts();
                let asked = self.terms.policy.backoff.clamped(retry_after);
                let again = now + self.jitter.spread(own).max(asked);
                if !self.may_start(again) {
                    return self.refuse(answer);
                }
                self.too_many = Some(answer);
                self.await_in(State::Connecting);
                self.wake = Some(again);
                Actions::new()
            }
            Submitted::Refused(_) | Submitted::TooMany { .. } if self.open_submits > 0 => {
                Actions::new()
            }
            Submitted::Refused(_) | Submitted::TooMany { .. } => {
                self.doubt.get_or_insert(Doubt::ResubmitRefused);
                self.ladder(Rung::Resubmit, now)
            }
            Submitted::Unclear | Submitted::Standard { .. } => self.lose(Doubt::SubmitUnclear, now),
        }
    }

    fn between_attempts(&mut self) -> Duration {
        let longest = self.terms.policy.submit_start / ATTEMPTS;
        self.backoff().min(longest)
    }

    /// What was told of another task says nothing of this one; above all, "unknown" is counted anew.
    fn take_ticket(&mut self, id: &RequestId) {
        if self.ticket.as_ref() != Some(id) {
            self.kept = None;
        }
        (self.odd, self.unknown_since) = (None, None);
        self.ticket = Some(id.clone());
    }

    /// What comes while something else is awaited, and still wins: a submit's answer, or the result of a task
    /// that was given up, as another exchange read it.
    pub(super) fn latecomer(&mut self, event: Event<A>, now: Moment) -> Actions<A> {
        match event {
            Event::SubmitAnswered(answer) => {
                self.late += 1;
                self.late_answer(answer, now)
            }
            Event::SubmitLost(loss) => self.note_lost(loss.doubt()),
            Event::AnsweredElsewhere(Polled::Firm(answer)) if self.gave_task_up() => {
                abandoning(self.complete(answer))
            }
            other => self.otherwise(&other),
        }
    }

    fn late_answer(&mut self, answer: Submitted<A>, now: Moment) -> Actions<A> {
        match answer {
            Submitted::Accepted(_) | Submitted::Standard { .. } => {
                // It is dropped below; should the ladder come back to it, it must ask anew.
                self.looking = false;
                abandoning(self.submit_answered(answer, now))
            }
            Submitted::Refused(answer) | Submitted::TooMany { answer, .. } if self.is_clear() => {
                abandoning(self.refuse(answer))
            }
            Submitted::Refused(_) | Submitted::TooMany { .. } => Actions::new(),
            Submitted::Unclear => self.note_lost(Doubt::SubmitUnclear),
        }
    }
}
