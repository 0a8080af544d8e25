//! The one map of flights, and the small facts that outlive them.
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use uuid::Uuid;

use super::flight::{Answer, Flight};
use super::identity::{Credential, Digest, Fingerprint, Owner};
use super::index::Index;
use crate::results::ResultKey;
use crate::timing::Moment;

/// Transactions of finished exchanges that are remembered by themselves, for a lookup that starts
/// within the same second; a flight that overlaps another remembers the other's by its own.
const RECENT_TRANSACTIONS: usize = 65_536;

/// Every flight of the process, and the facts of those that ended.
#[derive(Default)]
pub(super) struct Table {
    pub(super) flights: HashMap<Fingerprint, Arc<Flight>>,
    pub(super) by_task: HashMap<ResultKey, Task>,
    pub(super) by_key: Index<Digest>,
    pub(super) by_facts: Index<Digest>,
    /// Equal requests that are wanted side by side, by what each asked for.
    pub(super) equals: Index<Fingerprint>,
    pub(super) owners: HashMap<Owner, usize>,
    pub(super) facts: Facts,
    pub(super) recent: Recent,
    /// Flights that wait for a client or an operator only.
    pub(super) at_rest: usize,
}

/// A task of the gateway, and the flights whose submit it answered.
#[derive(Default)]
pub(super) struct Task {
    pub(super) flights: Vec<Arc<Flight>>,
    /// True while one of them has a `GET` of it in flight: there is never a second.
    pub(super) polled: bool,
    /// The result that one of them read: it may be the only reading that there is.
    pub(super) answer: Option<Answer>,
}

/// What is remembered of a delivered exchange that had a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fact {
    pub(super) exchange: Uuid,
    pub(super) result: ResultKey,
    pub(super) expires_at: Moment,
}

type FactKey = (Fingerprint, Credential);

/// The facts, oldest first to expire: all are kept equally long.
#[derive(Default)]
pub(super) struct Facts {
    known: HashMap<FactKey, Fact>,
    order: VecDeque<(Moment, FactKey)>,
}

impl Facts {
    pub(super) fn insert(&mut self, key: FactKey, fact: Fact) {
        self.known.insert(key, fact);
        self.order.push_back((fact.expires_at, key));
    }

    pub(super) fn find(&self, key: &FactKey, now: Moment) -> Option<Fact> {
        self.known
            .get(key)
            .filter(|fact| now < fact.expires_at)
            .copied()
    }

    /// Forgets what has expired, and says how many are left.
    pub(super) fn purge(&mut self, now: Moment) -> usize {
        while let Some((_, key)) = self
            .order
            .pop_front_if(|(expires_at, _)| *expires_at <= now)
        {
            if self
                .known
                .get(&key)
                .is_some_and(|fact| fact.expires_at <= now)
            {
                self.known.remove(&key);
            }
        }
        self.order.len()
    }
}

/// A bounded set of the last transactions.
#[derive(Default)]
pub(super) struct Recent {
    known: HashSet<Digest>,
    order: VecDeque<Digest>,
}

impl Recent {
    pub(super) fn insert(&mut self, transaction: Digest) {
        if self.known.insert(transaction) {
            self.order.push_back(transaction);
        }
        if self.order.len() > RECENT_TRANSACTIONS
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    pub(super) fn contains(&self, transaction: &Digest) -> bool {
        self.known.contains(transaction)
    }
}

/// How much the map of flights holds, by what it is found by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Flights.
    pub flights: usize,
    /// Flights that wait for a client or an operator only.
    pub at_rest: usize,
    /// Tasks of the gateway that some flight waits for.
    pub tasks: usize,
    /// Keys that clients gave.
    pub keys: usize,
    /// Facts by which transactions are looked up.
    pub looks: usize,
    /// Requests that equal ones stand beside.
    pub equals: usize,
    /// Shops.
    pub owners: usize,
}

impl Table {
    pub(super) fn census(&self) -> Census {
        Census {
            flights: self.flights.len(),
            at_rest: self.at_rest,
            tasks: self.by_task.len(),
            keys: self.by_key.len(),
            looks: self.by_facts.len(),
            equals: self.equals.len(),
            owners: self.owners.len(),
        }
    }

    /// The flights that are not at rest.
    pub(super) fn running(&self) -> usize {
        self.flights.len().saturating_sub(self.at_rest)
    }

    pub(super) fn owned_by(&self, owner: Owner) -> usize {
        self.owners.get(&owner).copied().unwrap_or_default()
    }

    pub(super) fn disown(&mut self, owner: Owner) {
        if let Some(count) = self.owners.get_mut(&owner) {
            *count -= 1;
            if *count == 0 {
                self.owners.remove(&owner);
            }
        }
    }

    /// Puts a flight on a task's list.
    pub(super) fn enter_task(&mut self, task: ResultKey, flight: &Arc<Flight>) {
        let entry = self.by_task.entry(task).or_default();
        entry.flights.push(Arc::clone(flight));
    }

    /// Takes a flight off a task's list.
    pub(super) fn leave_task(&mut self, task: &ResultKey, flight: &Arc<Flight>) {
        if let Some(entry) = self.by_task.get_mut(task) {
            entry.flights.retain(|other| !Arc::ptr_eq(other, flight));
            if entry.flights.is_empty() && !entry.polled {
                self.by_task.remove(task);
            }
        }
    }
}
