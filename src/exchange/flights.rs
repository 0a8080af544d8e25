//! The flights: who may start one, who joins one, and what is told of those that ended.
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::admission::{Admission, Held, Refusal, TaskAnswer};
use super::config::Config;
use super::driver::supervise;
use super::flight::{Command, Flight, Join, Told, Waiter};
use super::identity::{Credential, Digest, Fingerprint, HashKey, Owner};
use super::machine::{Event, Joining, Machine, Policy, State};
use super::metrics::Metrics;
use super::order::{Key, Order};
use super::recorder::Recorder;
use super::table::{Census, Fact, Table};
use crate::drain::Drain;
use crate::protocol::{MatchFacts, RequestId};
use crate::results::{ResultKey, Results};
use crate::timing::{Clock, Moment};

/// Every exchange of the process.
#[derive(Clone)]
pub struct Flights(Arc<Context>);

/// What the flights share.
pub(super) struct Context {
    pub(super) config: Config,
    pub(super) policy: Policy,
    pub(super) hash_key: HashKey,
    pub(super) clock: Clock,
    pub(super) drain: Drain,
    pub(super) recorder: Arc<dyn Recorder>,
    pub(super) results: Arc<Results>,
    pub(super) metrics: Metrics,
    table: Mutex<Table>,
    next_waiter: AtomicU64,
}

/// What the flights are built from.
pub struct Parts {
    /// `[submit]`, `[coalesce]` and limits.
    pub config: Config,
    /// The machine's rules.
    pub policy: Policy,
    /// The key of every hash.
    pub hash_key: HashKey,
    /// The process's clock.
    pub clock: Clock,
    /// The process's end.
    pub drain: Drain,
    /// Where records go.
    pub recorder: Arc<dyn Recorder>,
    /// Where answers are kept.
    pub results: Arc<Results>,
    /// What is counted.
    pub metrics: Metrics,
}

impl Flights {
    /// No flights yet.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Context {
            config: parts.config,
            policy: parts.policy,
            hash_key: parts.hash_key,
            clock: parts.clock,
            drain: parts.drain,
            recorder: parts.recorder,
            results: parts.results,
            metrics: parts.metrics,
            table: Mutex::default(),
            next_waiter: AtomicU64::new(1),
        }))
    }

    /// The key of every hash of what clients send.
    pub fn hash_key(&self) -> &HashKey {
        &self.0.hash_key
    }

    /// Takes a request in. What runs already is looked up before any limit is, so that the repeat
    /// of a running payment is never told that nothing was sent.
    pub fn request(&self, order: Order) -> Admission {
        let context = &self.0;
        let now = context.clock.now();
        let mut table = context.table();
        let fingerprint = context.free_place(&table, &order);
        let identity = super::order::Identity {
            fingerprint,
            ..order.identity
        };
        if let Some(fact) = table.facts.find(&(fingerprint, identity.credential), now) {
            drop(table);
            return context.ended(fact, now);
        }
        if let Some(flight) = table.flights.get(&fingerprint) {
            if flight.identity.credential != identity.credential {
                return Admission::OtherSecret;
            }
            let flight = Arc::clone(flight);
            return context.join(flight, order);
        }
        if let Err(refusal) = context.may_start(&mut table, &order, now) {
            context.metrics.refused(refusal);
            return Admission::Refused(refusal);
        }
        let asked_as = order.identity.fingerprint;
        context.start(&mut table, Order { identity, ..order }, asked_as)
    }

    /// The answer to a task, for these credentials: kept, or known to be on its way.
    pub fn task(&self, credential: Credential, id: &RequestId) -> TaskAnswer {
        let key = self.0.hash_key.result(credential, id.as_str());
        if let Some(answer) = self.0.results.find(&key, self.0.clock.now()) {
            return TaskAnswer::Kept(answer);
        }
        let runs = self
            .0
            .table()
            .by_task
            .get(&key)
            .is_some_and(|task| !task.flights.is_empty());
        if runs {
            TaskAnswer::Running
        } else {
            TaskAnswer::Unknown
        }
    }

    /// Tells every flight that the process stops; nothing goes on after `until`.
    pub fn begin_drain(&self, until: Moment) {
        for flight in self.0.all() {
            flight
                .mailbox
                .post(Command::Event(Box::new(Event::Draining { until })));
        }
    }

    /// Lets every waiter go and ends every flight. Returns those that had not ended.
    pub fn stop(&self) -> Vec<Arc<Flight>> {
        let flights = self.0.all();
        for flight in &flights {
            flight.mailbox.post(Command::Stop);
        }
        flights
    }

    /// How many flights run and how many are at rest (undelivered or in doubt).
    pub fn count(&self) -> (usize, usize) {
        let table = self.0.table();
        (table.running(), table.at_rest)
    }

    /// How much is remembered of flights: all of it goes with the last of them.
    pub fn census(&self) -> Census {
        self.0.table().census()
    }

    /// Sets the gauges to what is true now.
    pub fn observe(&self) {
        let now = self.0.clock.now();
        let (mut running, mut undelivered, mut in_doubt) = (0, 0, 0);
        let mut oldest = now;
        for flight in self.0.all() {
            match flight.state() {
                State::Undelivered => undelivered += 1,
                State::Doubtful => in_doubt += 1,
                State::Recording(_)
                | State::Connecting
                | State::Submitting
                | State::Waiting
                | State::Polling
                | State::Asking
                | State::Delivered
                | State::Ended => {
                    running += 1;
                    oldest = oldest.min(flight.read_at());
                }
            }
        }
        self.0
            .metrics
            .observe(running, undelivered, in_doubt, now.since(oldest));
    }

    /// Every flight, for the operator's eyes.
    pub fn all(&self) -> Vec<Arc<Flight>> {
        self.0.all()
    }
}

