//! What polling costs and brings, for the operator.
use std::sync::atomic::AtomicU64;
use std::time::Duration;

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
    delay: Histogram,
    polls: Histogram,
    price: Numbers<At>,
    budget_used: Numbers<At>,
    over_limit: Numbers<On>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            // From one step of the polling grid to the longest wait.
            delay: Histogram::new([0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 1.0, 2.5, 10.0]),
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
        let delay = "Estimated time between a result and the poll that found it";
        registry.register_with_unit("detection_delay", delay, Unit::Seconds, self.delay.clone());
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

    /// An exchange's task was found done, so late, after so many polls that found it running; or it
    /// was never found done.
    pub(super) fn found(&self, delay: Option<Duration>, pending: u32) {
        if let Some(delay) = delay {
            self.delay.observe(delay.as_secs_f64());
            self.polls.observe(f64::from(pending) + 1.0);
        }
    }

    pub(super) fn priced(&self, gateway: &str, price: Duration, used: Option<f64>) {
        let at = At {
            gateway: gateway.to_owned(),
        };
        self.price.get_or_create(&at).set(price.as_secs_f64());
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
    }
}
