//! A task of the gateway among the flights that have it: one of them asks at a time, and the others are told.
use std::sync::Arc;

use super::command::Command;
use super::flight::{Answer, Flight};
use crate::exchange::identity::Credential;
use crate::exchange::machine::Polled;
use crate::results::ResultKey;

/// Names a task by its shop and its id: a keyed hash.
pub(in crate::exchange) type TaskName = [u8; 16];

/// A flight's place at a task of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exchange) struct TaskPlace {
    pub(in crate::exchange) task: TaskName,
    /// Where the flight's answer is kept.
    pub(in crate::exchange) result: ResultKey,
}

/// A task of the gateway, and the flights whose submits it answered.
#[derive(Default)]
pub(in crate::exchange) struct Task {
    sharers: Vec<Sharer>,
    /// True while one of them has a `GET` of it in flight: there is never a second.
    polled: bool,
    /// The polls of it that had no answer in time, since one had.
    given_up: u32,
    /// What was read, by where the answers of those are kept that had the task then. Who is given its id
    /// later under another key is told none of it: a gateway's ids may come again.
    read: Vec<(ResultKey, Read)>,
}

/// A flight that has a task, and where its answer is kept.
struct Sharer {
    flight: Arc<Flight>,
    result: ResultKey,
}

/// What a poll of a task has read.
enum Read {
    /// The result: it may be the only reading that there is.
    Firm(Answer),
    /// A soft answer, where no poll has told since that it is not the result.
    Soft(Answer),
}

/// Where an answer was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exchange) enum Source {
    /// At the gateway.
    Gateway,
    /// On disk, where another exchange of the same key left it.
    Disk,
}

impl Task {
    /// True while nobody needs it.
    pub(super) fn is_idle(&self) -> bool {
        self.sharers.is_empty() && !self.polled
    }

    /// Takes a flight in, and tells it what the others were told that may be the result: where it is, the
    /// gateway does not tell it again.
    pub(super) fn enter(&mut self, flight: &Arc<Flight>, result: ResultKey) {
        for (_, read) in self.read.iter().filter(|(its, _)| *its == result) {
            if let Read::Soft(soft) = read {
                let told = Box::new(Polled::Soft(Arc::clone(soft)));
                flight.mailbox.post(Command::TaskAnswered(Some(told)));
            }
        }
        self.sharers.push(Sharer {
            flight: Arc::clone(flight),
            result,
        });
    }

    /// Lets a flight go, and what was read for it alone.
    pub(super) fn leave(&mut self, flight: &Arc<Flight>) {
        self.sharers
            .retain(|sharer| !Arc::ptr_eq(&sharer.flight, flight));
        let sharers = &self.sharers;
        self.read
            .retain(|(result, _)| sharers.iter().any(|sharer| sharer.result == *result));
    }

    /// Takes the turn to ask for it, with how many of its polls had no answer in time since one had; `None`
    /// while another has it.
    pub(in crate::exchange) fn take_turn(&mut self) -> Option<u32> {
        let is_taken = std::mem::replace(&mut self.polled, true);
        (!is_taken).then_some(self.given_up)
    }

    /// Gives the turn back, with how many had no answer in time by now.
    pub(in crate::exchange) fn give_turn_back(&mut self, given_up: u32) {
        (self.polled, self.given_up) = (false, given_up);
    }

    /// Takes in what a poll told, and passes it on to the other flights under the same secret. Those under
    /// another are told that it ended.
    pub(in crate::exchange) fn heard(
        &mut self,
        poller: &Arc<Flight>,
        result: ResultKey,
        told: Option<&Polled<Answer>>,
        source: Source,
    ) {
        let heard = Heard {
            credential: poller.identity.credential,
            result,
            source,
        };
        match told {
            Some(Polled::Firm(answer)) => self.keep(&heard, || Read::Firm(answer.clone())),
            Some(Polled::Soft(answer)) => self.keep(&heard, || Read::Soft(answer.clone())),
            Some(Polled::Pending { .. } | Polled::Broken) => {
                self.read.retain(|(_, read)| matches!(read, Read::Firm(_)));
            }
            Some(Polled::Unknown | Polled::Odd(_) | Polled::Transient { .. }) | None => {}
        }
        let others = self.sharers.iter();
        for other in others.filter(|other| !Arc::ptr_eq(&other.flight, poller)) {
            let told = told.filter(|_| heard.is_for(other));
            let told = told.cloned().map(Box::new);
            other.flight.mailbox.post(Command::TaskAnswered(told));
        }
    }

    /// Keeps what was read for each who may have it. A soft answer does not take the result's place.
    fn keep(&mut self, heard: &Heard, read: impl Fn() -> Read) {
        for sharer in self.sharers.iter().filter(|sharer| heard.is_for(sharer)) {
            let has_result = |(its, read): &(ResultKey, Read)| {
                *its == sharer.result && matches!(read, Read::Firm(_))
            };
            if !self.read.iter().any(has_result) {
                self.read.retain(|(its, _)| *its != sharer.result);
                self.read.push((sharer.result, read()));
            }
        }
    }

    /// The result, where it was read for whoever keeps it there.
    pub(super) fn answer(&self, result: &ResultKey) -> Option<Answer> {
        self.read.iter().find_map(|(its, read)| match read {
            Read::Firm(answer) if its == result => Some(Arc::clone(answer)),
            Read::Firm(_) | Read::Soft(_) => None,
        })
    }

    /// True while a poll of it is under way, or its result on the way to whoever keeps it there.
    pub(super) fn is_being_read(&self, result: &ResultKey) -> bool {
        self.polled || self.answer(result).is_some()
    }

    /// True while a flight has it whose answer is kept there.
    pub(super) fn is_kept_at(&self, result: &ResultKey) -> bool {
        self.sharers.iter().any(|sharer| sharer.result == *result)
    }

    /// Where the answer of a flight is kept that has it under this secret.
    pub(in crate::exchange) fn result_under(&self, credential: Credential) -> Option<ResultKey> {
        let mut sharers = self.sharers.iter();
        let own = sharers.find(|sharer| sharer.flight.identity.credential == credential);
        own.map(|sharer| sharer.result)
    }

    /// True while a flight waits for its result; those whose answer is kept at `but` do not count.
    pub(in crate::exchange) fn is_awaited(&self, but: Option<ResultKey>) -> bool {
        let mut others = self
            .sharers
            .iter()
            .filter(|sharer| Some(sharer.result) != but);
        others.any(|sharer| sharer.flight.awaits_result())
    }
}

/// Who has read something of a task, and where.
struct Heard {
    credential: Credential,
    result: ResultKey,
    source: Source,
}

impl Heard {
    /// True if a flight of the task may have it: what is read with one secret is nothing for another.
    fn is_for(&self, sharer: &Sharer) -> bool {
        let is_told = match self.source {
            Source::Gateway => true,
            Source::Disk => sharer.result == self.result,
        };
        is_told && sharer.flight.identity.credential == self.credential
    }
}
