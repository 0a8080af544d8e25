//! Which transactions a search may not take for its own exchange's: those of others, and any where an
//! exchange of a moment ago ended, and nothing told which one was its own.
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::exchange::identity::Common;
use crate::timing::Moment;

/// An exchange gets its number a little after its request was read, and stamps count milliseconds: this is
/// allowed for both together.
const ALLOWANCE: Duration = Duration::from_mins(1);

/// `Date` and `created_at` have whole seconds, so a search accepts a transaction dated up to this long
/// before its submit.
const GRAINS: Duration = Duration::from_secs(3);

/// The gateway's clock may be this far behind ours, and what it made for us before a reboot is still found.
/// Kerberos allows two clocks the same difference (RFC 4120 §8.2).
pub(in crate::exchange) const CLOCK_SKEW: Duration = Duration::from_mins(5);

/// Fewer than these are not worth looking through.
const LEAST: usize = 4096;

/// An exchange remembers at most this many transactions of others that look like its own.
const MOST_TAKEN: usize = 32;

/// What is known of the transactions that a search for an exchange's own may find.
#[derive(Default)]
pub(in crate::exchange) struct Transactions {
    /// True once an answer told which one is its own.
    pub(in crate::exchange) own_is_known: bool,
    /// Those that are known to be another exchange's.
    taken: Vec<Box<str>>,
    /// True if a search takes none: an exchange that ended, and told of none, may have made one that
    /// looks the same, or more are known to be others' than are remembered.
    pub(in crate::exchange) are_contested: bool,
}

impl Transactions {
    /// A transaction that looks the same is another exchange's.
    pub(in crate::exchange) fn take(&mut self, uid: &str) {
        if self.are_contested || self.is_taken(uid) {
            return;
        }
        if self.taken.len() < MOST_TAKEN {
            self.taken.push(uid.into());
        } else {
            (self.taken, self.are_contested) = (Vec::new(), true);
        }
    }

    /// True if a transaction is known to be another exchange's.
    pub(in crate::exchange) fn is_taken(&self, uid: &str) -> bool {
        self.taken.iter().any(|taken| **taken == *uid)
    }
}

/// Exchanges that ended, by what may be the same purchase as another's.
#[derive(Default)]
pub(in crate::exchange) struct Rivals {
    /// When the last exchange of a purchase ended.
    last: HashMap<Common, Moment>,
    /// The purchases of those that an earlier process left unsettled.
    sought: HashSet<Common>,
    /// How many there may be before they are looked through.
    limit: usize,
}

impl Rivals {
    /// An unsettled exchange of this purchase began at a time that is not known yet.
    pub(in crate::exchange) fn seeks(&mut self, purchase: Option<Common>) {
        self.sought.extend(purchase);
    }

    /// Notes that an exchange of this purchase ended. Callers promise that later questions are about
    /// exchanges that began at `began` or later (less the clock skew), except for the purchases given to
    /// `seeks`; older entries may be dropped.
    pub(in crate::exchange) fn ended(&mut self, purchase: Common, ended_at: Moment, began: Moment) {
        let last = self.last.entry(purchase).or_insert(ended_at);
        *last = ended_at.max(*last);
        if self.last.len() > self.limit.max(LEAST) {
            // What ended before this one began is no rival of any that began later still.
            let (sought, allowed) = (&self.sought, CLOCK_SKEW + ALLOWANCE);
            self.last
                .retain(|purchase, at| *at + allowed >= began || sought.contains(purchase));
            self.limit = self.last.len() * 2;
        }
    }

    /// True if one ended so late that a search for one that began at `began` could take its
    /// transaction.
    pub(in crate::exchange) fn has_after(&self, purchase: &Common, began: Moment) -> bool {
        let last = self.last.get(purchase);
        last.is_some_and(|ended_at| *ended_at + GRAINS >= began)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::identity::{HashKey, Owner};
    use super::*;

    fn purchase(number: u32) -> Common {
        let owner = Owner::of_bytes([1; 32]);
        HashKey::from([7; 32]).common("purchase", owner, [&number.to_be_bytes()])
    }

    #[test]
    fn what_others_took_is_known_once_and_where_it_is_too_much_nothing_is_free() {
        let mut transactions = Transactions::default();
        for _ in 0..1000 {
            transactions.take("one");
            transactions.take("other");
        }
        assert_eq!(transactions.taken.len(), 2);
        assert!(transactions.is_taken("one") && transactions.is_taken("other"));
        assert!(!transactions.is_taken("own") && !transactions.are_contested);
        for number in 0..1000 {
            transactions.take(&number.to_string());
            assert!(transactions.taken.len() <= MOST_TAKEN);
            let is_known = transactions.is_taken(&number.to_string());
            assert!(is_known || transactions.are_contested, "{number}");
        }
        assert!(transactions.are_contested);
    }

    #[test]
    fn rivals_are_bounded_and_none_that_counts_is_forgotten() {
        let at = |seconds: u32| Moment::START + Duration::from_secs(seconds.into());
        let mut rivals = Rivals::default();
        rivals.seeks(Some(purchase(5)));
        for number in 0..100_000 {
            rivals.ended(purchase(number), at(number + 3), at(number));
            assert!(rivals.last.len() <= 2 * LEAST);
        }
        assert!(rivals.has_after(&purchase(5), at(8)), "it is sought");
        assert!(rivals.has_after(&purchase(5), at(11)), "whole seconds");
        assert!(!rivals.has_after(&purchase(5), at(12)));
        assert!(!rivals.has_after(&purchase(6), at(0)), "it is forgotten");
        assert!(rivals.has_after(&purchase(99_999), at(100_000)));
        let skewed = at(100_000) - CLOCK_SKEW;
        assert!(rivals.has_after(&purchase(99_697), skewed), "by the skew");
    }
}
