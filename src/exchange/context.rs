//! What every flight of the process shares, and how one leaves.
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::config::Config;
use super::flights::{Answer, Fact, Flight, Table, Told, Waiter};
use super::identity::{Common, HashKey, Owner};
use super::machine::{Outcome, Policy, State, Terms};
use super::metrics::Metrics;
use super::recorder::Recorder;
use super::telling::Ended;
use crate::drain::Drain;
use crate::listener::Presence;
use crate::live::Live;
use crate::polling::{Schedules, Took};
use crate::protocol::{LONGEST_UID, Operation, RequestId, Transaction};
use crate::results::{ResultKey, Results};
use crate::timing::{Clock, Moment, Stamps};

/// What a new flight begins with; it keeps that to its end.
pub(super) struct Rules {
    pub(super) config: Config,
    pub(super) policy: Arc<Policy>,
}

/// What the flights share.
pub(super) struct Context {
    pub(super) rules: Live<Rules>,
    pub(super) hash_key: HashKey,
    pub(super) clock: Clock,
    pub(super) stamps: Stamps,
    pub(super) drain: Drain,
    pub(super) recorder: Arc<dyn Recorder>,
    pub(super) results: Arc<Results>,
    pub(super) metrics: Metrics,
    pub(super) schedules: Schedules,
    pub(super) table: Mutex<Table>,
    pub(super) next_waiter: AtomicU64,
}

impl Context {
    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a new exchange of this gateway and operation goes by.
    pub(super) fn terms(&self, gateway: &str, operation: Operation) -> Terms {
        Terms {
            policy: Arc::clone(&self.rules.now().policy),
            schedule: self
                .schedules
                .of(gateway, operation.name(), self.clock.now()),
        }
    }

    /// A place for one more request to wait, and where it hears.
    pub(super) fn waiter(&self, client: Presence) -> (Waiter, oneshot::Receiver<Told>) {
        let (tell, told) = oneshot::channel();
        let number = self.next_waiter.fetch_add(1, Ordering::Relaxed);
        let waiter = Waiter {
            number,
            tell,
            client,
        };
        (waiter, told)
    }

    /// Takes an ended flight out, if nobody has posted to it since. What its repeat needs stays.
    pub(super) fn retire(&self, flight: &Arc<Flight>, now: Moment) -> bool {
        let mut table = self.table();
        if !flight.mailbox.is_empty() {
            return false;
        }
        let (state, result, place) = {
            let core = flight.core();
            let place = core.answer_step.map(|step| flight.place(step));
            (core.machine.state(), core.result_key, place)
        };
        table.leave(flight);
        if flight.may_have_untold_transaction() {
            table.leave_untold(flight, now);
        }
        table.remember(Ended::of(flight));
        let Some(result) = result else { return true };
        // The answer of a task that others have too stays for them.
        let is_shared = table.by_task.contains_key(&result);
        if state != State::Delivered {
            if !is_shared {
                self.results.forget(&result);
            }
            return true;
        }
        let expires_at = flight.remembered_since + self.rules.now().policy.retention;
        let fact = Fact::new(flight.id, result, place, expires_at);
        if let Some(on_disk) = fact.on_disk() {
            table.reads.insert(on_disk);
        }
        if flight.key.explicit {
            let identity = flight.identity;
            let name = self
                .hash_key
                .fact(identity.fingerprint, identity.credential);
            table.facts.insert(name, fact);
        }
        if !is_shared {
            self.results.release(&result, now);
        }
        true
    }

    /// Keeps the counts of the flights that run and of those that are at rest.
    pub(super) fn note_rest(&self, flight: &Flight) {
        let rests = flight.is_at_rest();
        if flight.core().rests != rests {
            self.table().set_rest(flight, rests);
        }
    }

    /// Learns how long the gateway took, where the exchange's polls know.
    pub(super) fn learn_duration(&self, flight: &Flight, outcome: &Outcome<Answer>) {
        match outcome {
            Outcome::Completed(_) | Outcome::Expired => {}
            Outcome::Refused(_) | Outcome::NotSubmitted(_) | Outcome::InDoubt(_) => return,
        }
        let (watch, pending, mark) = {
            let core = flight.core();
            let machine = &core.machine;
            (*machine.watch(), machine.pending(), machine.mark())
        };
        if let Some((after, by)) = watch.took() {
            let took = Took {
                after,
                by,
                pending,
                mark,
            };
            let route = flight.conversion.operation.name();
            self.schedules.learn(flight.gateway_name(), route, took);
        }
    }

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
        table.recent.insert(transaction);
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
        is_known || self.table().recent.contains(&transaction)
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

    /// Where this flight's answer is kept: under its task's id, or its own where there is no task.
    pub(super) fn result_key(&self, flight: &Flight, task: Option<&RequestId>) -> ResultKey {
        let key = |name: &str| self.hash_key.result(flight.identity.credential, name);
        task.map_or_else(|| key(&flight.id.to_string()), |task| key(task.as_str()))
    }
}
