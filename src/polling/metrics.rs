//! What polling costs and brings, for the operator.
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// One number.
pub(super) type Number = Gauge<f64, AtomicU64>;

/// The same number of each gateway or route.
pub(super) type Numbers<Labels> = Family<Labels, Number>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct At {
    pub(super) gateway: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct On {
    pub(super) gateway: String,
    pub(super) route: String,
}

/// The metrics of all gateways' polls. Clones count into the same numbers.
#[derive(Clone, Debug)]
pub struct Metrics {
    polls: Histogram,
    pub(super) deferred: Family<At, Counter>,
    pub(super) over_limit: Numbers<On>,
    pub(super) learned_weight: Numbers<On>,
    pub(super) quantiles: [Numbers<On>; QUANTILES.len()],
    pub(super) expected: Means,
    pub(super) measured: Means,
    pub(super) least_delay: Numbers<On>,
}

/// Polls of an exchange, and how long its result waits.
#[derive(Clone, Debug, Default)]
pub(super) struct Means {
    pub(super) polls: Numbers<On>,
    pub(super) delay: Numbers<On>,
}

/// The quantiles of a law that are told, by the middle of their names.
pub(super) const QUANTILES: [(&str, f64); 3] = [("median", 0.5), ("p90", 0.9), ("p99", 0.99)];

impl Default for Metrics {
    fn default() -> Self {
        Self {
            polls: Histogram::new([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 12.0, 20.0, 50.0]),
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
    /// Registers what is counted and told as it happens.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "polls_per_exchange",
            "Polls of an exchange",
            self.polls.clone(),
        );
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
    pub(super) fn found(&self, polls: u32) {
        self.polls.observe(f64::from(polls));
    }
}
