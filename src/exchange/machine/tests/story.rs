//! A small language that brings a machine to a state by telling what happened to it.
use std::sync::Arc;
use std::time::Duration;

use super::super::{
    Begun, Doubt, Event, Loss, Machine, Policy, Polled, RecordKind, Restored, State, Stood,
    Submitted, Terms, Timer,
};
use crate::polling::{Backoff, Config, Schedule};
use crate::protocol::RequestId;
use crate::timing::Moment;

/// The longest that one poll takes.
pub(super) const POLL: Duration = Duration::from_secs(10);

/// An exchange whose answers are told by name, and the present moment of its story.
pub(super) struct Story {
    pub(super) machine: Machine<&'static str>,
    pub(super) now: Moment,
}

/// The terms with the defaults of the configuration.
pub(in crate::exchange) fn terms(resubmits: u32) -> Terms {
    recorded_terms(resubmits, true)
}

/// The same, of a process with or without a journal.
pub(super) fn recorded_terms(resubmits: u32, durable: bool) -> Terms {
    let polling = Config::default();
    let policy = Policy {
        submit_start: Duration::from_secs(5),
        submit_timeout: Duration::from_secs(30),
        resubmits,
        unknown_grace: polling.unknown_grace,
        retention: Duration::from_hours(24),
        reclaim: Duration::from_hours(12),
        backoff: Backoff::new(&polling),
        durable,
    };
    Terms {
        policy: Arc::new(policy),
        schedule: Schedule::fixed(&polling),
    }
}

/// How long requests are held.
const HOLD: Duration = Duration::from_secs(30);

/// A request that is read at `now`.
pub(in crate::exchange) fn begun(explicit_key: bool, has_tracking_id: bool, now: Moment) -> Begun {
    Begun {
        explicit_key,
        has_tracking_id,
        read_at: now,
        hold_until: now + HOLD,
    }
}

/// An equal request joins at `now`.
pub(super) fn joined(now: Moment) -> Event<&'static str> {
    Event::Joined {
        hold_until: now + HOLD,
    }
}

/// The id of the only task, unless a row says otherwise.
pub(super) fn task(name: &str) -> RequestId {
    name.parse().unwrap()
}

/// A payment with a tracking id and no key of its own; its submit is never repeated.
pub(super) fn payment() -> Story {
    begin(terms(0), false, true)
}

/// The same without a tracking id: nothing can be looked up.
pub(super) fn untracked() -> Story {
    begin(terms(0), false, false)
}

/// The same with a key of the client's own.
pub(super) fn keyed() -> Story {
    begin(terms(0), true, true)
}

/// A payment whose submit may be repeated once.
pub(super) fn resubmitting() -> Story {
    begin(terms(1), false, true)
}

/// A payment of a process without a journal.
pub(super) fn unrecorded() -> Story {
    begin(recorded_terms(0, false), false, true)
}

/// A payment of an earlier process, which began an hour before this one, with a resubmit left.
pub(super) fn restored(stood: Stood) -> Story {
    restored_as(stood, |_| ())
}

/// The same, but for something.
pub(super) fn restored_as(stood: Stood, change: impl FnOnce(&mut Restored)) -> Story {
    let now = Moment::START;
    let mut restored = Restored {
        explicit_key: false,
        has_tracking_id: true,
        submitted_at: now - Duration::from_hours(1),
        remembered_since: now - Duration::from_hours(1),
        changed_at: now - Duration::from_secs(1),
        age_is_sure: true,
        resubmits: 0,
        ruled: (stood == Stood::InDoubt(Doubt::Executed)).then_some(Doubt::Executed),
        ticket: None,
        stood,
    };
    change(&mut restored);
    Story {
        machine: Machine::restored(terms(1), restored, now, 1),
        now,
    }
}

pub(super) fn begin(terms: Terms, explicit_key: bool, has_tracking_id: bool) -> Story {
    let now = Moment::START;
    let (machine, _) = Machine::start(terms, begun(explicit_key, has_tracking_id, now), 1);
    Story { machine, now }
}

impl Story {
    pub(super) fn then(mut self, event: Event<&'static str>) -> Self {
        self.machine.on(event, self.now);
        self
    }

    /// Time passes and nothing happens.
    pub(super) fn after(mut self, seconds: u64) -> Self {
        self.now = self.now + Duration::from_secs(seconds);
        self
    }

    /// The moment comes that the machine asked for.
    pub(super) fn woken(mut self) -> Self {
        let (moment, timer) = self.machine.timer().unwrap();
        self.now = self.now.max(moment);
        self.then(Event::Timer(timer))
    }

    /// The record under way is durable.
    pub(super) fn recorded(self) -> Self {
        let State::Recording(kind) = self.machine.state() else {
            panic!("nothing is recorded in {:?}", self.machine.state());
        };
        self.then(Event::Recorded(kind))
    }

    pub(super) fn record_failed(self, kind: RecordKind) -> Self {
        self.then(Event::RecordFailed(kind))
    }

    pub(super) fn handed_over(self) -> Self {
        self.then(Event::HandedOver)
    }

    /// From the first record to the submit's way.
    pub(super) fn sent(self) -> Self {
        self.recorded().handed_over()
    }

    pub(super) fn answered(self, answer: Submitted<&'static str>) -> Self {
        self.then(Event::SubmitAnswered(answer))
    }

    pub(super) fn accepted(self, name: &str) -> Self {
        self.answered(Submitted::Accepted(task(name)))
    }

    pub(super) fn lost(self) -> Self {
        self.then(Event::SubmitLost(Loss::Ended))
    }

    /// The gateway took the task, and the first poll is under way.
    pub(super) fn polling(self) -> Self {
        self.sent().accepted("A").recorded().woken()
    }

    pub(super) fn polled(self, answer: Polled<&'static str>) -> Self {
        self.then(Event::PollAnswered(answer))
    }

    /// "Unknown" now and for as long as the grace lasts; the last poll is under way.
    pub(super) fn unknown_for_the_grace(self) -> Self {
        self.polled(Polled::Unknown).after(5).then_woken()
    }

    fn then_woken(self) -> Self {
        self.then(Event::Timer(Timer::Poll))
    }

    /// The gateway took the task, and then denied it for as long as the grace lasts.
    pub(super) fn denied(self) -> Self {
        self.polling()
            .unknown_for_the_grace()
            .polled(Polled::Unknown)
    }

    pub(super) fn joined(self) -> Self {
        let joined = joined(self.now);
        self.then(joined)
    }

    /// The process stops within so many seconds.
    pub(super) fn draining(self, seconds: u64) -> Self {
        let until = self.now + Duration::from_secs(seconds);
        self.then(Event::Draining {
            polls_until: until - POLL,
        })
    }
}

impl crate::exchange::machine::Whole for &'static str {
    fn says_the_same(&self, other: &Self) -> bool {
        self == other
    }
}
