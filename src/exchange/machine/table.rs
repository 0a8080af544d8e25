//! The head of the table of transitions: which state takes an event, and what follows once a record is
//! durable. The rows of each stage are in a file of their own (`submit`, `poll`, `ladder`, `rest`): one function
//! a state, one arm a row.
use std::time::Duration;

use smallvec::smallvec;

use super::action::{Action, Actions, Outcome, Record, RecordKind, Withdrawal};
use super::event::{Event, Whole};
use super::ladder::Rung;
use super::state::{Machine, State};
use crate::timing::Moment;

impl<A: Whole> Machine<A> {
    /// Takes one event and says what is to be done about it, in order.
    pub fn on(&mut self, event: Event<A>, now: Moment) -> Actions<A> {
        let answers_submit = matches!(event, Event::SubmitAnswered(_) | Event::SubmitLost(_));
        if answers_submit && self.open_submits == 0 {
            return self.otherwise(&event);
        }
        self.note(&event);
        if matches!(event, Event::DriverLost) {
            return self.driver_lost(now);
        }
        match self.state {
            State::Recording(kind) => self.recording(kind, event, now),
            State::Connecting => self.connecting(event, now),
            State::Submitting => self.submitting(event, now),
            State::Waiting => self.waiting(event, now),
            State::Polling => self.polling(event, now),
            State::Asking => self.asking(event, now),
            State::Doubtful => self.doubtful(event, now),
            State::Undelivered => self.undelivered(event),
            State::Delivered => self.delivered(event),
            State::Ended => self.ended(&event),
        }
    }

    /// Takes what an event tells in every state.
    fn note(&mut self, event: &Event<A>) {
        match event {
            Event::Joined { hold_until } => self.hold_until = self.hold_until.max(*hold_until),
            Event::Draining { polls_until } => self.polls_until = Some(*polls_until),
            Event::KeyShared => self.key_shared = true,
            Event::ResubmitsLowered { most } => {
                self.most_resubmits = self.most_resubmits.min(*most);
            }
            Event::SubmitAnswered(_) | Event::SubmitLost(_) => self.open_submits -= 1,
            Event::Recorded(_)
            | Event::RecordFailed(_)
            | Event::HandedOver
            | Event::ConnectFailed { .. }
            | Event::Timer(_)
            | Event::PollAnswered(_)
            | Event::AnsweredElsewhere(_)
            | Event::PollLost
            | Event::LookedUp(_)
            | Event::Acknowledged
            | Event::Resolved(_)
            | Event::Opened(_)
            | Event::SealBroken
            | Event::DriverLost => {}
        }
    }

    /// What changes nothing where no row names it; all else is counted.
    pub(super) fn otherwise(&mut self, event: &Event<A>) -> Actions<A> {
        if !matches!(
            event,
            Event::Joined { .. }
                | Event::Draining { .. }
                | Event::KeyShared
                | Event::ResubmitsLowered { .. }
        ) {
            self.unexpected += 1;
        }
        Actions::new()
    }

    fn recording(&mut self, kind: RecordKind, event: Event<A>, now: Moment) -> Actions<A> {
        match event {
            Event::Recorded(done) if done == kind => self.recorded(kind, now),
            Event::RecordFailed(failed) if failed == kind => match kind {
                RecordKind::Submitted => self.not_submitted(Withdrawal::Journal),
                RecordKind::Resubmitted => self.ladder_unrecorded(Rung::Lookup, now),
                RecordKind::Accepted
                | RecordKind::Candidate
                | RecordKind::TakenBack
                | RecordKind::Completed
                | RecordKind::Delivered
                | RecordKind::InDoubt
                | RecordKind::Withdrawn
                | RecordKind::Refused
                | RecordKind::Closed => self.recorded(kind, now),
            },
            other => self.otherwise(&other),
        }
    }

    pub(super) fn recorded(&mut self, kind: RecordKind, now: Moment) -> Actions<A> {
        match kind {
            RecordKind::Submitted if self.is_draining() => self.withdraw(Withdrawal::Draining),
            RecordKind::Submitted if !self.may_start(now) => self.withdraw(Withdrawal::Journal),
            RecordKind::Resubmitted if self.is_draining() || self.resubmit_is_barred() => {
                self.ladder(Rung::Lookup, now)
            }
            RecordKind::Submitted | RecordKind::Resubmitted => {
                self.await_in(State::Connecting);
                smallvec![Action::Connect]
            }
            // Of a task that is done the schedule has nothing to say.
            RecordKind::Candidate => {
                self.has_body = false;
                self.poll_failed(None, now);
                smallvec![Action::DropBody]
            }
            RecordKind::Accepted | RecordKind::TakenBack => {
                self.has_body = false;
                self.await_in(State::Waiting);
                self.wake = self.due.take();
                smallvec![Action::DropBody]
            }
            RecordKind::Completed => {
                (self.has_body, self.has_credentials) = (false, false);
                self.finished_at = now;
                self.await_in(State::Undelivered);
                let finish = self
                    .answer
                    .clone()
                    .map(|it| Action::Finish(Outcome::Completed(it)));
                finish
                    .into_iter()
                    .chain([Action::DropBody, Action::DropCredentials])
                    .collect()
            }
            RecordKind::InDoubt => self.end_in_doubt(now),
            RecordKind::Withdrawn => self.not_submitted(self.withdrawal),
            RecordKind::Refused => {
                self.await_in(State::Ended);
                let refused = self
                    .answer
                    .clone()
                    .map(|it| Action::Finish(Outcome::Refused(it)));
                refused.into_iter().collect()
            }
            RecordKind::Closed => {
                self.await_in(State::Ended);
                let is_undone = self.is_undone;
                let expired = Action::Finish(Outcome::Expired);
                smallvec![if is_undone { Action::Renew } else { expired }]
            }
            RecordKind::Delivered => Actions::new(),
        }
    }

    /// A submit's answer that can change nothing any more is counted.
    pub(super) fn too_late(&mut self, event: &Event<A>) -> Actions<A> {
        if matches!(event, Event::SubmitAnswered(_) | Event::SubmitLost(_)) {
            self.late += 1;
            return Actions::new();
        }
        self.otherwise(event)
    }

    pub(super) fn record(&mut self, record: Record<A>) -> Actions<A> {
        self.recorded_doubt = record.doubt();
        self.await_in(State::Recording(record.kind()));
        smallvec![Action::Record(record)]
    }

    /// Goes to a state and leaves behind what only the one before waited for.
    pub(super) fn await_in(&mut self, state: State) {
        self.state = state;
        self.wake = None;
        self.looking = false;
        self.asking_until = None;
        if !matches!(
            state,
            State::Polling
                | State::Waiting
                | State::Recording(RecordKind::Candidate | RecordKind::TakenBack)
                | State::Connecting
                | State::Submitting
                | State::Asking
        ) {
            self.failures = 0;
        }
    }

    pub(super) fn backoff(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.terms.policy.backoff.delay(self.failures, None)
    }
}

/// What is under way is dropped before the rest.
pub(super) fn abandoning<A>(rest: Actions<A>) -> Actions<A> {
    let mut actions = smallvec![Action::Abandon];
    actions.extend(rest);
    actions
}
