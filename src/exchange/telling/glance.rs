//! What an exchange is at one moment, for the operator: read at once, so that its parts agree.
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::exchange::flights::{Core, Counted, Flight};
use crate::exchange::handle::Flights;
use crate::exchange::machine::{Doubt, Standing, State, Timer};
use crate::exchange::metrics::Unended;
use crate::journal;
use crate::timing::Moment;

/// A client has taken its answer and acknowledged it in less, or it counts as undelivered.
const ON_ITS_WAY: Duration = Duration::from_mins(1);

/// Where an exchange counts, and the word for it in all that an operator reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// It may have been executed, and neither a search nor the operator has settled it.
    InDoubt,
    /// It has no outcome yet.
    Running,
    /// Its task was accepted before a restart, and it goes on with its client's repeat.
    Interrupted,
    /// Its answer waits for its client.
    Undelivered,
    /// The operator has said that it was executed.
    Settled,
    /// Its client has the answer.
    Delivered,
    /// It ended otherwise: refused, not submitted, settled as not executed, or forgotten.
    Ended,
}

impl Group {
    /// Those of what has not ended, the most urgent first.
    pub const UNENDED: [Self; 5] = [
        Self::InDoubt,
        Self::Running,
        Self::Interrupted,
        Self::Undelivered,
        Self::Settled,
    ];

    /// Its name for the operator.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InDoubt => "in-doubt",
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Undelivered => "undelivered",
            Self::Settled => "settled",
            Self::Delivered => "delivered",
            Self::Ended => "ended",
        }
    }

    /// True where a doubt is told of it: an open one, or the one that the operator settled.
    pub const fn has_doubt(self) -> bool {
        match self {
            Self::InDoubt | Self::Settled => true,
            Self::Running
            | Self::Interrupted
            | Self::Undelivered
            | Self::Delivered
            | Self::Ended => false,
        }
    }

    /// The group of this name, of those of what has not ended.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::UNENDED.into_iter().find(|group| group.name() == name)
    }

    /// Where an exchange counts that no process has, by its records alone, and its doubt: what the next
    /// process makes of it.
    pub fn of_records(last: &journal::LastRecord) -> (Self, Option<Doubt>) {
        match last {
            journal::LastRecord::Submitted => (Self::InDoubt, Some(Doubt::Restart)),
            journal::LastRecord::Accepted => (Self::Interrupted, None),
            journal::LastRecord::Completed => (Self::Undelivered, None),
            journal::LastRecord::Delivered => (Self::Delivered, None),
            journal::LastRecord::Ended => (Self::Ended, None),
            journal::LastRecord::InDoubt(doubt) => match Doubt::of_name(&doubt.cause) {
                Some(Doubt::Executed) => (Self::Settled, Some(Doubt::Executed)),
                known => (Self::InDoubt, known),
            },
        }
    }
}

/// An exchange at one moment.
#[derive(Clone, Debug)]
pub struct Glance {
    /// Where it counts.
    pub group: Group,
    /// What it awaits.
    pub state: State,
    /// What its clients are told.
    pub standing: Standing,
    /// Why it is in doubt, if anything raised a doubt.
    pub doubt: Option<Doubt>,
    /// The task's id at the gateway, once it is known.
    pub ticket: Option<String>,
    /// Requests that wait for it and have not hung up.
    pub waiters: usize,
    /// Polls that were sent.
    pub polls_sent: u32,
    /// When it goes on by itself, and with what; `None` while an answer, a client or the operator
    /// leads on.
    pub next: Option<(Moment, Timer)>,
}

impl Flight {
    /// What it is now.
    pub fn glance(&self) -> Glance {
        let core = self.core();
        let machine = &core.machine;
        let state = machine.state();
        Glance {
            group: core.group(),
            state,
            standing: machine.standing(),
            doubt: machine.doubt(),
            ticket: machine.told_task().map(ToString::to_string),
            waiters: core
                .waiters
                .iter()
                .filter(|waiter| !waiter.tell.is_closed())
                .count(),
            polls_sent: core.polls_sent,
            next: machine.timer(),
        }
    }
}

impl Core {
    /// What it counts as towards the limits.
    pub(in crate::exchange) fn counts_as(&self) -> Counted {
        if self.group() == Group::Settled {
            Counted::Settled
        } else if self.machine.is_at_rest() {
            Counted::Waiting
        } else {
            Counted::Running
        }
    }

    /// Where it counts.
    fn group(&self) -> Group {
        let machine = &self.machine;
        match machine.state() {
            State::Waiting if machine.is_at_rest() => Group::Interrupted,
            state => group(state, machine.doubt(), self.was_told_in_doubt()),
        }
    }
}

/// `is_told`: a client was told that it is in doubt. It stays so for the operator while its repeats have
/// it searched for.
const fn group(state: State, doubt: Option<Doubt>, is_told: bool) -> Group {
    match state {
        State::Undelivered => Group::Undelivered,
        State::Doubtful if matches!(doubt, Some(Doubt::Executed)) => Group::Settled,
        State::Doubtful => Group::InDoubt,
        State::Asking if is_told => Group::InDoubt,
        State::Delivered => Group::Delivered,
        State::Ended => Group::Ended,
        State::Recording(_)
        | State::Connecting
        | State::Submitting
        | State::Waiting
        | State::Polling
        | State::Asking => Group::Running,
    }
}

impl Flights {
    /// Sets the gauges to what is true now.
    pub fn observe(&self) {
        let (now, stamp) = (self.0.clock.now(), self.0.stamps.now());
        let mut unended = Unended::default();
        for flight in self.all() {
            let core = flight.core();
            match core.group() {
                Group::Interrupted => unended.interrupted += 1,
                Group::Undelivered => {
                    let age = flight.began.until(stamp);
                    let given = core.trail.on_its_way();
                    let is_on_its_way = given.is_some_and(|after| age < after + ON_ITS_WAY);
                    unended.undelivered += i64::from(!is_on_its_way);
                }
                Group::Settled | Group::Delivered | Group::Ended => {}
                Group::InDoubt => unended.in_doubt += 1,
                Group::Running => {
                    unended.running += 1;
                    unended.oldest = unended.oldest.max(now.since(flight.read_at()));
                }
            }
        }
        self.0.metrics.observe(&unended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_is_found_by_its_name() {
        for group in Group::UNENDED {
            assert_eq!(Group::of_name(group.name()), Some(group));
            assert_eq!(serde_json::to_value(group).unwrap(), group.name());
        }
        assert_eq!(Group::of_name("Running"), None);
    }

    #[test]
    fn what_the_operator_has_settled_is_in_doubt_no_more() {
        let doubtful = |doubt| group(State::Doubtful, doubt, true);
        assert_eq!(doubtful(Some(Doubt::SubmitLost)), Group::InDoubt);
        assert_eq!(doubtful(Some(Doubt::Executed)), Group::Settled);
        let searched = |is_told| group(State::Asking, Some(Doubt::SubmitLost), is_told);
        assert_eq!(searched(false), Group::Running);
        assert_eq!(searched(true), Group::InDoubt);
    }
}
