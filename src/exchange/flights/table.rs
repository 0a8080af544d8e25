//! The one map of flights, and the small facts that outlive them.
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::command::Command;
use super::facts::Remains;
use super::flight::{Answer, Flight};
use super::index::Index;
use super::rivals::{CLOCK_SKEW, Rivals};
use super::task::{Task, TaskName, TaskPlace};
use crate::exchange::identity::{Common, Credential, Fingerprint, Owner};
use crate::exchange::machine::Event;
use crate::exchange::order::Identity;
use crate::exchange::telling::Ended;
use crate::results::{Bounded, KeyedMap};
use crate::timing::Moment;

/// Transactions of finished exchanges that are remembered by themselves, for a lookup that starts
/// within the same second; a flight that overlaps another remembers the other's by its own.
const RECENT_TRANSACTIONS: usize = 65_536;

/// Exchanges that ended of which every step is remembered: about half a kilobyte each. What a client
/// asks about was mostly a moment ago, and the journal has the rest.
const MOST_ENDED: usize = 256;

/// Every flight of the process, and what stays of those that ended.
#[derive(Default)]
pub(in crate::exchange) struct Table {
    flights: KeyedMap<Fingerprint, Arc<Flight>>,
    pub(in crate::exchange) by_task: KeyedMap<TaskName, Task>,
    by_key: Index<Common>,
    by_purchase: Index<Common>,
    by_request: Index<Fingerprint>,
    owners: KeyedMap<Owner, Tally>,
    pub(in crate::exchange) remains: Remains,
    /// The transactions of the last exchanges that told one.
    pub(in crate::exchange) recent: Bounded<Common, (), RECENT_TRANSACTIONS>,
    /// Those that ended and told no transaction.
    pub(in crate::exchange) rivals: Rivals,
    /// What happened to the last that ended, the oldest first.
    pub(in crate::exchange) ended: VecDeque<Ended>,
    /// How many flights there are.
    tally: Tally,
}

/// What a flight counts as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::exchange) enum Counted {
    /// It runs.
    #[default]
    Running,
    /// It waits for a client or an operator only.
    Waiting,
    /// The operator has said that it was executed. No limit counts it: one that did would leave the operator
    /// no other way to let payments in than to say that it was not.
    Settled,
}

/// How many flights there are, of a shop or of all.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::exchange) struct Tally {
    pub(in crate::exchange) running: usize,
    pub(in crate::exchange) waiting: usize,
    settled: usize,
}

impl Tally {
    const fn of(&mut self, counted: Counted) -> &mut usize {
        match counted {
            Counted::Running => &mut self.running,
            Counted::Waiting => &mut self.waiting,
            Counted::Settled => &mut self.settled,
        }
    }

