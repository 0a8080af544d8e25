//! A model of the gateway: what it charges, what it remembers, and what it answers.
use std::time::Duration;

use super::super::{Polled, Submitted};
use super::story::task;
use crate::protocol::RequestId;
use crate::timing::Moment;

/// How long a replica may lag: less than `unknown_grace`, which is what the grace is for.
const LAG: Duration = Duration::from_secs(3);

/// How long one lags that is given up.
const LONG_LAG: Duration = Duration::from_secs(12);

/// An answer, told by what it is. Two answers with the same bytes are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The standard answer of the n-th charge.
    Result(usize),
    /// The n-th charge as its own page shows it.
    Transaction(usize),
    /// A refusal of a submit.
    Refusal(u32),
    /// A crash of the poll's own page: it looks like a once-only error.
    Page(u32),
    /// Something of somebody else: another transaction, or a page of a balancer.
    Foreign(u32),
}

/// What the result looks like, and how often it may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A 200, readable for a day.
    Lasting,
    /// An error of the gateway's, readable once.
    Once,
    /// The vendor's "something went wrong", readable once.
    OnceSoft,
    /// A 200 of no known shape, readable for a day.
    Odd,
}

/// What the vendor's documentation leaves open, settled for one run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habits {
    /// Submits with one key are one charge.
    pub(super) honours_key: bool,
    /// A repeat of a submit gets a new receipt for the same charge.
    pub(super) renews_receipts: bool,
    /// A task runs on for some polls.
    pub(super) is_slow: bool,
    /// What the result looks like.
    pub(super) shape: Shape,
}

/// What the gateway does with a submit that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Takes it and gives a receipt.
    Accepts,
    /// Takes it and gives a receipt that the replica that polls ask does not know yet.
    AcceptsAhead,
    /// The same, for longer than the grace.
    AcceptsFarAhead,
    /// Takes it and gives the standard answer at once.
    IsQuick,
    /// Takes it and answers 500.
    ChargesAndFails,
    /// Answers 502 and takes nothing.
    Fails,
    /// Answers 4xx: the request is wrong, or, to a repeat, 409.
    Refuses,
    /// Answers 429.
    IsBusy,
    /// Answers a repeat with another transaction.
    Mistakes,
}

/// What comes back of a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// What the gateway says, whole.
    Whole,
    /// What the gateway says, cut on the way.
    Cut,
    /// Nothing: it did not reach the gateway.
    Lost,
    /// A balancer's 503.
    Balancer,
    /// A crash of the page.
    Crash,
    /// A 200 of a maintenance page.
    Maintenance,
}

#[derive(Debug)]
struct Receipt {
    id: RequestId,
    charge: usize,
    spent: bool,
    /// True once nobody can tell the result any more: its only reading was cut, or a crash of the
    /// page came after it, which looks the same.
    gone: bool,
    unknown_until: Moment,
    /// True if nobody asks until polls know it.
    lags_long: bool,
}

/// The gateway with its ledger.
#[derive(Debug)]
pub(super) struct Gateway {
    habits: Habits,
    /// One entry a charge: true once its task is finished.
    charges: Vec<bool>,
    receipts: Vec<Receipt>,
    answers: u32,
    /// Every answer that went out whole and may be a client's.
    given: Vec<Answer>,
}

impl Gateway {
    pub(super) fn new(habits: Habits) -> Self {
        Self {
            habits,
            charges: Vec::new(),
            receipts: Vec::new(),
            answers: 0,
            given: Vec::new(),
        }
    }

    pub(super) fn charges(&self) -> usize {
        self.charges.len()
    }

    /// True if this answer went out whole, as one that belongs to this request.
    pub(super) fn gave(&self, answer: Answer) -> bool {
        self.given.contains(&answer)
    }

    pub(super) fn has_running_task(&self) -> bool {
        self.charges.contains(&false)
    }

    /// True if a poll of this task would be told that it runs, or nothing.
    pub(super) fn runs(&self, id: &RequestId) -> bool {
        let receipt = self.receipts.iter().find(|receipt| receipt.id == *id);
        receipt.is_some_and(|receipt| !self.charges[receipt.charge])
    }

    pub(super) const fn is_slow(&self) -> bool {
        self.habits.is_slow
    }

    pub(super) fn finish_tasks(&mut self) {
        self.charges.fill(true);
    }

    /// The result that a receipt stands for, unless nobody can tell it any more, or not in time.
    pub(super) fn result_of(&self, id: &RequestId) -> Option<Answer> {
        let receipt = self.receipts.iter().find(|receipt| receipt.id == *id)?;
        (!receipt.gone && !receipt.lags_long).then_some(Answer::Result(receipt.charge))
    }

    /// The replica that polls ask falls behind.
    pub(super) fn lag(&mut self, now: Moment) {
        for receipt in &mut self.receipts {
            receipt.unknown_until = now + LAG;
        }
    }

