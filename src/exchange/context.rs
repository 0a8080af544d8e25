//! What every flight of the process shares.
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::config::Config;
use super::flights::{Answer, Flight, Table, TaskPlace, Told, Waiter};
use super::identity::HashKey;
use super::machine::{Outcome, Policy, Terms};
use super::metrics::Metrics;
use super::recorder::Recorder;
use crate::drain::Drain;
use crate::listener::Presence;
use crate::live::Live;
use crate::polling::{Schedules, Took};
use crate::protocol::{Operation, RequestId};
use crate::results::{ResultKey, Results};
use crate::timing::{Clock, Stamps};

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

    /// Keeps the counts of the flights true.
    pub(super) fn recount(&self, flight: &Flight) {
        let (before, counted) = {
            let core = flight.core();
            (core.counted_as, core.counts_as())
        };
        if before != counted {
            self.table().count_as(flight, counted);
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

    /// Where this flight's answer is kept: under its key and its task's id, or its own id where it has none.
    pub(super) fn result_key(&self, flight: &Flight, task: Option<&RequestId>) -> ResultKey {
        let (credential, key) = (flight.identity.credential, flight.key.value.as_bytes());
        let named = |name: &str| self.hash_key.result(credential, key, name);
        task.map_or_else(
            || named(&flight.id.to_string()),
            |task| named(task.as_str()),
        )
    }

    /// This flight's place at a task.
    pub(super) fn place_at(&self, flight: &Flight, id: &RequestId) -> TaskPlace {
        TaskPlace {
            task: self.hash_key.task(flight.identity.owner, id.as_str()),
            result: self.result_key(flight, Some(id)),
        }
    }
}