    /// The flights that do not run.
    pub(in crate::exchange) const fn at_rest(&self) -> usize {
        self.waiting + self.settled
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
    /// Puts a flight into the map and the indices, and tells those that stand on one key. True if another
    /// may be the same purchase.
    pub(in crate::exchange) fn enter(&mut self, flight: &Arc<Flight>) -> bool {
        let Identity {
            owner, fingerprint, ..
        } = flight.identity;
        self.flights.insert(fingerprint, Arc::clone(flight));
        self.owners.entry(owner).or_default();
        self.recount(owner, |tally| tally.running += 1);
        if let Some(asked) = flight.kin.beside {
            self.by_request.insert(asked, flight);
        }
        if let Some(key) = flight.kin.key {
            // Whoever was one of two or more has been told: any number may come on one key.
            let untold = match self.by_key.insert(key, flight) {
                [] | [_] => &[],
                both @ [_, _] => both,
                [.., newest] => std::slice::from_ref(newest),
            };
            for sharing in untold {
                let shared = Box::new(Event::KeyShared);
                sharing.mailbox.post(Command::Event(shared));
            }
        }
        flight.kin.purchase.is_some_and(|purchase| {
            // A search for what an earlier boot sent begins so much earlier.
            let skew = if flight.began.is_of_earlier_boot() {
                CLOCK_SKEW
            } else {
                Duration::ZERO
            };
            if self.rivals.has_after(&purchase, flight.read_at - skew) {
                flight.core().transactions.are_contested = true;
            }
            let all = self.by_purchase.insert(purchase, flight);
            // Wanted duplicates are equal to the byte, and no change of a request.
            let is_wanted = |it: &Arc<Flight>| {
                it.kin
                    .beside
                    .is_some_and(|its| Some(its) == flight.kin.beside)
            };
            all.iter().any(|it| it.id != flight.id && !is_wanted(it))
        })
    }

    /// Tells every flight whose submit might be repeated more often than so.
    pub(in crate::exchange) fn lower_resubmits(&self, most: u32) {
        let flights = self.flights.values();
        for flight in flights.filter(|it| it.core().machine.most_resubmits() > most) {
            let lowered = Box::new(Event::ResubmitsLowered { most });
            flight.mailbox.post(Command::Event(lowered));
        }
    }

    /// True while there is a flight, or a fact of one that ended.
    pub(in crate::exchange) fn remembers(&self) -> bool {
        !self.flights.is_empty() || self.remains.facts.len() > 0
    }

    /// Takes a flight out of the map and the indices.
    pub(in crate::exchange) fn leave(&mut self, flight: &Arc<Flight>) {
        self.flights.remove(&flight.identity.fingerprint);
        self.count_as(flight, Counted::Running);
        self.recount(flight.identity.owner, |tally| tally.running -= 1);
        if let Some(asked) = flight.kin.beside {
            self.by_request.remove(asked, flight);
        }
        if let Some(key) = flight.kin.key {
            self.by_key.remove(key, flight);
        }
        if let Some(purchase) = flight.kin.purchase {
            self.by_purchase.remove(purchase, flight);
        }
        let place = flight.core().place;
        if let Some(place) = place {
            self.leave_task(&place.task, flight);
        }
    }

    /// An exchange ends that may have made a transaction, and nobody knows which: no search of another
    /// that may be the same purchase takes anything.
    pub(in crate::exchange) fn leave_untold(&mut self, flight: &Arc<Flight>, now: Moment) {
        if let Some(purchase) = flight.kin.purchase {
            self.rivals.ended(purchase, now, now);
        }
        for other in self.same_purchase(flight) {
            other.core().transactions.are_contested = true;
        }
    }

    /// Remembers for a while what happened to one that ended.
    pub(in crate::exchange) fn remember(&mut self, ended: Ended) {
        if self.ended.len() >= MOST_ENDED {
            self.ended.pop_front();
        }
        self.ended.push_back(ended);
    }

    /// The flight of a request.
    pub(in crate::exchange) fn find(&self, fingerprint: &Fingerprint) -> Option<&Arc<Flight>> {
        self.flights.get(fingerprint)
    }

    /// Every flight.
    pub(in crate::exchange) fn flights(&self) -> Vec<Arc<Flight>> {
        self.flights.values().cloned().collect()
    }

    /// The flights of equal requests that are wanted side by side.
    pub(in crate::exchange) fn beside(&self, asked: &Fingerprint) -> &[Arc<Flight>] {
        self.by_request.of(asked)
    }

    /// One of these whose requesters have all gone: theirs may be the request that is repeated. One that was
    /// asked for with these credentials comes first: the repeat of another secret's request is given nothing.
    pub(in crate::exchange) fn left_beside(
        &self,
        asked: &Fingerprint,
        credential: Credential,
    ) -> Option<&Arc<Flight>> {
        let beside = self.beside(asked).iter();
        own_or_first(
            beside.filter(|flight| !flight.has_live_waiter()),
            credential,
        )
    }

    /// The other flights that may be the same purchase.
    pub(in crate::exchange) fn same_purchase(
        &self,
        flight: &Arc<Flight>,
    ) -> impl Iterator<Item = &Arc<Flight>> {
        let purchase = flight.kin.purchase.as_ref();
        purchase
            .into_iter()
            .flat_map(|purchase| self.by_purchase.others(purchase, flight))
    }

    pub(in crate::exchange) fn census(&self) -> Census {
        Census {
            flights: self.flights.len(),
            at_rest: self.tally.at_rest(),
            tasks: self.by_task.len(),
            keys: self.by_key.len(),
            looks: self.by_purchase.len(),
            equals: self.by_request.len(),
            owners: self.owners.len(),
        }
    }

    pub(in crate::exchange) const fn tally(&self) -> Tally {
        self.tally
    }

    pub(in crate::exchange) fn owned_by(&self, owner: Owner) -> Tally {
        self.owners.get(&owner).copied().unwrap_or_default()
    }

    /// Moves a flight to where it counts now.
    pub(in crate::exchange) fn count_as(&mut self, flight: &Flight, counted: Counted) {
        let before = std::mem::replace(&mut flight.core().counted_as, counted);
        self.recount(flight.identity.owner, |tally| {
            *tally.of(before) -= 1;
            *tally.of(counted) += 1;
        });
    }

    fn recount(&mut self, owner: Owner, change: impl Fn(&mut Tally)) {
        change(&mut self.tally);
        if let Some(owned) = self.owners.get_mut(&owner) {
            change(owned);
            if owned.running + owned.at_rest() == 0 {
                self.owners.remove(&owner);
            }
        }
    }

    /// True while a poll of the flight's task is under way, or its result on the way to all who share it.
    pub(in crate::exchange) fn is_being_read(&self, place: TaskPlace) -> bool {
        let task = self.by_task.get(&place.task);
        task.is_some_and(|task| task.is_being_read(&place.result))
    }

    /// The task's result, where it was read for the flight of this place.
    pub(in crate::exchange) fn answer_of(&self, place: TaskPlace) -> Option<Answer> {
        self.by_task.get(&place.task)?.answer(&place.result)
    }

    /// True while the answer at this place is another flight's too.
    pub(in crate::exchange) fn is_shared(&self, place: TaskPlace) -> bool {
        let task = self.by_task.get(&place.task);
        task.is_some_and(|task| task.is_kept_at(&place.result))
    }

    /// Puts a flight on its task's list.
    pub(in crate::exchange) fn enter_task(&mut self, place: TaskPlace, flight: &Arc<Flight>) {
        let task = self.by_task.entry(place.task).or_default();
        task.enter(flight, place.result);
    }

    /// Takes a flight off a task's list.
    pub(in crate::exchange) fn leave_task(&mut self, task: &TaskName, flight: &Arc<Flight>) {
        if let Some(entry) = self.by_task.get_mut(task) {
            entry.leave(flight);
            self.forget_idle(task);
        }
    }

    /// Forgets a task that nobody needs.
    pub(in crate::exchange) fn forget_idle(&mut self, task: &TaskName) {
        if self.by_task.get(task).is_some_and(Task::is_idle) {
            self.by_task.remove(task);
        }
    }
}

/// The first flight that was asked for with these credentials, or the first of all.
pub(in crate::exchange) fn own_or_first<'a>(
    mut flights: impl Iterator<Item = &'a Arc<Flight>> + Clone,
    credential: Credential,
) -> Option<&'a Arc<Flight>> {
    let first = flights.clone().next();
    let own = flights.find(|flight| flight.identity.credential == credential);
    own.or(first)
}

