//! The transitions: the table of transitions, one function a state, one arm a row.
use std::time::Duration;

use smallvec::smallvec;

use super::action::{Action, Actions, Outcome, Record, RecordKind, Withdrawal};
use super::doubt::Doubt;
use super::event::{Event, Polled, Submitted, Timer, Whole};
use super::facts::{Machine, State};
use super::ladder::Rung;
use crate::polling::Wait;
use crate::protocol::RequestId;
use crate::timing::{Moment, on_grid};

/// As many attempts to connect that fail at once find room in `submit.start`, however long polls wait.
const ATTEMPTS: u32 = 4;

impl<A: Whole> Machine<A> {
    /// Takes one event and says what is to be done about it, in order.
    pub fn on(&mut self, event: Event<A>, now: Moment) -> Actions<A> {
        let answers_submit = matches!(event, Event::SubmitAnswered(_) | Event::SubmitLost(_));
        if answers_submit && self.open == 0 {
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

    /// The facts that an event brings in every state.
    fn note(&mut self, event: &Event<A>) {
        match event {
            Event::Joined(joining) => self.hold_until = self.hold_until.max(joining.hold_until),
            Event::Draining { polls_until } => self.polls_until = Some(*polls_until),
            Event::KeyShared => self.key_shared = true,
            Event::SubmitAnswered(_) | Event::SubmitLost(_) => self.open -= 1,
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
    fn otherwise(&mut self, event: &Event<A>) -> Actions<A> {
        if !matches!(
            event,
            Event::Joined(_) | Event::Draining { .. } | Event::KeyShared
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
                RecordKind::Resubmitted => self.ladder(Rung::Lookup, false, now),
                RecordKind::Accepted
                | RecordKind::Candidate
                | RecordKind::Running
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
            RecordKind::Submitted if !self.may_start(now) => self.withdraw(Withdrawal::Start),
            RecordKind::Resubmitted if self.is_draining() || self.key_shared => {
                self.ladder(Rung::Lookup, true, now)
            }
            RecordKind::Submitted | RecordKind::Resubmitted => {
                self.await_in(State::Connecting);
                smallvec![Action::Connect]
            }
            // Of a task that is done the schedule has nothing to say.
            RecordKind::Candidate => {
                self.body = false;
                self.poll_failed(None, now);
                smallvec![Action::DropBody]
            }
            RecordKind::Accepted | RecordKind::Running => {
                self.body = false;
                self.await_in(State::Waiting);
                self.wake = self.due.take();
                smallvec![Action::DropBody]
            }
            RecordKind::Completed => {
                (self.body, self.credentials) = (false, false);
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

    fn connecting(&mut self, event: Event<A>, now: Moment) -> Actions<A> {
        match event {
            Event::HandedOver => {
                self.first_sent.get_or_insert(now);
                self.open += 1;
                self.submit_until = now + self.terms.policy.submit_timeout;
                self.await_in(State::Submitting);
                Actions::new()
            }
            Event::ConnectFailed { passing: true } if self.may_start(now) => {
                let longest = self.terms.policy.submit_start / ATTEMPTS;
                self.wake = Some(now + self.backoff(None).min(longest));
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
            Event::KeyShared if self.resubmits > 0 => {
                abandoning(self.ladder(Rung::Lookup, true, now))
            }
            other => self.late_submit(other, now),
        }
    }

    /// No connection: nothing was sent, or only what was answered 429, or something unanswered.
    fn give_up_connecting(&mut self, why: Withdrawal, now: Moment) -> Actions<A> {
        if !self.was_sent() {
            return self.withdraw(why);
        }
        match self.too_many.take() {
            Some(answer) if self.is_clear() => self.refuse(answer),
            Some(_) | None => self.ladder(Rung::Lookup, true, now),
        }
    }

    fn submitting(&mut self, event: Event<A>, now: Moment) -> Actions<A> {
        match event {
            Event::SubmitAnswered(answer) => self.submit_answered(answer, now),
            Event::SubmitLost(loss) => self.lose(loss.doubt(), now),
            Event::Timer(Timer::Submit) => {
                self.doubt.get_or_insert(Doubt::SubmitTimeout);
                self.ladder(Rung::Resubmit, true, now)
            }
            other => self.otherwise(&other),
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
                self.poll_once_recorded(Record::Accepted(id), wait, now)
            }
            Submitted::Standard { answer, matches } if matches || self.resubmits == 0 => {
                self.complete(answer)
            }
            Submitted::Refused(answer) if self.is_clear() => self.refuse(answer),
            Submitted::TooMany {
                answer,
                retry_after,
            } if self.is_clear() => {
                if !self.may_start(now) {
                    return self.refuse(answer);
                }
                self.too_many = Some(answer);
                let wait = self.backoff(retry_after);
                self.await_in(State::Connecting);
                self.wake = Some(now + wait);
                Actions::new()
            }
            Submitted::Refused(_) | Submitted::TooMany { .. } if self.open > 0 => Actions::new(),
            Submitted::Refused(_) | Submitted::TooMany { .. } => {
                self.doubt.get_or_insert(Doubt::ResubmitRefused);
                self.ladder(Rung::Resubmit, true, now)
            }
            Submitted::Unclear | Submitted::Standard { .. } => self.lose(Doubt::SubmitUnclear, now),
        }
    }

    /// What was told of another task says nothing of this one; above all, "unknown" is counted anew.
    fn take_ticket(&mut self, id: &RequestId) {
        if self.ticket.as_ref() != Some(id) {
            self.kept = None;
        }
        (self.odd, self.unknown_since) = (None, None);
        self.ticket = Some(id.clone());
    }

    /// A submit's answer that comes while something else is awaited: it still wins.
    pub(super) fn late_submit(&mut self, event: Event<A>, now: Moment) -> Actions<A> {
        match event {
            Event::SubmitAnswered(answer) => match answer {
                Submitted::Accepted(_) | Submitted::Standard { .. } => {
                    // It is dropped below; should the ladder come back to it, it must ask anew.
                    self.looking = false;
                    abandoning(self.submit_answered(answer, now))
                }
                Submitted::Refused(answer) | Submitted::TooMany { answer, .. }
                    if self.is_clear() =>
                {
                    abandoning(self.refuse(answer))
                }
                Submitted::Refused(_) | Submitted::TooMany { .. } => {
                    self.late += u32::from(self.settled);
                    Actions::new()
                }
                Submitted::Unclear => self.note_lost(Doubt::SubmitUnclear),
            },
            Event::SubmitLost(loss) => self.note_lost(loss.doubt()),
            other => self.otherwise(&other),
        }
    }

    fn waiting(&mut self, event: Event<A>, now: Moment) -> Actions<A> {
        match event {
            Event::Timer(Timer::Poll) => {
                self.wake = None;
                if !self.credentials || !self.poll_fits(now) {
                    return Actions::new();
                }
                self.await_in(State::Polling);
                self.asked_at = Some(now);
                smallvec![Action::Poll]
            }
            // Nobody may read it a second time, and without credentials it cannot be kept.
            Event::AnsweredElsewhere(answer) if self.credentials => {
                self.asked_at = Some(now);
                self.poll_answered(answer, now)
            }
            Event::AnsweredElsewhere(Polled::Pending { .. }) if !self.runs => {
                self.runs = true;
                smallvec![Action::Note(Record::Running)]
            }
            Event::AnsweredElsewhere(_) => Actions::new(),
            Event::Joined(_) => {
                self.credentials = true;
                self.wake_for_repeat(now);
                Actions::new()
            }
            // A soft answer of before the restart.
            Event::Opened(kept) => {
                self.kept = Some(kept).filter(|_| !self.runs);
                Actions::new()
            }
            // The task itself may still tell. If it does not, this is why.
            Event::SealBroken => {
                self.doubt.get_or_insert(Doubt::SealBroken);
                Actions::new()
            }
            Event::Timer(Timer::Retention) => self.expire(),
            other => self.too_late(&other),
        }
    }

    fn polling(&mut self, event: Event<A>, now: Moment) -> Actions<A> {
        match event {
            Event::PollAnswered(answer) | Event::AnsweredElsewhere(answer) => {
                self.poll_answered(answer, now)
            }
            Event::PollLost => self.poll_failed(None, now),
            other => self.too_late(&other),
        }
    }

    fn poll_answered(&mut self, answer: Polled<A>, now: Moment) -> Actions<A> {
        match answer {
            Polled::Pending { retry_after } => {
                let kept = self.kept.take();
                (self.odd, self.unknown_since) = (None, None);
                self.failures = 0;
                self.polls = self.polls.saturating_add(1);
                self.watch.ran(self.asked_at);
                let asked = self.terms.policy.backoff.clamped(retry_after);
                let wait = self.scheduled(now).at_least(asked);
                if kept.is_some() {
                    return self.poll_once_recorded(Record::Running, wait, now);
                }
                self.wait_for_poll(wait, now);
                Actions::new()
            }
            Polled::Firm(answer) => {
                self.watch.done(self.asked_at);
                self.complete(answer)
            }
            // It is durable already, and a page that keeps failing is asked more and more rarely.
            Polled::Soft(answer)
                if self
                    .kept
                    .as_ref()
                    .is_some_and(|kept| kept.says_the_same(&answer)) =>
            {
                self.unknown_since = None;
                self.poll_failed(None, now)
            }
            Polled::Soft(answer) => {
                self.watch.done(self.asked_at);
                self.kept = Some(answer.clone());
                self.unknown_since = None;
                self.record(Record::Candidate(answer))
            }
            Polled::Unknown => self.task_unknown(now),
            Polled::Odd(answer)
                if self
                    .odd
                    .as_ref()
                    .is_some_and(|odd| odd.says_the_same(&answer)) =>
            {
                self.complete(answer)
            }
            Polled::Odd(answer) => {
                self.watch.done(self.asked_at);
                self.odd = Some(answer);
                self.unknown_since = None;
                self.poll_failed(None, now)
            }
            Polled::Transient { retry_after } => self.poll_failed(retry_after, now),
        }
    }

    /// "Unknown" may be a replica's lag. Once it has lasted, what was kept is the result, and with
    /// nothing kept a once-only answer was lost on its way.
    fn task_unknown(&mut self, now: Moment) -> Actions<A> {
        let since = *self.unknown_since.get_or_insert(now);
        let over = since + self.terms.policy.unknown_grace;
        if now < over {
            let actions = self.poll_failed(None, now);
            self.wake = self.wake.map(|moment| moment.min(on_grid(over)));
            return actions;
        }
        if let Some(kept) = self.kept.take() {
            return self.complete(kept);
        }
        self.lost_ticket = self.ticket.take();
        self.lose(Doubt::TaskUnknown, now)
    }

    fn asking(&mut self, event: Event<A>, now: Moment) -> Actions<A> {
        match event {
            Event::LookedUp(Some(answer)) => {
                self.looking = false;
                self.complete(answer)
            }
            Event::LookedUp(None) => {
                self.looking = false;
                self.wake = Some(now + self.backoff(None));
                Actions::new()
            }
            Event::Timer(Timer::Lookup) => {
                self.wake = None;
                self.looking = true;
                self.asked_at = Some(now);
                smallvec![Action::Lookup]
            }
            Event::Joined(_) => {
                (self.body, self.credentials) = (true, true);
                self.asking_until = Some(self.asking_end(now));
                if self.may_resubmit(now) {
                    return self.ladder(Rung::Resubmit, true, now);
                }
                if !self.looking {
                    self.wake_for_repeat(now);
                }
                Actions::new()
            }
            Event::Timer(Timer::Asking) | Event::Draining { .. } => {
                abandoning(self.ladder(Rung::InDoubt, true, now))
            }
            other => self.late_submit(other, now),
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

    /// Makes a record before the next poll; the wait for that begins now all the same.
    fn poll_once_recorded(&mut self, record: Record<A>, wait: Wait, now: Moment) -> Actions<A> {
        self.wait_for_poll(wait, now);
        let due = self.wake;
        let actions = self.record(record);
        self.due = due;
        actions
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
                | State::Recording(RecordKind::Candidate)
                | State::Connecting
                | State::Asking
        ) {
            self.failures = 0;
        }
    }

    fn backoff(&mut self, retry_after: Option<Duration>) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.terms.policy.backoff.delay(self.failures, retry_after)
    }
}

/// What is under way is dropped before the rest.
pub(super) fn abandoning<A>(rest: Actions<A>) -> Actions<A> {
    let mut actions = smallvec![Action::Abandon];
    actions.extend(rest);
    actions
}
