//! The steps of one exchange in this process: what happened when, in a few hundred bytes. It holds no
//! text and nothing of a request; who prints it has the words.
use std::time::Duration;

use crate::exchange::machine::{Doubt, RecordKind, Verdict, Withdrawal};
use crate::protocol::{PollAnswer, Untimely};
use crate::upstream::Cause;

/// At most so many steps are kept: the first ones, which tell how it began, and the last ones.
const MOST: usize = 24;

/// So many of the first steps are never dropped.
const FIRST: usize = 10;

/// How much room is made at a time: a held payment has six steps.
const ROOM: usize = 4;

/// What an answer or its loss was known by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Heard {
    /// Nothing of our own: another exchange of the same task was answered, or the answer was kept.
    #[default]
    Elsewhere,
    /// An answer with this status.
    Status(u16),
    /// No whole answer, because of this.
    Failed(Cause),
}

/// What the gateway answered, by its class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// It took the task.
    Accepted,
    /// It gave the standard answer to the submit at once.
    AtOnce,
    /// It refused the submit.
    Refused,
    /// It asked to submit again later.
    TooMany,
    /// Something to the submit that says neither yes nor no.
    Unclear,
    /// Nothing whole to the submit.
    SubmitLost,
    /// This to a poll.
    Poll(PollAnswer),
    /// Nothing whole to a poll.
    PollLost,
    /// No word to a search for its transaction.
    LookupLost,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A request came, and no equal one was under way.
    Began,
    /// It was found in the journal of an earlier process.
    Resumed,
    /// A record is durable.
    Recorded(RecordKind),
    /// A record could not be made durable.
    NotRecorded(RecordKind),
    /// No connection for a submit, and nothing left.
    NoConnection(Option<Cause>),
    /// The first byte of a submit left.
    HandedOver,
    /// The gateway answered, or did not.
    Answered(Answered, Heard),
    /// `submit.timeout` passed.
    SubmitTimedOut,
    /// `submit.start` passed.
    StartPassed,
    /// A search at the gateway ended, and found the transaction or not.
    LookedUp(bool),
    /// For its time alone a search left out a transaction that looks like its own.
    LeftOut(Untimely),
    /// The searches had their time.
    AskingOver,
    /// A request that equals it joined.
    Joined,
    /// A client's hold ended before the exchange did.
    AsItStands,
    /// A client hung up before it was answered.
    ClientLeft,
    /// The process is stopping.
    Draining,
    /// Another exchange has the same key.
    KeyShared,
    /// The operator lowered `submit.resubmits`.
    ResubmitsLowered,
    /// The operator said what became of it.
    Resolved(Verdict),
    /// What an earlier process had kept was opened.
    Opened,
    /// What was kept of an answer does not open.
    SealBroken,
    /// A fault of our own ended the task that drove it.
    DriverLost,
    /// So many clients were told how it ended.
    Told(Ending, u8),
    /// So many clients were given the kept answer, or the doubt, again.
    Given(u8),
    /// The client has its answer.
    Delivered,
    /// The answer is not known to have reached its client.
    NotDelivered,
    /// It is no longer remembered.
    Expired,
}

/// How an exchange ended, without its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With the gateway's answer, of this status.
    Completed(u16),
    /// With the gateway's refusal, of this status.
    Refused(u16),
    /// Nothing was sent.
    NotSubmitted(Withdrawal),
    /// It may have been executed.
    InDoubt(Doubt),
    /// It was remembered for as long as it may be.
    Expired,
}

/// One step, or several like it in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What happened.
    pub what: What,
    /// Milliseconds from the reading of the request to the first of them.
    pub(in crate::exchange) first: u32,
    /// And to the last of them.
    last: u32,
    /// How many there are.
    pub times: u32,
}

impl Step {
    /// From the reading of the request to the first of them.
    pub const fn first(&self) -> Duration {
        Duration::from_millis(self.first as u64)
    }

    /// From the reading of the request to the last of them.
    pub const fn last(&self) -> Duration {
        Duration::from_millis(self.last as u64)
    }
}

