//! Notes what happened to a flight: in its trail, and in what is counted of it.
use std::time::Duration;

use super::journey;
use super::trail::{Answered, Ending, Heard, Trail, What};
use crate::exchange::context::Context;
use crate::exchange::flights::{Answer, Core, Flight};
use crate::exchange::machine::{Event, Outcome, Polled, Searched, Standing, Submitted, Timer};
use crate::protocol::PollAnswer;
use crate::timing::{Moment, Stamp};

/// How much the machine of a flight could do nothing with so far.
#[derive(Clone, Copy)]
pub(in crate::exchange) struct Strays {
    late: u32,
    unexpected: u32,
}

impl Context {
    /// Notes an event that the machine is about to take. `core` is the flight's.
    pub(in crate::exchange) fn note_event(
        &self,
        flight: &Flight,
        core: &mut Core,
        event: &Event<Answer>,
        now: Moment,
    ) {
        if matches!(event, Event::HandedOver) {
            core.sent.get_or_insert_with(|| self.stamps.now());
        }
        let heard = std::mem::take(&mut core.heard);
        let what = what(event, heard, core);
        if let Some(what) = what {
            core.trail.note(what, flight.began.until(self.stamps.now()));
        }
        if let Some((after, by)) = core.detection(what) {
            let route = flight.conversion.operation.name();
            let name = flight.gateway_name();
            let waited = self.schedules.delay(name, route, after, by);
            let asked = core.machine.asked_at().unwrap_or(now);
            self.metrics.detected(waited + now.since(asked));
        }
    }

    /// Counts the answers and events since `before` that the machine could do nothing with.
    pub(in crate::exchange) fn count_strays(&self, core: &Core, before: Strays) {
        let Strays { late, unexpected } = core.strays();
        if (late, unexpected) != (before.late, before.unexpected) {
            self.metrics
                .strays(late - before.late, unexpected - before.unexpected);
        }
    }
}

impl Core {
    /// What its machine could do nothing with so far.
    pub(in crate::exchange) const fn strays(&self) -> Strays {
        Strays {
            late: self.machine.late_answers(),
            unexpected: self.machine.unexpected_events(),
        }
    }

    /// How many clients wait and have not hung up.
    fn live_waiters(&self) -> u8 {
        let waiters = self.waiters.iter();
        let live = waiters.filter(|waiter| !waiter.tell.is_closed()).count();
        u8::try_from(live).unwrap_or(u8::MAX)
    }

    /// What tells how late a result is: the task ended between the last poll that found it running,
    /// or its acceptance, and the poll that found the result. Both are told by the time since the
    /// acceptance.
    fn detection(&self, what: Option<What>) -> Option<(Duration, Duration)> {
        let Some(What::Answered(Answered::Poll(PollAnswer::Firm), Heard::Status(_))) = what else {
            return None;
        };
        let watch = self.machine.watch();
        let (ran_at, asked_at) = (watch.last_ran_at()?, self.machine.asked_at()?);
        Some((watch.since(ran_at), watch.since(asked_at)))
    }
}

impl Flight {
    /// Notes a step that is no event of the machine.
    pub(in crate::exchange) fn note(&self, what: What, now: Stamp) {
        self.core().trail.note(what, self.began.until(now));
    }

    /// Notes that whoever waits is told how it ended.
    pub(in crate::exchange) fn note_told(&self, ending: Ending, now: Stamp) {
        let waiters = self.core().live_waiters();
        self.note(What::Told(ending, waiters), now);
    }

    /// Notes that whoever waits is told what is kept.
    pub(in crate::exchange) fn note_given(&self, now: Stamp) {
        let waiters = self.core().live_waiters();
        self.note(What::Given(waiters), now);
    }

    /// A client that waited is told how the exchange stands, since its hold is over.
    pub fn hold_ended(&self, now: Stamp) {
        let (standing, doubt) = self.standing();
        self.core().was_left_in_doubt |= standing == Standing::InDoubt;
        let what = match (standing, doubt) {
            (Standing::InDoubt, Some(doubt)) => What::Told(Ending::InDoubt(doubt), 1),
            (Standing::InDoubt, None) | (Standing::InProgress, _) => What::AsItStands,
        };
        self.note(what, now);
        journey::tell_hold_over(self, standing);
    }