#[cfg(test)]
pub(in crate::exchange) mod tests {
    use http::{HeaderValue, Method};
    use uuid::Uuid;

    use super::super::began::Began;
    use super::super::flight::Subject;
    use super::super::kin::Kin;
    use super::*;
    use crate::exchange::gateway::Home;
    use crate::exchange::identity::HashKey;
    use crate::exchange::machine::{Machine, begun, terms};
    use crate::exchange::order::Key;
    use crate::journal::Number;
    use crate::protocol::{BEGATEWAY, MatchFacts, Route};
    use crate::timing::Stamp;

    /// A flight of a request of its own, under the only key.
    pub(in crate::exchange) fn flight(number: u64) -> Arc<Flight> {
        let path = "/transactions/payments";
        let Route::Converted(conversion) = BEGATEWAY.route(&Method::POST, path) else {
            panic!("a payment converts");
        };
        let mut fingerprint = [0; 32];
        fingerprint[..8].copy_from_slice(&number.to_be_bytes());
        let identity = Identity {
            owner: Owner::of_bytes([1; 32]),
            credential: Credential::of_bytes([2; 32]),
            fingerprint: Fingerprint::of_bytes(fingerprint),
        };
        let key = Key {
            value: HeaderValue::from_static("key"),
            explicit: true,
        };
        let (facts, now) = (MatchFacts::default(), Moment::START);
        let (machine, _) = Machine::start(terms(0), begun(true, false, now), 0);
        let subject = Subject {
            id: Uuid::nil(),
            number: Number(number),
            home: Home::Gone("one".into()),
            conversion,
            identity,
            kin: Kin::of(&HashKey::from([7; 32]), identity, &key, &facts),
            key,
            facts,
            read_at: now,
            reading: Duration::ZERO,
            remembered_since: now,
            began: Began::here(Stamp::of_this_system()),
        };
        Arc::new(Flight::new(subject, machine, None))
    }

    /// How often it was told that its key is shared, since this was asked last.
    fn told(flight: &Flight) -> usize {
        std::iter::from_fn(|| flight.mailbox.take()).count()
    }

    #[test]
    fn a_key_of_many_flights_is_told_to_each_of_them_once() {
        let mut table = Table::default();
        let flights: Vec<_> = (0..1000).map(flight).collect();
        for flight in &flights {
            table.enter(flight);
        }
        assert!(flights.iter().all(|flight| told(flight) == 1));
        // One that was alone in between has known it all the time.
        let (last, others) = flights.split_last().unwrap();
        for other in others {
            table.leave(other);
        }
        let newest = flight(1000);
        table.enter(&newest);
        assert_eq!((told(last), told(&newest)), (1, 1));
    }
}