/// The steps of an exchange, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trail {
    steps: Vec<Step>,
    dropped: u32,
}

impl Trail {
    /// Notes a step that happened `after` the request was read.
    pub(in crate::exchange) fn note(&mut self, what: What, after: Duration) {
        // 49 days; what is older than a day is seldom remembered at all.
        let at = u32::try_from(after.as_millis()).unwrap_or(u32::MAX);
        if let Some(step) = self.steps.last_mut().filter(|step| step.what == what) {
            step.last = at;
            step.times = step.times.saturating_add(1);
            return;
        }
        if self.steps.len() >= MOST {
            self.steps.remove(FIRST);
            self.dropped = self.dropped.saturating_add(1);
        }
        if self.steps.len() == self.steps.capacity() {
            self.steps.reserve_exact(ROOM);
        }
        self.steps.push(Step {
            what,
            first: at,
            last: at,
            times: 1,
        });
    }

    /// How long after the request was read a client was given the answer, where it is not known yet whether
    /// that arrived.
    pub(in crate::exchange) fn on_its_way(&self) -> Option<Duration> {
        let tells = |what| {
            matches!(
                what,
                What::Told(..) | What::Given(_) | What::NotDelivered | What::ClientLeft
            )
        };
        let told = self.steps.iter().rev().find(|step| tells(step.what))?;
        let gave = matches!(
            told.what,
            What::Told(Ending::Completed(_), 1..) | What::Given(1..)
        );
        gave.then(|| told.last())
    }

    /// The steps, and how many are missing before each.
    pub fn steps(&self) -> impl Iterator<Item = (u32, &Step)> {
        let steps = self.steps.iter().enumerate();
        steps.map(|(index, step)| (if index == FIRST { self.dropped } else { 0 }, step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PENDING: What = What::Answered(Answered::Poll(PollAnswer::Pending), Heard::Status(425));

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn polls_in_a_row_are_one_step() {
        let mut trail = Trail::default();
        trail.note(What::Began, millis(0));
        for poll in 1..=14 {
            trail.note(PENDING, millis(poll * 500));
        }
        trail.note(
            What::Answered(Answered::Poll(PollAnswer::Firm), Heard::Status(200)),
            millis(7_500),
        );
        let steps: Vec<_> = trail.steps().map(|(_, step)| *step).collect();
        assert_eq!(steps.len(), 3);
        assert_eq!((steps[1].times, steps[1].what), (14, PENDING));
        assert_eq!(
            (steps[1].first(), steps[1].last()),
            (millis(500), millis(7_000))
        );
    }

    #[test]
    fn a_trail_is_bounded_and_keeps_its_beginning_and_its_end() {
        let mut trail = Trail::default();
        trail.note(What::Began, millis(0));
        for round in 0..1_000 {
            trail.note(What::Joined, millis(round));
            trail.note(PENDING, millis(round));
        }
        trail.note(What::Delivered, millis(2_000));
        let steps: Vec<_> = trail.steps().collect();
        assert_eq!(steps.len(), MOST);
        assert_eq!(steps[0].1.what, What::Began);
        assert_eq!(steps[MOST - 1].1.what, What::Delivered);
        let dropped: u32 = steps.iter().map(|(dropped, _)| dropped).sum();
        assert_eq!(dropped, 2_002 - u32::try_from(MOST).unwrap());
        assert_eq!(steps[FIRST].0, dropped);
    }

    /// A held request's cost matters, and ten thousand may be held.
    #[test]
    fn a_trail_takes_a_few_hundred_bytes() {
        let mut trail = Trail::default();
        for round in 0..1_000 {
            trail.note(What::Joined, millis(round));
            trail.note(PENDING, millis(round));
        }
        let bytes = trail.steps.capacity() * size_of::<Step>();
        assert!(bytes <= 500, "{bytes}");
        assert!(size_of::<Step>() <= 20, "{}", size_of::<Step>());
    }
}
