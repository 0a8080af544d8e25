//! The schedules of every gateway and route: whom an exchange asks for its own, and tells how long
//! its task took.
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::budget::Budget;
use super::config::{Config, ScheduleKind};
use super::learner::{Learner, Rules};
use super::metrics::Metrics;
use super::schedule::Schedule;
use crate::timing::Moment;

/// The schedules of the process. Clones share what is learned.
#[derive(Clone, Debug)]
pub struct Schedules(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: Config,
    horizon: Duration,
    metrics: Metrics,
    /// Held for a look-up, or for the making of a plan, which takes well under a millisecond.
    gateways: Mutex<BTreeMap<Box<str>, Gateway>>,
}

#[derive(Debug)]
struct Gateway {
    budget: Budget,
    routes: BTreeMap<Box<str>, Learner>,
}

/// How an exchange's task went, as its polls tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Took {
    /// It was not done when the last poll was sent that was answered "running", or when it was
    /// accepted.
    pub after: Duration,
    /// It was done when this poll was sent; `None` if it was never seen done.
    pub by: Option<Duration>,
    /// Polls that were answered "running".
    pub pending: u32,
}

impl Schedules {
    /// The schedules of a configuration, for clients that wait as long as `hold`.
    pub fn new(config: Config, hold: Duration, metrics: Metrics) -> Self {
        Self(Arc::new(Shared {
            config,
            horizon: hold,
            metrics,
            gateways: Mutex::default(),
        }))
    }

    /// The schedule of one exchange of a gateway and a route.
    pub fn of(&self, gateway: &str, route: &str) -> Schedule {
        match self.0.config.schedule {
            ScheduleKind::Fixed => Schedule::fixed(&self.0.config),
            ScheduleKind::Exponential => Schedule::exponential(&self.0.config),
            ScheduleKind::Learned => Schedule::Planned {
                steps: self.with_learner(gateway, route, |learner, _| learner.steps()),
                longest: self.0.config.max_interval,
            },
        }
    }

    /// Takes what an exchange tells.
    pub fn learn(&self, gateway: &str, route: &str, took: Took) {
        let Took { after, by, pending } = took;
        match self.0.config.schedule {
            // What a fixed schedule finds is late by half of its last wait, on average.
            ScheduleKind::Fixed | ScheduleKind::Exponential => {
                let delay = by.map(|by| by.saturating_sub(after) / 2);
                self.0.metrics.found(delay, pending);
            }
            ScheduleKind::Learned => self.with_learner(gateway, route, |learner, metrics| {
                metrics.found(by.map(|by| learner.delay(after, by)), pending);
                learner.observe(after, by);
                metrics.planned(gateway, route, learner);
            }),
        }
    }

    /// A poll is sent to a gateway.
    pub fn polled(&self, gateway: &str, now: Moment) {
        self.with_budget(gateway, |budget| budget.polled(now));
    }

    /// A gateway answered a poll with 429 or with a fault of its own.
    pub fn pushed_back(&self, gateway: &str, now: Moment) {
        self.with_budget(gateway, |budget| budget.pushed_back(now));
    }

    fn with_budget(&self, name: &str, change: impl FnOnce(&mut Budget)) {
        if self.0.config.schedule != ScheduleKind::Learned {
            return;
        }
        let mut gateways = self.gateways();
        let budget = &mut self.gateway(&mut gateways, name).budget;
        change(budget);
        let price = budget.price(self.0.config.price);
        self.0.metrics.priced(name, price, budget.used());
    }

    fn with_learner<T>(
        &self,
        gateway: &str,
        route: &str,
        change: impl FnOnce(&mut Learner, &Metrics) -> T,
    ) -> T {
        let mut gateways = self.gateways();
        let gateway = self.gateway(&mut gateways, gateway);
        let price = gateway.budget.price(self.0.config.price);
        let learner = gateway.routes.entry(route.into());
        let learner = learner.or_insert_with(|| Learner::new(self.rules()));
        learner.set_price(price);
        change(learner, &self.0.metrics)
    }

    fn gateway<'a>(
        &self,
        gateways: &'a mut BTreeMap<Box<str>, Gateway>,
        name: &str,
    ) -> &'a mut Gateway {
        gateways.entry(name.into()).or_insert_with(|| Gateway {
            budget: Budget::new(self.0.config.max_per_second),
            routes: BTreeMap::new(),
        })
    }

    fn rules(&self) -> Rules {
        let config = &self.0.config;
        Rules {
            price: config.price,
            min_interval: config.min_interval,
            max_interval: config.max_interval,
            horizon: self.0.horizon,
        }
    }

    fn gateways(&self) -> MutexGuard<'_, BTreeMap<Box<str>, Gateway>> {
        let gateways = self.0.gateways.lock();
        gateways.unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(max_per_second: u32) -> Schedules {
        let config = Config {
            schedule: ScheduleKind::Learned,
            max_per_second,
            ..Config::default()
        };
        Schedules::new(config, Duration::from_mins(5), Metrics::default())
    }

    /// Tasks of three seconds, found 100 ms late.
    const THREE_SECONDS: Took = Took {
        after: Duration::from_millis(2900),
        by: Some(Duration::from_millis(3100)),
        pending: 1,
    };

    fn first(schedule: &Schedule) -> Duration {
        match schedule {
            Schedule::Planned { steps, .. } => steps[0].at,
            Schedule::Fixed { .. } | Schedule::Exponential { .. } => panic!("no plan"),
        }
    }

    #[test]
    fn each_gateway_and_route_learns_for_itself() {
        let schedules = learned(0);
        for _ in 0..50 {
            schedules.learn("one", "payments", THREE_SECONDS);
        }
        // One in a hundred scouts; the next but one does not.
        schedules.of("one", "payments");
        assert!(first(&schedules.of("one", "payments")) > Duration::from_secs(2));
        for (gateway, route) in [("one", "refunds"), ("two", "payments")] {
            assert_eq!(first(&schedules.of(gateway, route)).as_millis(), 400);
        }
    }

    #[test]
    fn a_gateway_that_is_over_its_budget_is_polled_more_rarely() {
        let schedules = learned(1);
        for outcome in 0..50 {
            let took = Took {
                after: Duration::from_millis(100 * outcome),
                by: Some(Duration::from_millis(100 * outcome + 200)),
                pending: 1,
            };
            schedules.learn("one", "payments", took);
        }
        let steps = |schedules: &Schedules| match schedules.of("one", "payments") {
            Schedule::Planned { steps, .. } => steps.len(),
            Schedule::Fixed { .. } | Schedule::Exponential { .. } => panic!("no plan"),
        };
        let before = steps(&schedules);
        for poll in 0..1000 {
            let now = Moment::after_start(Duration::from_millis(10 * poll));
            schedules.polled("one", now);
        }
        assert!(steps(&schedules) * 3 < before * 2, "{before}");
    }
}
