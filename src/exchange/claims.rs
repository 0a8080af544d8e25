//! Whose a transaction is: no search of one exchange takes what another has made.
use std::sync::Arc;

use super::context::Context;
use super::flights::{Answer, Flight};
use super::identity::{Common, Owner};
use crate::protocol::{LONGEST_UID, Transaction};

impl Context {
    /// Remembers whose transaction an answer tells of.
    pub(super) fn claim_answer(&self, flight: &Arc<Flight>, answer: &Answer) {
        let uid = Transaction::of(&answer.body).and_then(|transaction| transaction.uid());
        if let Some(uid) = uid.filter(|uid| uid.len() <= LONGEST_UID) {
            self.claim_transaction(flight, &uid);
        }
    }

    /// Remembers that a transaction is this flight's, so that no other's lookup takes it.
    pub(super) fn claim_transaction(&self, flight: &Arc<Flight>, uid: &str) {
        let transaction = self.transaction(flight.identity.owner, uid);
        flight.core().transactions.own_is_known = true;
        let mut table = self.table();
        table.recent.insert(transaction, ());
        for other in table.same_purchase(flight) {
            if other.facts().may_be_mistaken_for(flight.facts()) {
                other.core().transactions.take(uid);
            }
        }
    }

    /// True if a transaction is known to be another exchange's.
    pub(super) fn is_taken(&self, flight: &Flight, uid: &str) -> bool {
        let is_known = flight.core().transactions.is_taken(uid);
        let transaction = self.transaction(flight.identity.owner, uid);
        is_known || self.table().recent.get(&transaction).is_some()
    }

    /// True if another exchange may have made the transaction that a search for this flight's finds:
    /// it looks the same from outside, was sent, and no answer told which is its own.
    pub(super) fn is_contested(&self, flight: &Arc<Flight>) -> bool {
        if flight.core().transactions.are_contested {
            return true;
        }
        let table = self.table();
        table.same_purchase(flight).any(|other| {
            other.facts().may_be_mistaken_for(flight.facts()) && other.may_have_untold_transaction()
        })
    }

    fn transaction(&self, owner: Owner, uid: &str) -> Common {
        self.hash_key.common("transaction", owner, [uid.as_bytes()])
    }
}