    /// A client that waited hung up.
    pub fn client_left(&self, now: Stamp) {
        self.note(What::ClientLeft, now);
    }

    /// What the next event was known by.
    pub(in crate::exchange) fn hear(&self, heard: Heard) {
        self.core().heard = heard;
    }

    /// Its steps so far.
    pub fn trail(&self) -> Trail {
        self.core().trail.clone()
    }
}

/// The step that an event is; `None` where it only leads on.
fn what(event: &Event<Answer>, heard: Heard, core: &Core) -> Option<What> {
    Some(match event {
        Event::Recorded(kind) => What::Recorded(*kind),
        Event::RecordFailed(kind) => What::NotRecorded(*kind),
        Event::HandedOver => What::HandedOver,
        Event::ConnectFailed { .. } => What::NoConnection(core.connect_failure),
        Event::SubmitAnswered(answer) => What::Answered(submitted(answer), heard),
        Event::SubmitLost(_) => What::Answered(Answered::SubmitLost, heard),
        Event::Timer(Timer::Start) => What::StartPassed,
        Event::Timer(Timer::Submit) => What::SubmitTimedOut,
        Event::Timer(Timer::Asking) => What::AskingOver,
        Event::Timer(Timer::Retention) => What::Expired,
        Event::Timer(Timer::Connect | Timer::Poll | Timer::Lookup) => return None,
        Event::PollAnswered(answer) | Event::AnsweredElsewhere(answer) => {
            What::Answered(Answered::Poll(polled(answer)), heard)
        }
        Event::PollLost => What::Answered(Answered::PollLost, heard),
        Event::LookedUp(Searched::NotFound { .. }) if heard != Heard::Elsewhere => {
            What::Answered(Answered::LookupLost, heard)
        }
        Event::LookedUp(found) => What::LookedUp(matches!(found, Searched::Found(_))),
        Event::Joined { .. } => What::Joined,
        Event::Acknowledged => What::Delivered,
        Event::Draining { .. } => What::Draining,
        Event::KeyShared => What::KeyShared,
        Event::ResubmitsLowered { .. } => What::ResubmitsLowered,
        Event::Resolved(verdict) => What::Resolved(*verdict),
        Event::Opened(_) => What::Opened,
        Event::SealBroken => What::SealBroken,
        Event::DriverLost => What::DriverLost,
    })
}

const fn submitted(answer: &Submitted<Answer>) -> Answered {
    match answer {
        Submitted::Accepted(_) => Answered::Accepted,
        Submitted::Standard { .. } => Answered::AtOnce,
        Submitted::Refused(_) => Answered::Refused,
        Submitted::TooMany { .. } => Answered::TooMany,
        Submitted::Unclear => Answered::Unclear,
    }
}

const fn polled(answer: &Polled<Answer>) -> PollAnswer {
    match answer {
        Polled::Pending { .. } => PollAnswer::Pending,
        Polled::Unknown => PollAnswer::Unknown,
        Polled::Firm(_) => PollAnswer::Firm,
        Polled::Soft(_) => PollAnswer::Soft,
        Polled::Odd(_) => PollAnswer::Odd,
        Polled::Broken => PollAnswer::Broken,
        Polled::Transient { .. } => PollAnswer::Transient,
    }
}

/// An outcome without its answer.
pub(in crate::exchange) fn ending(outcome: &Outcome<Answer>) -> Ending {
    match outcome {
        Outcome::Completed(answer) => Ending::Completed(answer.status.as_u16()),
        Outcome::Refused(answer) => Ending::Refused(answer.status.as_u16()),
        Outcome::NotSubmitted(why) => Ending::NotSubmitted(*why),
        Outcome::InDoubt(doubt) => Ending::InDoubt(*doubt),
        Outcome::Expired => Ending::Expired,
    }
}
