//! The flights: who may start one, who joins one, and what is told of those that ended.
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use super::admission::{Admission, Known, TaskAnswer};
use super::config::Config;
use super::context::{Context, Rules};
use super::flights::{Census, Flight};
use super::identity::{Credential, Fingerprint, HashKey, Owner};
use super::machine::Policy;
use super::metrics::Metrics;
use super::on_disk::Kept;
use super::order::Order;
use super::recorder::Recorder;
use crate::drain::Drain;
use crate::live::Live;
use crate::polling::{Schedules, Sketch};
use crate::protocol::RequestId;
use crate::results::Results;
use crate::timing::{Clock, Stamp, Stamps};

/// Every exchange of the process.
#[derive(Clone)]
pub struct Flights(pub(super) Arc<Context>);

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
    /// The same clock, for what outlives the process.
    pub stamps: Stamps,
    /// The process's end.
    pub drain: Drain,
    /// Where records go.
    pub recorder: Arc<dyn Recorder>,
    /// Where answers are kept.
    pub results: Arc<Results>,
    /// What is counted.
    pub metrics: Metrics,
    /// When polls are sent.
    pub schedules: Schedules,
}

impl Flights {
    /// No flights yet.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Context {
            rules: Live::new(Rules {
                config: parts.config,
                policy: Arc::new(parts.policy),
            }),
            hash_key: parts.hash_key,
            clock: parts.clock,
            stamps: parts.stamps,
            drain: parts.drain,
            recorder: parts.recorder,
            results: parts.results,
            metrics: parts.metrics,
            schedules: parts.schedules,
            table: Mutex::default(),
            next_waiter: AtomicU64::new(1),
        }))
    }

    /// Puts other bounds and rules in force for exchanges that begin from now on. A lower number of resubmits
    /// binds those that run as well: the operator no longer states what they began under.
    pub fn reconfigure(&self, config: Config, policy: Policy) {
        let most = policy.resubmits;
        let policy = Arc::new(policy);
        // An exchange takes the rules and enters the table in one turn, so that none is overlooked.
        let table = self.0.table();
        self.0.rules.replace(Rules { config, policy });
        table.lower_resubmits(most);
    }

    /// The present, as what happens to an exchange is stamped.
    pub fn now(&self) -> Stamp {
        self.0.stamps.now()
    }

    /// The key of every hash of what clients send.
    pub fn hash_key(&self) -> &HashKey {
        &self.0.hash_key
    }

    /// When their polls are sent, route by route, for the operator's eyes.
    pub fn sketches(&self) -> Vec<Sketch> {
        self.0.schedules.sketches(self.0.clock.now())
    }

    /// Takes a request in. What runs already is looked up before any limit is, so that the repeat
    /// of a running payment is never told that nothing was sent.
    pub fn request(&self, order: Order) -> Admission {
        self.0.admit(order)
    }

    /// True while there is anything that a repeat could join or be given.
    pub fn remembers(&self) -> bool {
        self.0.table().remembers()
    }

    /// What is known of a request of which little is at hand; `None` if it repeats nothing.
    pub fn known(&self, fingerprint: &Fingerprint, credential: Credential) -> Option<Known> {
        self.0.known(fingerprint, credential)
    }

    /// The answer to a task of a shop: kept for these credentials, or known to be on its way for whichever of
    /// the shop's.
    pub fn task(&self, owner: Owner, credential: Credential, id: &RequestId) -> TaskAnswer {
        let task = self.0.hash_key.task(owner, id.as_str());
        let asked = self.0.hash_key.asked(credential, task);
        let newest = {
            let table = self.0.table();
            let newest = table.remains.newest(&asked);
            // What waits for its client may be older than all that is remembered of those that ended.
            let waits = || table.by_task.get(&task)?.result_under(credential);
            newest.or_else(waits)
        };
        let kept = newest.and_then(|result| self.0.find_kept(&result));
        let but = newest.filter(|_| matches!(kept, Some(Kept::Here(_))));
        let is_awaited = {
            let table = self.0.table();
            let task = table.by_task.get(&task);
            task.is_some_and(|task| task.is_awaited(but))
        };
        match kept {
            Some(Kept::Here(_) | Kept::OnDisk(_)) | None if is_awaited => TaskAnswer::Running,
            Some(Kept::Here(answer)) => TaskAnswer::Kept(answer),
            Some(Kept::OnDisk(on_disk)) => TaskAnswer::OnDisk(on_disk),
            None => TaskAnswer::Unknown,
        }
    }

    /// How many flights run and how many are at rest (undelivered, in doubt or settled).
    pub fn count(&self) -> (usize, usize) {
        let tally = self.0.table().tally();
        (tally.running, tally.at_rest())
    }

    /// How much is remembered of flights: all of it goes with the last of them.
    pub fn census(&self) -> Census {
        self.0.table().census()
    }

    /// Every flight, for the operator's eyes.
    pub fn all(&self) -> Vec<Arc<Flight>> {
        self.0.table().flights()
    }
}
