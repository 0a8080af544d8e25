//! What polling costs and brings, for the operator.
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::lately::Lately;
use super::learner::Learner;
use super::plan::Expected;

type Numbers<Labels> = Family<Labels, Gauge<f64, AtomicU64>>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct At {
    gateway: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct On {
    gateway: String,
    route: String,
}

impl On {
    fn new(gateway: &str, route: &str) -> Self {
        Self {
            gateway: gateway.to_owned(),
            route: route.to_owned(),
        }
    }
}

/// The metrics of all gateways' polls. Clones count into the same numbers.
#[derive(Clone, Debug)]
pub struct Metrics {
    polls: Histogram,
    price: Numbers<On>,
    budget_used: Numbers<At>,
    deferred: Family<At, Counter>,
    over_limit: Numbers<On>,
    learned_weight: Numbers<On>,
    quantiles: [Numbers<On>; 3],
    expected: Means,
    measured: Means,
    least_delay: Numbers<On>,
}

/// Polls of an exchange, and how long its result waits.
#[derive(Clone, Debug, Default)]
struct Means {
    polls: Numbers<On>,
    delay: Numbers<On>,
}

impl Means {
    fn set(&self, on: &On, means: Expected) {
        self.polls.get_or_create(on).set(means.polls);
        self.delay.get_or_create(on).set(means.delay);
    }

    fn clear(&self) {
        self.polls.clear();
        self.delay.clear();
    }
}

/// The quantiles of a law that are told, by the middle of their names.
const QUANTILES: [(&str, f64); 3] = [("median", 0.5), ("p90", 0.9), ("p99", 0.99)];

impl Default for Metrics {
    fn default() -> Self {
        Self {
            polls: Histogram::new([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 12.0, 20.0, 50.0]),
            price: Family::default(),
            budget_used: Family::default(),
            deferred: Family::default(),
            over_limit: Family::default(),
            learned_weight: Family::default(),
            quantiles: Default::default(),
            expected: Means::default(),
            measured: Means::default(),
            least_delay: Family::default(),
        }
    }
}

impl Metrics {
    /// Registers every metric of this room.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "polls_per_exchange",
            "Polls of an exchange",
            self.polls.clone(),
        );
        let price = "What one poll is worth in delay now";
        registry.register_with_unit("polling_price", price, Unit::Seconds, self.price.clone());
        let used = "Share of the budget of polls that is used";
        registry.register("polling_budget_used", used, self.budget_used.clone());
        let deferred = "Polls that were due and waited for their turn";
        registry.register("polls_deferred", deferred, self.deferred.clone());
        let over = "Expected delay times polls, over the least that is possible";
        registry.register("polling_over_limit", over, self.over_limit.clone());
        let weight = "Exchanges that the learned law rests on, the older ones counting less";
        registry.register(
            "polling_learned_weight",
            weight,
            self.learned_weight.clone(),
        );
        for ((quantile, _), numbers) in QUANTILES.iter().zip(&self.quantiles) {
            let name = format!("polling_task_{quantile}");
            let help = format!("The {quantile} of the time that a task takes, as learned");
            registry.register_with_unit(name, help, Unit::Seconds, numbers.clone());
        }
        self.register_means(registry);
    }

    fn register_means(&self, registry: &mut Registry) {
        let of_plan = "by the learned plan, as expected";
        let lately = "mean over the latest exchanges";
        for (name, how, means) in [
            ("expected", of_plan, &self.expected),
            ("measured", lately, &self.measured),
        ] {
            let polls = format!("Polls of an exchange, {how}");
            registry.register(format!("polling_{name}_polls"), polls, means.polls.clone());
            let delay = format!("How long a result waits to be found, {how}");
            let name = format!("polling_{name}_delay");
            registry.register_with_unit(name, delay, Unit::Seconds, means.delay.clone());
        }
        let least =
            "The least delay that is possible by the law with as many polls as were measured";
        let name = "polling_least_delay";
        registry.register_with_unit(name, least, Unit::Seconds, self.least_delay.clone());
    }

    /// A result was found by the last of so many polls.
    pub(super) fn found(&self, gateway: &str, route: &str, polls: u32, lately: &Lately) {
        self.polls.observe(f64::from(polls));
        if let Some(means) = lately.means() {
            self.measured.set(&On::new(gateway, route), means);
        }
    }

    /// Forgets what is told of each gateway and route.
    pub(super) fn forget(&self) {
        self.price.clear();
        self.budget_used.clear();
        self.over_limit.clear();
        self.learned_weight.clear();
        for numbers in &self.quantiles {
            numbers.clear();
        }
        self.expected.clear();
        self.least_delay.clear();
    }

    /// A poll was sent, or pushed back, and so much of the budget is used.
    pub(super) fn polled(&self, gateway: &str, used: Option<f64>) {
        if let Some(used) = used {
            let at = At {
                gateway: gateway.to_owned(),
            };
            self.budget_used.get_or_create(&at).set(used);
            // It is told as zero too.
            drop(self.deferred.get_or_create(&at));
        }
    }

    /// A poll has to wait for its turn.
    pub(super) fn deferred(&self, gateway: &str) {
        let at = At {
            gateway: gateway.to_owned(),
        };
        self.deferred.get_or_create(&at).inc();
    }

    /// An exchange begins at the price in force.
    pub(super) fn priced(&self, gateway: &str, route: &str, learner: &Learner) {
        let price = self.price.get_or_create(&On::new(gateway, route));
        price.set(learner.price().as_secs_f64());
    }

    pub(super) fn planned(
        &self,
        gateway: &str,
        route: &str,
        learner: &Learner,
        measured: Option<Expected>,
    ) {
        let on = On::new(gateway, route);
        let set = |numbers: &Numbers<On>, value| {
            numbers.get_or_create(&on).set(value);
        };
        let (expected, limit) = (learner.expected(), learner.limit());
        set(&self.over_limit, expected.over(limit));
        set(&self.learned_weight, learner.weight());
        set(&self.price, learner.price().as_secs_f64());
        self.expected.set(&on, expected);
        let (axis, law) = learner.law();
        for ((_, share), numbers) in QUANTILES.iter().zip(&self.quantiles) {
            match law.quantile(axis, *share) {
                Some(seconds) => set(numbers, seconds),
                // It is beyond the longest hold, and no number tells that.
                None => drop(numbers.remove(&on)),
            }
        }
        if let Some(measured) = measured {
            set(&self.least_delay, limit / measured.polls);
        }
    }
}
