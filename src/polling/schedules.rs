//! The schedules of every gateway and route: whom an exchange asks for its own, and tells how long
//! its task took.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use super::budget::Budget;
use super::config::{Config, ScheduleKind};
use super::kept::{self, Kept, KeptError};
use super::lately::Lately;
use super::learner::{Learner, Rules};
use super::metrics::Metrics;
use super::plan::Expected;
use super::queue::{Place, Queue, Turn};
use super::schedule::Schedule;
use super::sketch::Sketch;
use crate::timing::Moment;

/// The schedules of the process. Clones share what is learned.
#[derive(Clone, Debug)]
pub struct Schedules(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    metrics: Metrics,
    /// Held for a look-up, or for the making of plans, each of which takes well under a millisecond.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    config: Config,
    horizon: Duration,
    gateways: BTreeMap<Box<str>, Gateway>,
    /// True if something was learned since all of it was last told.
    is_untold: bool,
}

#[derive(Debug)]
struct Gateway {
    budget: Budget,
    queue: Queue,
    routes: BTreeMap<Box<str>, Learner>,
    /// What polls really brought, by route.
    lately: BTreeMap<Box<str>, Lately>,
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
        let state = State {
            config,
            horizon: hold,
            gateways: BTreeMap::new(),
            is_untold: false,
        };
        Self(Arc::new(Shared {
            metrics,
            state: Mutex::new(state),
        }))
    }

    /// Puts other rules in force for exchanges that begin from now on. What was learned stays, also
    /// while nothing is asked of it.
    pub fn reconfigure(&self, config: Config, hold: Duration) {
        let mut state = self.state();
        if state.config == config && state.horizon == hold {
            return;
        }
        (state.config, state.horizon) = (config, hold);
        let limit = state.config.max_per_second;
        let rules = state.rules();
        for gateway in state.gateways.values_mut() {
            gateway.budget.limit(limit);
            gateway.queue.limit(limit);
            let price = gateway.budget.price(rules.price);
            for learner in gateway.routes.values_mut() {
                learner.follow(rules, price);
            }
        }
        // What no longer is in force would stand there as if it were; the rest is told again soon.
        self.0.metrics.forget();
    }

    /// The schedule of one exchange of a gateway and a route, which begins now.
    pub fn of(&self, gateway: &str, route: &str, now: Moment) -> Schedule {
        let mut state = self.state();
        match state.config.schedule {
            ScheduleKind::Fixed => Schedule::fixed(&state.config),
            ScheduleKind::Exponential => Schedule::exponential(&state.config),
            ScheduleKind::Learned => {
                state.gateway(gateway).budget.pass(now);
                let learner = state.learner(gateway, route);
                let steps = learner.steps();
                self.0.metrics.priced(gateway, route, learner);
                Schedule::Planned {
                    steps,
                    longest: state.config.max_interval,
                }
            }
        }
    }

    /// Takes what an exchange tells.
    pub fn learn(&self, gateway: &str, route: &str, took: Took) {
        let Took { after, by, pending } = took;
        let mut state = self.state();
        if let Some(by) = by {
            let (waited, polls) = (
                state.delay(gateway, route, after, by),
                pending.saturating_add(1),
            );
            let lately = &mut state.gateway(gateway).lately;
            let lately = lately.entry(route.into()).or_default();
            lately.found(polls, waited);
            self.0.metrics.found(gateway, route, polls, lately);
        }
        match state.config.schedule {
            ScheduleKind::Fixed | ScheduleKind::Exponential => {}
            ScheduleKind::Learned => {
                let measured = state.measured(gateway, route);
                let learner = state.learner(gateway, route);
                learner.observe(after, by);
                self.0.metrics.planned(gateway, route, learner, measured);
                state.is_untold = true;
            }
        }
    }

    /// What was learned as bytes, for [`Schedules::restore`]; `None` if nothing was since the last
    /// time.
    pub fn learned(&self) -> Option<Vec<u8>> {
        let mut state = self.state();
        if !std::mem::take(&mut state.is_untold) {
            return None;
        }
        let gateways = state.gateways.iter();
        let learners = gateways.flat_map(|(name, gateway)| {
            let routes = gateway.routes.iter();
            routes.map(move |(route, learner)| (name, route, learner))
        });
        let all: Vec<Kept> = learners
            .map(|(gateway, route, learner)| Kept {
                gateway: gateway.clone(),
                route: route.clone(),
                horizon: learner.horizon(),
                outcomes: learner.outcomes().iter().collect(),
            })
            .collect();
        Some(kept::encode(&all))
    }

    /// What was learned was not kept after all: it is to be told again.
    pub fn not_kept(&self) {
        self.state().is_untold = true;
    }

    /// Takes what an earlier process learned of the gateways and routes that are `known`; tells of how
    /// many. Nothing is taken of bytes that are damaged or another's.
    pub fn restore(
        &self,
        bytes: &[u8],
        known: impl Fn(&str, &str) -> bool,
    ) -> Result<usize, KeptError> {
        let all = kept::decode(bytes)?.into_iter();
        let known = all.filter(|kept| known(&kept.gateway, &kept.route));
        // Whoever may write the file may name a route a thousand times.
        let named = known.map(|kept| ((kept.gateway.clone(), kept.route.clone()), kept));
        let all: BTreeMap<_, Kept> = named.collect();
        let mut state = self.state();
        let rules = state.rules();
        let learns = state.config.schedule == ScheduleKind::Learned;
        let routes = all.len();
        for kept in all.into_values() {
            let outcomes = kept.outcomes.into_iter().collect();
            let learner = Learner::restored(rules, kept.horizon, outcomes);
            if learns {
                let (gateway, route) = (&kept.gateway, &kept.route);
                self.0.metrics.planned(gateway, route, &learner, None);
            }
            let gateway = state.gateway(&kept.gateway);
            gateway.routes.insert(kept.route, learner);
        }
        Ok(routes)
    }

    /// How long a result waited, on average, that came after a poll and was found by another, or by
    /// a first one after an acceptance: by what was learned, or half of the time between them.
    pub fn delay(&self, gateway: &str, route: &str, after: Duration, by: Duration) -> Duration {
        self.state().delay(gateway, route, after, by)
    }

    /// What is known of each route of which anything is, to draw pictures of while exchanges go on.
    pub fn sketches(&self) -> Vec<Sketch> {
        let state = self.state();
        let config = &state.config;
        let learns = config.schedule == ScheduleKind::Learned;
        let sketches = state.gateways.iter().flat_map(|(name, gateway)| {
            let learners = gateway.routes.keys().filter(move |_| learns);
            let routes: BTreeSet<_> = gateway.lately.keys().chain(learners).collect();
            routes.into_iter().map(move |route| Sketch {
                gateway: name.clone(),
                route: route.clone(),
                config: config.clone(),
                lately: gateway.lately.get(route).copied().unwrap_or_default(),
                budget: gateway.budget,
                learner: gateway.routes.get(route).filter(|_| learns).cloned(),
            })
        });
        sketches.collect()
    }

    /// A poll is sent to a gateway.
    pub fn polled(&self, gateway: &str, now: Moment) {
        self.with_gateway(gateway, |gateway| gateway.budget.polled(now));
    }

    /// A gateway answered a poll with 429 or with a fault of its own.
    pub fn pushed_back(&self, gateway: &str, now: Moment) {
        self.with_gateway(gateway, |gateway| gateway.budget.pushed_back(now));
    }

    /// A poll asks for its turn that was due then, and may be the last before the end of a hold.
    pub(super) fn ask(
        &self,
        gateway: &str,
        place: Option<Place>,
        due: (Moment, bool),
        now: Moment,
        waker: &Waker,
    ) -> Turn {
        let turn = self.with_gateway(gateway, |gateway| {
            let turn = gateway.queue.ask(place, due, now, waker);
            gateway.budget.waiting(gateway.queue.waiting());
            turn
        });
        if matches!(turn, Turn::At(..)) && place.is_none() {
            self.0.metrics.deferred(gateway);
        }
        turn
    }

    /// A poll that waited does so no more.
    pub(super) fn leave(&self, gateway: &str, place: Place) {
        self.with_gateway(gateway, |gateway| {
            gateway.queue.leave(place);
            gateway.budget.waiting(gateway.queue.waiting());
        });
    }

    fn with_gateway<T>(&self, name: &str, change: impl FnOnce(&mut Gateway) -> T) -> T {
        let mut state = self.state();
        let gateway = state.gateway(name);
        let changed = change(gateway);
        self.0.metrics.polled(name, gateway.budget.used());
        changed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The learner of a route, at the price in force.
    fn learner(&mut self, gateway: &str, route: &str) -> &mut Learner {
        let rules = self.rules();
        let gateway = self.gateway(gateway);
        let price = gateway.budget.price(rules.price);
        let learner = gateway.routes.entry(route.into());
        let learner = learner.or_insert_with(|| Learner::new(rules));
        learner.set_price(price);
        learner
    }

    fn gateway(&mut self, name: &str) -> &mut Gateway {
        let limit = self.config.max_per_second;
        let gateway = self.gateways.entry(name.into());
        gateway.or_insert_with(|| Gateway {
            budget: Budget::new(limit),
            queue: Queue::new(limit),
            routes: BTreeMap::new(),
            lately: BTreeMap::new(),
        })
    }

    fn measured(&self, gateway: &str, route: &str) -> Option<Expected> {
        self.gateways.get(gateway)?.lately.get(route)?.means()
    }

    /// By what was learned; without that, results come at any time between two polls.
    fn delay(&self, gateway: &str, route: &str, after: Duration, by: Duration) -> Duration {
        let learner = match self.config.schedule {
            ScheduleKind::Fixed | ScheduleKind::Exponential => None,
            ScheduleKind::Learned => self
                .gateways
                .get(gateway)
                .and_then(|it| it.routes.get(route)),
        };
        learner.map_or_else(|| by.saturating_sub(after) / 2, |it| it.delay(after, by))
    }

    fn rules(&self) -> Rules {
        Rules {
            price: self.config.price.given(),
            no_worse_than: self.config.price.no_worse_than(self.config.interval),
            min_interval: self.config.min_interval,
            max_interval: self.config.max_interval,
            horizon: self.horizon,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::polling::Price;

    const PRICE: Duration = Duration::from_millis(50);

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
        schedules.of("one", "payments", Moment::START);
        assert!(first(&schedules.of("one", "payments", Moment::START)) > Duration::from_secs(2));
        for (gateway, route) in [("one", "refunds"), ("two", "payments")] {
            assert_eq!(
                first(&schedules.of(gateway, route, Moment::START)).as_millis(),
                400
            );
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
        let steps = |schedules: &Schedules| match schedules.of("one", "payments", Moment::START) {
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
    #[test]
    fn a_reload_changes_what_begins_and_keeps_what_was_learned() {
        let schedules = learned(0);
        for _ in 0..50 {
            schedules.learn("one", "payments", THREE_SECONDS);
        }
        let fixed = Config {
            schedule: ScheduleKind::Fixed,
            ..Config::default()
        };
        schedules.reconfigure(fixed.clone(), Duration::from_mins(5));
        let schedule = schedules.of("one", "payments", Moment::START);
        assert!(matches!(schedule, Schedule::Fixed { interval, .. } if interval == fixed.interval));
        let dearer = Config {
            schedule: ScheduleKind::Learned,
            price: Price::Set(Duration::from_millis(100)),
            max_interval: Duration::from_secs(4),
            ..fixed
        };
        schedules.reconfigure(dearer, Duration::from_secs(20));
        schedules.of("one", "payments", Moment::START);
        let Schedule::Planned { steps, longest } = schedules.of("one", "payments", Moment::START)
        else {
            panic!("no plan");
        };
        assert_eq!(longest, Duration::from_secs(4));
        assert!(
            steps[0].at > Duration::from_secs(2),
            "it still knows: {steps:?}"
        );
        let last = steps.last().unwrap().at;
        assert!(
            last.abs_diff(Duration::from_secs(20)) < Duration::from_micros(1),
            "{last:?}"
        );
    }

    #[test]
    fn a_reload_puts_a_budget_in_force_and_takes_it_away() {
        let schedules = learned(0);
        let poll = |from: u64| {
            for poll in from..from + 1000 {
                let now = Moment::after_start(Duration::from_millis(10 * poll));
                schedules.polled("one", now);
            }
        };
        let price = || {
            let mut state = schedules.state();
            state.gateway("one").budget.price(PRICE)
        };
        let config = Config::default();
        poll(0);
        assert_eq!(price(), PRICE);
        let bound = Config {
            max_per_second: 1,
            ..config.clone()
        };
        schedules.reconfigure(bound, Duration::from_mins(5));
        poll(1000);
        assert!(price() > PRICE * 2, "{:?}", price());
        schedules.reconfigure(config.clone(), Duration::from_mins(5));
        assert_eq!(price(), PRICE);
    }
}
