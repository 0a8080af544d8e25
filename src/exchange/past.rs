//! What an earlier process left, taken in while its journal is read: little is held of what is done.
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::facts::{Fact, Facts, Reads};
use super::gateway::Home;
use super::identity::{Common, HashKey};
use super::recover::subject;
use crate::journal::{Remembered, Standing};
use crate::timing::{Moment, Stamps};

/// The exchanges of earlier processes: those that have not ended, and of each that was delivered a
/// fact. A journal may hold a million of these.
pub struct Past {
    hash_key: HashKey,
    stamps: Stamps,
    retention: Duration,
    pub(super) facts: Facts,
    /// How many of the facts are of exchanges with a key.
    pub(super) fact_count: usize,
    pub(super) reads: Reads,
    pub(super) rivals: Rivals,
    pub(super) unsettled: Vec<Remembered>,
}

impl Past {
    /// Nothing yet. `retention` is how long an exchange is remembered.
    pub fn new(hash_key: HashKey, stamps: Stamps, retention: Duration) -> Self {
        Self {
            hash_key,
            stamps,
            retention,
            facts: Facts::default(),
            fact_count: 0,
            reads: Reads::default(),
            rivals: Rivals::default(),
            unsettled: Vec::new(),
        }
    }

    /// Takes an exchange in; they come in the order in which they began.
    pub fn take(&mut self, exchange: Remembered) {
        match exchange.standing {
            Standing::Submitted
            | Standing::Accepted
            | Standing::Completed
            | Standing::InDoubt(_) => {
                let subject = subject(&self.hash_key, self.stamps, &exchange, gone());
                self.rivals.sought.extend(subject.kin.purchase);
                self.unsettled.push(exchange);
            }
            Standing::Delivered => self.remember(&exchange),
            Standing::Ended => {}
        }
    }

    /// A delivered exchange: a fact for its repeat, and a place where its answer is read.
    fn remember(&mut self, exchange: &Remembered) {
        if !exchange.key_in_force {
            return;
        }
        let head = &exchange.head;
        let subject = subject(&self.hash_key, self.stamps, exchange, gone());
        if let Some(purchase) = subject.kin.purchase {
            let delivered_at = self.stamps.moment(exchange.changed);
            self.rivals
                .delivered(purchase, delivered_at, subject.read_at);
        }
        if self.stamps.now().since(exchange.submitted) >= self.retention {
            return;
        }
        let own = head.exchange.to_string();
        let name = exchange.ticket.as_deref().unwrap_or(&own);
        let identity = subject.identity;
        let result = self.hash_key.result(identity.credential, name);
        let expires_at = subject.read_at + self.retention;
        let fact = Fact::new(head.exchange, result, exchange.answer, expires_at);
        if let Some(on_disk) = fact.on_disk() {
            self.reads.insert(on_disk);
        }
        if head.explicit {
            let name = self
                .hash_key
                .fact(identity.fingerprint, identity.credential);
            self.facts.insert(name, fact);
            self.fact_count += 1;
        }
    }
}

fn gone() -> Home {
    Home::Gone(Box::default())
}

/// From reading a request to its exchange's number little time passes, and stamps count
/// milliseconds: so much is allowed for both.
const ALLOWANCE: Duration = Duration::from_mins(1);

/// `Date` and `created_at` tell whole seconds, and a search allows for both: a transaction may be so
/// much older than the submit whose it seems to be.
const GRAINS: Duration = Duration::from_secs(3);

/// Fewer than these are not worth looking through.
const LEAST: usize = 4096;

/// Delivered exchanges that may be the same purchase as one which is unsettled: one of these was
/// delivered after the other began.
#[derive(Default)]
pub(super) struct Rivals {
    /// When the last exchange of a purchase was delivered.
    last: HashMap<Common, Moment>,
    /// The purchases of those that are unsettled.
    sought: HashSet<Common>,
    /// How many there may be before they are looked through.
    limit: usize,
}

impl Rivals {
    /// An exchange was delivered that began at `began`, which all that come later did not precede.
    fn delivered(&mut self, purchase: Common, delivered_at: Moment, began: Moment) {
        let last = self.last.entry(purchase).or_insert(delivered_at);
        *last = delivered_at.max(*last);
        if self.last.len() > self.limit.max(LEAST) {
            // What was delivered before this one began is no rival of any that began later still.
            let sought = &self.sought;
            self.last
                .retain(|purchase, at| *at + ALLOWANCE >= began || sought.contains(purchase));
            self.limit = self.last.len() * 2;
        }
    }

    /// True if one was delivered so late that a search for one that began at `began` could take its
    /// transaction.
    pub(super) fn has_after(&self, purchase: &Common, began: Moment) -> bool {
        let last = self.last.get(purchase);
        last.is_some_and(|delivered_at| *delivered_at + GRAINS >= began)
    }
}

#[cfg(test)]
mod tests {
    use super::super::identity::Owner;
    use super::*;

    fn purchase(number: u32) -> Common {
        let owner = Owner::of_bytes([1; 32]);
        HashKey::from([7; 32]).common("purchase", owner, [&number.to_be_bytes()])
    }

    #[test]
    fn rivals_are_bounded_and_none_that_counts_is_forgotten() {
        let at = |seconds: u32| Moment::START + Duration::from_secs(seconds.into());
        let mut rivals = Rivals::default();
        rivals.sought.insert(purchase(5));
        for number in 0..100_000 {
            rivals.delivered(purchase(number), at(number + 3), at(number));
            assert!(rivals.last.len() <= 2 * LEAST);
        }
        assert!(rivals.has_after(&purchase(5), at(8)), "it is sought");
        assert!(rivals.has_after(&purchase(5), at(11)), "whole seconds");
        assert!(!rivals.has_after(&purchase(5), at(12)));
        assert!(!rivals.has_after(&purchase(6), at(0)), "it is forgotten");
        assert!(rivals.has_after(&purchase(99_999), at(100_000)));
    }
}
