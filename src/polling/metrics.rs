//! What polling costs and brings, for the operator.
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::learner::Learner;

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

/// The metrics of all gateways' polls. Clones count into the same numbers.
#[derive(Clone, Debug)]
pub struct Metrics {
    polls: Histogram,
    price: Numbers<On>,
    budget_used: Numbers<At>,
    over_limit: Numbers<On>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            polls: Histogram::new([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 12.0, 20.0, 50.0]),
            price: Family::default(),
            budget_used: Family::default(),
            over_limit: Family::default(),
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
        let over = "Expected delay times polls, over the least that is possible";
        registry.register("polling_over_limit", over, self.over_limit.clone());
    }

    /// An exchange's task was found done after so many polls that found it running.
    pub(super) fn found(&self, pending: u32) {
        self.polls.observe(f64::from(pending) + 1.0);
    }

    /// Forgets what is told of each gateway and route.
    pub(super) fn forget(&self) {
        self.price.clear();
        self.budget_used.clear();
        self.over_limit.clear();
    }

    /// A poll was sent, or pushed back, and so much of the budget is used.
    pub(super) fn polled(&self, gateway: &str, used: Option<f64>) {
        let at = At {
            gateway: gateway.to_owned(),
        };
        if let Some(used) = used {
            self.budget_used.get_or_create(&at).set(used);
        }
    }

    pub(super) fn planned(&self, gateway: &str, route: &str, learner: &Learner) {
        let on = On {
            gateway: gateway.to_owned(),
            route: route.to_owned(),
        };
        let expected = learner.expected();
        let over = expected.delay * expected.polls / learner.limit().max(f64::MIN_POSITIVE);
        self.over_limit.get_or_create(&on).set(over);
        let price = learner.price().as_secs_f64();
        self.price.get_or_create(&on).set(price);
    }
}
