//! The ladder: what is tried, rung by rung, when a submit or a result ended without a clear answer.
use std::time::Duration;

use smallvec::smallvec;

use super::action::{Action, Actions, Record};
use super::doubt::Doubt;
use super::event::{Event, Searched, Timer, Whole};
use super::state::{Machine, State};
use super::table::abandoning;
use crate::timing::Moment;

/// The gateway remembers a key for 24 h, and a repeat after that is a new payment. An hour is kept in hand.
const KEY_IS_SAFE_FOR: Duration = Duration::from_secs(23 * 60 * 60);

/// How soon after one ladder a repeat of an exchange in doubt starts another.
pub(super) const LADDER_AGAIN: Duration = Duration::from_secs(10);

/// The rungs of the ladder that an exchange without a clear answer climbs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rung {
    Resubmit,
    Lookup,
    InDoubt,
}

impl<A: Whole> Machine<A> {
    pub(super) fn asking(&mut self, event: Event<A>, now: Moment) -> Actions<A> {
        match event {
            Event::LookedUp(Searched::Found(answer)) => {
                self.looking = false;
                self.complete(answer)
            }
            Event::LookedUp(Searched::NotFound { retry_after }) => {
                self.looking = false;
                let wait = self.after_failure(retry_after, now);
                self.wake = Some(wait.end(now));
                Actions::new()
            }
            Event::Timer(Timer::Lookup) => {
                self.wake = None;
                self.looking = true;
                self.asked_at = Some(now);
                smallvec![Action::Lookup]
            }
            Event::Joined { .. } => {
                (self.has_body, self.has_credentials) = (true, true);
                self.asking_until = Some(self.asking_end(now));
                if self.may_resubmit(now) {
                    return self.ladder(Rung::Resubmit, now);
                }
                if !self.looking {
                    self.wake_for_repeat(now);
                }
                Actions::new()
            }
            Event::Timer(Timer::Asking) | Event::Draining { .. } => {
                abandoning(self.ladder(Rung::InDoubt, now))
            }
            other => self.latecomer(other, now),
        }
    }

    /// What is tried when no clear answer came, from `first` on: the submit again, the lookup, and
    /// at last the doubt.
    pub(super) fn ladder(&mut self, first: Rung, now: Moment) -> Actions<A> {
        if let Some(asking) = self.climb(first, now) {
            return asking;
        }
        // A client that repeats for a day must not fill the journal with what it holds already.
        if self.recorded_doubt != Some(self.cause()) {
            return self.record(Record::InDoubt(self.cause()));
        }
        self.end_in_doubt(now)
    }

    /// The same when the journal has just failed: it is not asked to take the doubt as well.
    pub(super) fn ladder_unrecorded(&mut self, first: Rung, now: Moment) -> Actions<A> {
        let asking = self.climb(first, now);
        asking.unwrap_or_else(|| self.end_in_doubt(now))
    }

    /// The first rung from `first` on that asks the gateway; `None` where none does.
    fn climb(&mut self, first: Rung, now: Moment) -> Option<Actions<A>> {
        self.laddered_at = now;
        // After the operator's word nobody is asked.
        let first = if self.settled { Rung::InDoubt } else { first };
        if first <= Rung::Resubmit && self.may_resubmit(now) {
            self.resubmits += 1;
            let was_looking = self.looking;
            let record = self.record(Record::Resubmitted(self.resubmits));
            return Some(if was_looking {
                abandoning(record)
            } else {
                record
            });
        }
        let may_ask = self.has_tracking_id && self.has_credentials && !self.is_draining();
        (first <= Rung::Lookup && may_ask).then(|| self.ask(now))
    }

    pub(super) fn may_resubmit(&self, now: Moment) -> bool {
        self.resubmits < self.most_resubmits
            && self.has_body
            && self.has_credentials
            && self
                .first_sent
                .is_some_and(|sent| now.since(sent) < KEY_IS_SAFE_FOR)
            && !self.key_shared
            && self.age_is_sure
            && self.doubt != Some(Doubt::SealBroken)
            && !self.is_draining()
    }

    /// True if a repeat of the submit that has not left yet may not leave any more.
    pub(super) const fn resubmit_is_barred(&self) -> bool {
        self.resubmits > 0 && (self.key_shared || self.resubmits > self.most_resubmits)
    }

    /// Asks the gateway. The process may end before the search does, so why it is in doubt is noted
    /// where a record does not tell it yet.
    fn ask(&mut self, now: Moment) -> Actions<A> {
        let until = self.asking_until.unwrap_or_else(|| self.asking_end(now));
        let under_way = self.looking;
        let is_news = !matches!(self.state, State::Asking | State::Doubtful);
        if self.state != State::Asking {
            self.failures = 0;
        }
        self.await_in(State::Asking);
        self.asking_until = Some(until);
        self.looking = true;
        self.asked_at = Some(now);
        let note = is_news.then(|| Action::Note(Record::InDoubt(self.cause())));
        let lookup = (!under_way).then_some(Action::Lookup);
        note.into_iter().chain(lookup).collect()
    }

    pub(super) fn lose(&mut self, doubt: Doubt, now: Moment) -> Actions<A> {
        self.note_lost(doubt);
        self.ladder(Rung::Resubmit, now)
    }

    pub(super) fn note_lost(&mut self, doubt: Doubt) -> Actions<A> {
        self.lost = true;
        self.doubt.get_or_insert(doubt);
        Actions::new()
    }
}