impl Context {
    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all(&self) -> Vec<Arc<Flight>> {
        self.table().flights.values().cloned().collect()
    }

    /// The fingerprint under which the request is found or starts. A merchant that wants equal
    /// transactions side by side (`duplicate_check: false`) joins only where the earlier requester
    /// has gone; otherwise its request stands beside. The gone ones come before a free place: theirs
    /// may be the request that is repeated.
    fn free_place(&self, table: &Table, order: &Order) -> Fingerprint {
        let first = order.identity.fingerprint;
        if !stands_beside(&order.key, &order.facts) {
            return first;
        }
        let mut equals = table.equals.of(&first).iter();
        if let Some(left) = equals.find(|flight| !flight.has_live_waiter()) {
            return left.identity.fingerprint;
        }
        let beside = (1..=u32::MAX).map(|number| self.hash_key.beside(first, number));
        let mut places = std::iter::once(first).chain(beside);
        places
            .find(|fingerprint| !table.flights.contains_key(fingerprint))
            .unwrap_or(first)
    }

    fn ended(&self, fact: Fact, now: Moment) -> Admission {
        match self.results.find(&fact.result, now) {
            Some(answer) => {
                self.metrics.replayed();
                Admission::Kept {
                    exchange: fact.exchange,
                    answer,
                }
            }
            None => Admission::Spent {
                exchange: fact.exchange,
            },
        }
    }

    fn join(&self, flight: Arc<Flight>, order: Order) -> Admission {
        let (waiter, told) = self.waiter();
        let number = waiter.number;
        self.metrics.joined();
        flight.mailbox.post(Command::Join(Box::new(Join {
            waiter,
            hold_until: order.hold_until,
            submission: order.submission.clone(),
            credentials: order.credentials.clone(),
        })));
        let again = Some(Box::new(order));
        Admission::Held(Held {
            flight,
            waiter: number,
            joined: true,
            again,
            told,
        })
    }

    fn waiter(&self) -> (Waiter, oneshot::Receiver<Told>) {
        let (tell, told) = oneshot::channel();
        let number = self.next_waiter.fetch_add(1, Ordering::Relaxed);
        (Waiter { number, tell }, told)
    }

    fn may_start(&self, table: &mut Table, order: &Order, now: Moment) -> Result<(), Refusal> {
        let limits = &self.config;
        if self.drain.is_draining() {
            Err(Refusal::Draining)
        } else if !order.has_place {
            Err(Refusal::Held)
        } else if table.running() >= limits.running {
            Err(Refusal::Running)
        } else if table.at_rest >= limits.undelivered {
            Err(Refusal::Undelivered)
        } else if table.owned_by(order.identity.owner) >= limits.per_owner {
            Err(Refusal::Owner)
        } else if order.key.explicit && table.facts.purge(now) >= limits.facts {
            Err(Refusal::Facts)
        } else {
            Ok(())
        }
    }

    fn start(
        self: &Arc<Self>,
        table: &mut Table,
        order: Order,
        asked_as: Fingerprint,
    ) -> Admission {
        let (waiter, told) = self.waiter();
        let number = waiter.number;
        let (machine, first) = Machine::start(
            self.policy,
            order.key.explicit,
            order.facts.tracking_id.is_some(),
            order.read_at,
            Joining {
                hold_until: order.hold_until,
            },
            fastrand::u64(..),
        );
        let flight = Arc::new(Flight::new(
            order.gateway,
            order.conversion,
            order.identity,
            asked_as,
            order.key,
            order.facts,
            order.read_at,
            machine,
            waiter,
        ));
        self.enter(table, &flight);
        self.drain.spawn(supervise(
            Arc::clone(self),
            Arc::clone(&flight),
            first,
            order.submission,
            order.credentials,
        ));
        Admission::Held(Held {
            flight,
            waiter: number,
            joined: false,
            again: None,
            told,
        })
    }

    /// Puts a flight into the map and the indices, and tells those that it has something in common with.
    fn enter(&self, table: &mut Table, flight: &Arc<Flight>) {
        let identity = flight.identity;
        table
            .flights
            .insert(identity.fingerprint, Arc::clone(flight));
        *table.owners.entry(identity.owner).or_default() += 1;
        if stands_beside(&flight.key, &flight.facts) {
            table.equals.insert(flight.asked_as, flight);
        }
        if let Some(key) = self.shared_key(flight) {
            let others = table.by_key.insert(key, flight);
            for sharing in others.iter().chain((!others.is_empty()).then_some(flight)) {
                sharing
                    .mailbox
                    .post(Command::Event(Box::new(Event::KeyShared)));
            }
        }
        if let Some(facts) = self.common_facts(identity.owner, &flight.facts)
            && !table.by_facts.insert(facts, flight).is_empty()
        {
            self.metrics.overlapping();
        }
    }

