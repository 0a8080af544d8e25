//! The numbers of one gateway and of one route, at hand: an exchange tells a dozen of them, and to look
//! one up in its family is to copy its labels.
use std::hash::Hash;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::lately::Lately;
use crate::polling::learning::learner::Learner;
use crate::polling::metrics::{At, Means, Metrics, Number, Numbers, On, QUANTILES};
use crate::polling::planning::plan::Expected;

/// One number of a family, looked up when it is told first.
#[derive(Debug)]
struct AtHand<Labels> {
    family: Numbers<Labels>,
    number: Option<Number>,
}

impl<Labels: Clone + Hash + Eq> AtHand<Labels> {
    fn of(family: &Numbers<Labels>) -> Self {
        Self {
            family: family.clone(),
            number: None,
        }
    }

    fn set(&mut self, labels: &Labels, value: f64) {
        let look_up = || self.family.get_or_create_owned(labels);
        self.number.get_or_insert_with(look_up).set(value);
    }

    /// Takes it out of its family until it is told again.
    fn forget(&mut self, labels: &Labels) {
        if self.number.take().is_some() {
            self.family.remove(labels);
        }
    }
}

/// Polls and delay.
#[derive(Debug)]
struct MeansAtHand {
    polls: AtHand<On>,
    delay: AtHand<On>,
}

impl MeansAtHand {
    fn of(means: &Means) -> Self {
        Self {
            polls: AtHand::of(&means.polls),
            delay: AtHand::of(&means.delay),
        }
    }

    fn set(&mut self, on: &On, means: Expected) {
        self.polls.set(on, means.polls);
        self.delay.set(on, means.delay);
    }

    fn forget(&mut self, on: &On) {
        self.polls.forget(on);
        self.delay.forget(on);
    }
}

/// The numbers of one route of a gateway.
#[derive(Debug)]
pub(super) struct OfRoute {
    on: On,
    over_limit: AtHand<On>,
    weight: AtHand<On>,
    quantiles: [AtHand<On>; QUANTILES.len()],
    expected: MeansAtHand,
    measured: MeansAtHand,
    least_delay: AtHand<On>,
}

impl OfRoute {
    /// How it is called.
    pub(super) const fn on(&self) -> &On {
        &self.on
    }

    /// What exchanges really brought lately.
    pub(super) fn measured(&mut self, lately: &Lately) {
        if let Some(means) = lately.means() {
            self.measured.set(&self.on, means);
        }
    }

    /// A plan was made.
    pub(super) fn planned(&mut self, learner: &Learner) {
        let (expected, limit) = (learner.expected(), learner.limit());
        self.over_limit.set(&self.on, expected.over(limit));
        self.weight.set(&self.on, learner.weight());
        self.expected.set(&self.on, expected);
        let (axis, law) = learner.law();
        for ((_, share), told) in QUANTILES.iter().zip(&mut self.quantiles) {
            match law.quantile(axis, *share) {
                Some(seconds) => told.set(&self.on, seconds),
                // It is beyond the longest hold, and no number tells that.
                None => told.forget(&self.on),
            }
        }
    }

    /// The least delay that the law allows with as many polls as were measured.
    pub(super) fn least_delay(&mut self, learner: &Learner, lately: &Lately) {
        if let Some(measured) = lately.means() {
            let least = learner.limit() / measured.polls;
            self.least_delay.set(&self.on, least);
        }
    }

    /// Forgets what the learned schedule tells.
    pub(super) fn forget_learned(&mut self) {
        let on = &self.on;
        for told in [
            &mut self.over_limit,
            &mut self.weight,
            &mut self.least_delay,
        ]
        .into_iter()
        .chain(&mut self.quantiles)
        {
            told.forget(on);
        }
        self.expected.forget(on);
    }
}

/// The numbers of one gateway.
#[derive(Debug)]
pub(super) struct OfGateway {
    metrics: Metrics,
    at: At,
    deferred: Family<At, Counter>,
}

impl OfGateway {
    pub(super) fn new(metrics: &Metrics, gateway: &str) -> Self {
        Self {
            at: At {
                gateway: gateway.to_owned(),
            },
            deferred: metrics.deferred.clone(),
            metrics: metrics.clone(),
        }
    }

    /// The numbers of one of its routes.
    pub(super) fn of_route(&self, route: &str) -> OfRoute {
        let metrics = &self.metrics;
        OfRoute {
            on: On {
                gateway: self.at.gateway.clone(),
                route: route.to_owned(),
            },
            over_limit: AtHand::of(&metrics.over_limit),
            weight: AtHand::of(&metrics.learned_weight),
            quantiles: metrics.quantiles.each_ref().map(AtHand::of),
            expected: MeansAtHand::of(&metrics.expected),
            measured: MeansAtHand::of(&metrics.measured),
            least_delay: AtHand::of(&metrics.least_delay),
        }
    }

    /// It has a budget: from now on the polls that wait for their turn are told, as zero too.
    pub(super) fn bounded(&self) {
        drop(self.deferred.get_or_create(&self.at));
    }

    /// How it is called.
    pub(super) const fn at(&self) -> &At {
        &self.at
    }

    /// A poll has to wait for its turn.
    pub(super) fn deferred(&self) {
        self.deferred.get_or_create(&self.at).inc();
    }
}
