//! Waiting and polling: where each answer to a poll leads.
use smallvec::smallvec;

use super::action::{Action, Actions, Record};
use super::doubt::Doubt;
use super::event::{Event, Polled, Timer, Whole};
use super::state::{Machine, State};
use crate::timing::{Moment, on_grid};

impl<A: Whole> Machine<A> {
    pub(super) fn waiting(&mut self, event: Event<A>, now: Moment) -> Actions<A> {
        match event {
            Event::Timer(Timer::Poll) => {
                self.wake = None;
                if !self.has_credentials || !self.poll_fits(now) {
                    return Actions::new();
                }
                self.await_in(State::Polling);
                self.asked_at = Some(now);
                smallvec![Action::Poll]
            }
            // Nobody may read it a second time, and without credentials it cannot be kept.
            Event::AnsweredElsewhere(answer) if self.has_credentials => {
                self.asked_at = Some(now);
                self.poll_answered(answer, now)
            }
            // What is kept under a seal is not the result.
            Event::AnsweredElsewhere(Polled::Pending { .. } | Polled::Broken) if !self.runs => {
                self.runs = true;
                smallvec![Action::Note(Record::TakenBack)]
            }
            Event::Joined { .. } => {
                self.has_credentials = true;
                self.wake_for_repeat(now);
                Actions::new()
            }
            // A soft answer of before the restart.
            Event::Opened(kept) if !self.runs => {
                self.kept = Some(kept);
                Actions::new()
            }
            // The task itself may still tell. If it does not, this is why.
            Event::SealBroken if !self.runs => {
                self.doubt.get_or_insert(Doubt::SealBroken);
                Actions::new()
            }
            // Of a seal: what is under it is known already not to be the result, and what is kept came later.
            Event::AnsweredElsewhere(_) | Event::Opened(_) | Event::SealBroken => Actions::new(),
            Event::Timer(Timer::Retention) => self.expire(),
            other => self.too_late(&other),
        }
    }

    pub(super) fn polling(&mut self, event: Event<A>, now: Moment) -> Actions<A> {
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
                (self.odd, self.unknown_since) = (None, None);
                self.failures = 0;
                self.pending = self.pending.saturating_add(1);
                self.watch.ran(self.asked_at);
                let asked = self.terms.policy.backoff.clamped(retry_after);
                let wait = self.scheduled(now).at_least(asked);
                self.wait_for_poll(wait, now);
                self.take_back()
            }
            Polled::Firm(answer) => {
                self.watch.done(self.asked_at);
                self.complete(answer)
            }
            // Had what is kept been the result, the task would be unknown.
            Polled::Broken => {
                self.poll_failed(None, now);
                self.take_back()
            }
            // It is durable already, and a page that keeps failing is asked more and more rarely.
            Polled::Soft(answer)
                if self
                    .kept
                    .as_ref()
                    .is_some_and(|kept| kept.says_the_same(&answer)) =>
            {
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
                self.poll_failed(None, now)
            }
            Polled::Transient { retry_after } => self.poll_failed(retry_after, now),
        }
    }

    /// What is kept is not the result; the next poll is waited for.
    fn take_back(&mut self) -> Actions<A> {
        match self.kept.take() {
            Some(_) => {
                self.watch.not_done();
                self.recorded_before_poll(Record::TakenBack)
            }
            None => Actions::new(),
        }
    }

    /// "Unknown" may be a replica's lag. Once it has lasted, and nothing else was told meanwhile, what was
    /// kept is the result, and with nothing kept a once-only answer was lost on its way.
    fn task_unknown(&mut self, now: Moment) -> Actions<A> {
        let since = self.unknown_since.unwrap_or(now);
        let over = since + self.terms.policy.unknown_grace;
        if now < over {
            let actions = self.poll_failed(None, now);
            self.unknown_since = Some(since);
            self.wake = self.wake.map(|moment| moment.min(on_grid(over)));
            return actions;
        }
        if let Some(kept) = self.kept.take() {
            return self.complete(kept);
        }
        self.lost_ticket = self.ticket.take();
        self.lose(Doubt::TaskUnknown, now)
    }
}