    /// Takes an ended flight out, if nobody has posted to it since. What its repeat needs stays.
    pub(super) fn retire(&self, flight: &Arc<Flight>, now: Moment) -> bool {
        let mut table = self.table();
        if !flight.mailbox.is_empty() {
            return false;
        }
        let (state, result) = {
            let core = flight.core();
            (core.machine.state(), core.result_key)
        };
        self.leave(&mut table, flight);
        let Some(result) = result else { return true };
        if state != State::Delivered {
            self.results.forget(&result);
            return true;
        }
        if flight.key.explicit && !flight.is_unfinished() {
            let expires_at = flight.read_at + self.policy.retention;
            let fact = Fact {
                exchange: flight.id,
                result,
                expires_at,
            };
            let key = (flight.identity.fingerprint, flight.identity.credential);
            table.facts.insert(key, fact);
        }
        self.results.release(&result, now);
        true
    }

    /// Takes a flight out of the map and the indices.
    pub(super) fn leave(&self, table: &mut Table, flight: &Arc<Flight>) {
        let identity = flight.identity;
        table.flights.remove(&identity.fingerprint);
        table.disown(identity.owner);
        if std::mem::replace(&mut flight.core().rests, false) {
            table.at_rest -= 1;
        }
        if stands_beside(&flight.key, &flight.facts) {
            table.equals.remove(flight.asked_as, flight);
        }
        if let Some(key) = self.shared_key(flight) {
            table.by_key.remove(key, flight);
        }
        if let Some(facts) = self.common_facts(identity.owner, &flight.facts) {
            table.by_facts.remove(facts, flight);
        }
        if let Some(result) = flight.core().result_key {
            table.leave_task(&result, flight);
        }
    }

    /// Only a client can give two exchanges one key.
    fn shared_key(&self, flight: &Flight) -> Option<Digest> {
        let key = flight.key.value.as_bytes();
        let owner = flight.identity.owner;
        flight
            .key
            .explicit
            .then(|| self.hash_key.common("key", owner, [key]))
    }

    /// What two requests for what may be the same purchase have in common: tracking id and amount.
    fn common_facts(&self, owner: Owner, facts: &MatchFacts) -> Option<Digest> {
        let tracking_id = facts.tracking_id.as_deref()?.as_bytes();
        let amount = facts.amount.as_deref().unwrap_or_default().as_bytes();
        let kind = facts.transaction_type.as_bytes();
        Some(
            self.hash_key
                .common("facts", owner, [kind, tracking_id, amount]),
        )
    }

    fn transaction(&self, owner: Owner, uid: &str) -> Digest {
        self.hash_key.common("transaction", owner, [uid.as_bytes()])
    }

    /// Remembers that a transaction is this flight's, so that no other's lookup takes it.
    pub(super) fn claim_transaction(&self, flight: &Arc<Flight>, uid: &str) {
        let owner = flight.identity.owner;
        let mut table = self.table();
        table.recent.insert(self.transaction(owner, uid));
        let Some(facts) = self.common_facts(owner, &flight.facts) else {
            return;
        };
        for other in table.by_facts.others(&facts, flight) {
            other.core().taken.push(uid.into());
        }
    }

    /// True if a transaction is known to be another exchange's.
    pub(super) fn is_taken(&self, flight: &Flight, uid: &str) -> bool {
        let is_known = flight.core().taken.iter().any(|taken| **taken == *uid);
        let transaction = self.transaction(flight.identity.owner, uid);
        is_known || self.table().recent.contains(&transaction)
    }

    /// True if another exchange may have made the transaction that a search for this flight's finds:
    /// it looks the same from outside, was sent, and has no answer that would tell.
    pub(super) fn is_contested(&self, flight: &Arc<Flight>) -> bool {
        let Some(facts) = self.common_facts(flight.identity.owner, &flight.facts) else {
            return false;
        };
        let others = self.table().by_facts.others(&facts, flight);
        others.iter().any(|other| {
            other.facts.may_be_mistaken_for(&flight.facts)
                && other.may_have_been_sent()
                && !other.is_settled()
        })
    }

    /// Where this flight's answer is kept: under its task's id, or its own where there is no task.
    pub(super) fn result_key(&self, flight: &Flight, task: Option<&RequestId>) -> ResultKey {
        let own = flight.id.to_string();
        let name = task.map_or(own.as_str(), RequestId::as_str);
        self.hash_key.result(flight.identity.credential, name)
    }
}

/// True if equal requests are wanted side by side, each a transaction of its own.
const fn stands_beside(key: &Key, facts: &MatchFacts) -> bool {
    !key.explicit && facts.duplicates_wanted
}
