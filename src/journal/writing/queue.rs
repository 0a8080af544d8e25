//! What waits for the writer, and what is owed to the disk.
use std::collections::{HashSet, VecDeque};

use tokio::sync::oneshot;

use super::company::{Company, Waits};
use crate::journal::error::AppendError;
use crate::journal::{Change, Entry, Place};
use crate::timing::Moment;

/// An entry that waits, and who waits for it.
#[derive(Debug)]
pub(in crate::journal) struct Queued {
    pub(in crate::journal) entry: Entry,
    pub(in crate::journal) done: oneshot::Sender<Result<(), AppendError>>,
}

/// The writer's queue. It counts what is owed.
#[derive(Debug)]
pub(in crate::journal) struct Queue {
    waiting: Vec<Queued>,
    /// How many the writer has taken and knows nothing of yet.
    under_way: usize,
    /// Who waits for them.
    company: Company,
    /// What could not be written, in order, while the journal is down.
    owed: VecDeque<Entry>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::journal) enum State {
    Up,
    Down,
    /// Nothing is taken any more.
    Closed,
}

impl Queue {
    pub(in crate::journal) fn new() -> Self {
        Self {
            waiting: Vec::new(),
            under_way: 0,
            company: Company::default(),
            owed: VecDeque::new(),
            state: State::Up,
        }
    }

    /// Takes an entry. True if the writer has to look at the queue again.
    pub(in crate::journal) fn push(&mut self, queued: Queued, at: Moment) -> bool {
        match self.state {
            State::Up => {
                let is_news = self.company.join(at, Waits::of(&queued.entry.change));
                self.waiting.push(queued);
                is_news
            }
            State::Down => {
                self.owe(queued.entry, false);
                fail(queued.done);
                false
            }
            State::Closed => {
                fail(queued.done);
                false
            }
        }
    }

    /// When what waits is to be written; `None` where nothing does.
    pub(in crate::journal) fn due(&self) -> Option<Moment> {
        self.company.due()
    }

    /// Everything that waits, to be written now.
    pub(in crate::journal) fn take(&mut self, now: Moment) -> Vec<Queued> {
        self.company.leave(now);
        self.under_way = self.waiting.len();
        std::mem::take(&mut self.waiting)
    }

    /// What was taken is durable.
    pub(in crate::journal) fn written(&mut self) {
        self.under_way = 0;
    }

    /// The batch failed, and whether it reached the disk is not known; what came after it fails too.
    pub(in crate::journal) fn fail(&mut self, batch: &[Entry]) {
        self.state = State::Down;
        self.under_way = 0;
        for entry in batch {
            self.owe(entry.clone(), true);
        }
        for queued in self.all() {
            self.owe(queued.entry, false);
            fail(queued.done);
        }
    }

    /// Up again, unless something is owed: then that, to be written first.
    pub(in crate::journal) fn rise(&mut self) -> Option<Vec<Entry>> {
        if self.owed.is_empty() {
            self.state = State::Up;
            return None;
        }
        Some(self.owed.iter().cloned().collect())
    }

    /// What was owed for these places is durable.
    pub(in crate::journal) fn settle(&mut self, written: &HashSet<Place>) {
        self.owed.retain(|entry| !written.contains(&entry.place));
    }

    pub(in crate::journal) fn owed(&self) -> usize {
        self.owed.len()
    }

    /// What is not known to be on disk: what is owed, what waits, and what is under way there.
    pub(in crate::journal) fn unwritten(&self) -> usize {
        self.owed.len() + self.waiting.len() + self.under_way
    }

    pub(in crate::journal) fn state(&self) -> State {
        self.state
    }

    /// Nothing is taken any more.
    pub(in crate::journal) fn close(&mut self) {
        self.state = State::Closed;
        for queued in self.all() {
            fail(queued.done);
        }
    }

    /// Everything that waits, of which nothing will be written.
    fn all(&mut self) -> Vec<Queued> {
        self.company = Company::default();
        std::mem::take(&mut self.waiting)
    }

    fn owe(&mut self, entry: Entry, may_be_written: bool) {
        match entry.change {
            // Its exchange is told that nothing was submitted, and ends.
            Change::Submitted(_) if may_be_written => {
                let Place { number, step } = entry.place;
                let step = step.saturating_add(1);
                self.owed.push_back(Entry {
                    place: Place { number, step },
                    stamp: entry.stamp,
                    change: Change::Withdrawn,
                });
            }
            // Nothing left under it. Where it did reach the disk, one resubmit less is left.
            Change::Submitted(_) | Change::Resubmitted(_) => {}
            Change::Candidate(_) | Change::Completed(_) => {
                self.replace(entry, |owed| matches!(owed, Change::Candidate(_)));
            }
            // A search is noted as it begins and recorded as it ends.
            Change::InDoubt(_) => self.replace(entry, |owed| matches!(owed, Change::InDoubt(_))),
            Change::Accepted(_)
            | Change::Delivered
            | Change::Withdrawn
            | Change::Refused
            | Change::Closed(_) => self.owed.push_back(entry),
        }
    }

    /// Owes an entry in the place of such ones of its exchange.
    fn replace(&mut self, entry: Entry, goes: impl Fn(&Change) -> bool) {
        let number = entry.place.number;
        self.owed
            .retain(|owed| owed.place.number != number || !goes(&owed.change));
        self.owed.push_back(entry);
    }
}

/// Who asked may have gone.
fn fail(done: oneshot::Sender<Result<(), AppendError>>) {
    let _ = done.send(Err(AppendError));
}