    /// A submit arrives.
    pub(super) fn take(&mut self, fate: Fate, now: Moment) -> Submitted<Answer> {
        self.answers += 1;
        let refusal = Answer::Refusal(self.answers);
        match fate {
            Fate::Accepts => Submitted::Accepted(self.receipt(now, false)),
            Fate::AcceptsAhead => Submitted::Accepted(self.receipt(now + LAG, false)),
            Fate::AcceptsFarAhead => Submitted::Accepted(self.receipt(now + LONG_LAG, true)),
            Fate::IsQuick => {
                let charge = self.charge();
                self.charges[charge] = true;
                Submitted::Standard {
                    answer: self.give(Answer::Result(charge)),
                    matches: true,
                }
            }
            Fate::ChargesAndFails => {
                self.charge();
                Submitted::Unclear
            }
            Fate::Fails => Submitted::Unclear,
            Fate::Refuses => Submitted::Refused(self.give(refusal)),
            Fate::IsBusy => Submitted::TooMany {
                answer: self.give(refusal),
                retry_after: None,
            },
            Fate::Mistakes => Submitted::Standard {
                answer: Answer::Foreign(self.answers),
                matches: false,
            },
        }
    }

    /// A charge, or the one that the key already stands for.
    fn charge(&mut self) -> usize {
        if !self.habits.honours_key || self.charges.is_empty() {
            self.charges.push(false);
        }
        self.charges.len() - 1
    }

    /// A new receipt, which polls know from a moment on, or the one that was given before.
    fn receipt(&mut self, unknown_until: Moment, lags_long: bool) -> RequestId {
        let charge = self.charge();
        let known = self
            .receipts
            .iter()
            .find(|receipt| receipt.charge == charge);
        if let Some(receipt) = known.filter(|_| !self.habits.renews_receipts) {
            return receipt.id.clone();
        }
        let id = task(&format!("task-{}", self.receipts.len()));
        self.receipts.push(Receipt {
            id: id.clone(),
            charge,
            spent: false,
            gone: false,
            unknown_until,
            lags_long,
        });
        id
    }

    fn give(&mut self, answer: Answer) -> Answer {
        self.given.push(answer);
        answer
    }

    /// A poll comes back; `None` where nothing whole did.
    pub(super) fn poll(
        &mut self,
        id: &RequestId,
        reading: Reading,
        now: Moment,
    ) -> Option<Polled<Answer>> {
        self.answers += 1;
        match reading {
            Reading::Whole => {
                let read = self.read(id, now);
                if let Polled::Firm(answer) | Polled::Soft(answer) | Polled::Odd(answer) = &read {
                    self.give(*answer);
                }
                Some(read)
            }
            Reading::Cut => {
                if matches!(self.read(id, now), Polled::Unknown) {
                    return None;
                }
                self.lose_if_spent(id);
                Some(Polled::Broken)
            }
            Reading::Lost => None,
            Reading::Balancer => Some(Polled::Transient { retry_after: None }),
            Reading::Crash => {
                self.lose_if_spent(id);
                Some(Polled::Soft(self.give(Answer::Page(self.answers))))
            }
            Reading::Maintenance => Some(Polled::Odd(Answer::Foreign(self.answers))),
        }
    }

    /// Whoever read a result has lost it again: none that may be read once is left.
    pub(super) fn lose_what_was_read(&mut self) {
        for receipt in &mut self.receipts {
            receipt.gone |= receipt.spent;
        }
    }

    fn lose_if_spent(&mut self, id: &RequestId) {
        let receipts = self.receipts.iter_mut();
        for receipt in receipts.filter(|receipt| receipt.id == *id) {
            receipt.gone |= receipt.spent;
        }
    }

    /// What the gateway says of a task; to say it may spend it.
    fn read(&mut self, id: &RequestId, now: Moment) -> Polled<Answer> {
        let Some(receipt) = self.receipts.iter_mut().find(|receipt| receipt.id == *id) else {
            return Polled::Unknown;
        };
        if now < receipt.unknown_until || receipt.spent {
            return Polled::Unknown;
        }
        if !self.charges[receipt.charge] {
            return Polled::Pending { retry_after: None };
        }
        let result = Answer::Result(receipt.charge);
        receipt.spent = matches!(self.habits.shape, Shape::Once | Shape::OnceSoft);
        match self.habits.shape {
            Shape::Lasting | Shape::Once => Polled::Firm(result),
            Shape::OnceSoft => Polled::Soft(result),
            Shape::Odd => Polled::Odd(result),
        }
    }

    /// The one transaction of this request, if its page shows it by now.
    pub(super) fn look_up(&mut self) -> Option<Answer> {
        let only = self.charges.len() == 1;
        only.then(|| self.give(Answer::Transaction(0)))
    }
}

impl crate::exchange::machine::Whole for Answer {
    fn says_the_same(&self, other: &Self) -> bool {
        self == other
    }
}
