//! The schedules of every gateway and route: whom an exchange asks for its own, and tells how long
//! its task took.
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use prometheus_client::registry::Registry;

use super::config::{Config, ScheduleKind};
use super::gateways::gateway::{Gateway, Given};
use super::gateways::named::Named;
use super::gateways::queue::{Need, Rank, Turn};
use super::laws::ground::Ground;
use super::learning::kept::{self, Kept, KeptError};
use super::learning::learner::Learner;
use super::learning::took::Took;
use super::metrics::Metrics;
use super::planning::rules::Rules;
use super::present::{Present, Snapshot};
use super::schedule::Schedule;
use super::showing::sketch::Sketch;
use crate::timing::{Clock, Moment};

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
    given: Given,
    gateways: Named<Gateway>,
    /// True if something was learned since all of it was last told.
    is_untold: bool,
}

impl Schedules {
    /// The schedules of a configuration, for clients that wait as long as `hold`.
    pub fn new(config: Config, hold: Duration, metrics: Metrics) -> Self {
        let state = State {
            given: Given {
                rules: rules(&config, hold),
                ground: Ground::up_to(hold),
            },
            config,
            gateways: Named::new(),
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
        let rules = rules(&config, hold);
        if state.config == config && state.given.rules == rules {
            return;
        }
        if rules.horizon != state.given.rules.horizon {
            state.given.ground = Ground::up_to(hold);
        }
        (state.config, state.given.rules) = (config, rules);
        let limit = state.config.max_per_second;
        let learns = state.learns();
        for gateway in state.gateways.all() {
            gateway.limit(limit);
            gateway.tell(learns);
        }
    }

    /// The schedule of one exchange of a gateway and a route, which begins now.
    pub fn of(&self, gateway: &str, route: &str, now: Moment) -> Schedule {
        let mut state = self.state();
        match state.config.schedule {
            ScheduleKind::Fixed => Schedule::fixed(&state.config),
            ScheduleKind::Exponential => Schedule::exponential(&state.config),
            ScheduleKind::Learned => {
                let (given, longest) = (state.given.clone(), state.config.max_interval);
                let (steps, mark) = self.with_gateway(&mut state, gateway, |gateway| {
                    gateway.begin(route, &given, now)
                });
                Schedule::Planned {
                    steps,
                    longest,
                    mark,
                }
            }
        }
    }

    /// Takes what an exchange tells.
    pub fn learn(&self, gateway: &str, route: &str, took: Took) {
        let mut state = self.state();
        let waited = took
            .by
            .map(|by| state.delay(gateway, route, took.after, by));
        let given = state.learns().then(|| state.given.clone());
        state.is_untold |= given.is_some();
        self.with_gateway(&mut state, gateway, |gateway| {
            if let Some(waited) = waited {
                let polls = took.pending.saturating_add(1);
                self.0.metrics.found(polls);
                gateway.found(route, polls, waited);
            }
            if let Some(given) = given {
                gateway.learn(route, &given, took);
            }
        });
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
            let routes = gateway.routes();
            routes.filter_map(move |(route, known)| Some((name, route, known.learner()?)))
        });
        let all: Vec<Kept> = learners
            .map(|(gateway, route, learner)| Kept {
                gateway: gateway.clone(),
                route: route.clone(),
                outcomes: learner.seen().collect(),
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
        let Given { rules, ground } = state.given.clone();
        let learns = state.learns();
        let routes = all.len();
        for kept in all.into_values() {
            let learner = Learner::restored(Arc::clone(&ground), rules, kept.outcomes);
            self.with_gateway(&mut state, &kept.gateway, |gateway| {
                gateway.restore(&kept.route, learner, learns);
            });
        }
        Ok(routes)
    }

    /// How long a result waited, on average, that came after a poll and was found by another, or by
    /// a first one after an acceptance: by what was learned, or half of the time between them.
    pub fn delay(&self, gateway: &str, route: &str, after: Duration, by: Duration) -> Duration {
        self.state().delay(gateway, route, after, by)
    }

    /// Registers every metric of this room.
    pub fn register(&self, registry: &mut Registry, clock: Clock) {
        self.0.metrics.register(registry);
        let schedules = self.clone();
        registry.register_collector(Box::new(Present { schedules, clock }));
    }

    /// What changes while nothing is asked, as it is now.
    pub(super) fn present(&self, now: Moment) -> Snapshot {
        let state = self.state();
        let mut numbers = Snapshot::default();
        for (_, gateway) in state.gateways.iter() {
            numbers.used.extend(gateway.used(now));
            if state.learns() {
                let prices = gateway.prices(&state.given.rules, now);
                let prices = prices.map(|(on, price)| (on, price.as_secs_f64()));
                numbers.prices.extend(prices);
            }
        }
        numbers
    }

    /// What is known now of each route of which anything is, to draw pictures of while exchanges go on.
    pub fn sketches(&self, now: Moment) -> Vec<Sketch> {
        let state = self.state();
        let (config, given, learns) = (&state.config, &state.given, state.learns());
        let sketches = state.gateways.iter().flat_map(|(name, gateway)| {
            gateway.routes().filter_map(move |(route, known)| {
                let (lately, learner) = (known.lately(), known.learner().filter(|_| learns));
                (lately.exchanges() > 0 || learner.is_some()).then(|| Sketch {
                    gateway: name.clone(),
                    route: route.clone(),
                    config: config.clone(),
                    lately,
                    budget: gateway.budget(now),
                    given: given.clone(),
                    learner: learner.cloned(),
                })
            })
        });
        sketches.collect()
    }

    /// A poll is sent to a gateway.
    pub fn polled(&self, gateway: &str, now: Moment) {
        self.with_gateway(&mut self.state(), gateway, |gateway| gateway.polled(now));
    }

    /// A gateway answered a poll with 429 or with a fault of its own.
    pub fn pushed_back(&self, gateway: &str, now: Moment) {
        self.with_gateway(&mut self.state(), gateway, |gateway| {
            gateway.pushed_back(now);
        });
    }

    /// A poll asks for its turn that was due then, and may be the last before the end of a hold.
    pub(super) fn ask(
        &self,
        gateway: &str,
        rank: Option<Rank>,
        due: (Moment, Need),
        now: Moment,
        waker: &Waker,
    ) -> Turn {
        let ask = |gateway: &mut Gateway| gateway.ask(rank, due, now, waker);
        self.with_gateway(&mut self.state(), gateway, ask)
    }

    /// A poll that waited does so no more.
    pub(super) fn leave(&self, gateway: &str, rank: Rank) {
        self.with_gateway(&mut self.state(), gateway, |gateway| gateway.leave(rank));
    }

    fn with_gateway<T>(
        &self,
        state: &mut State,
        name: &str,
        change: impl FnOnce(&mut Gateway) -> T,
    ) -> T {
        let limit = state.config.max_per_second;
        let make = || Gateway::new(limit, name, &self.0.metrics);
        state.gateways.with(name, make, change)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn learns(&self) -> bool {
        self.config.schedule == ScheduleKind::Learned
    }

    /// By what was learned; without that, results come at any time between two polls.
    fn delay(&self, gateway: &str, route: &str, after: Duration, by: Duration) -> Duration {
        let learner = self
            .learns()
            .then(|| self.gateways.find(gateway)?.find(route)?.learner())
            .flatten();
        learner.map_or_else(|| by.saturating_sub(after) / 2, |it| it.delay(after, by))
    }
}

/// What learners keep to, for clients that wait as long as `hold`.
const fn rules(config: &Config, hold: Duration) -> Rules {
    Rules {
        price: config.price.given(),
        no_worse_than: config.price.no_worse_than(config.interval),
        min_interval: config.min_interval,
        max_interval: config.max_interval,
        horizon: hold,
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::polling::{Mark, Price};

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
        mark: Mark::NONE,
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
                mark: Mark::NONE,
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
        let Schedule::Planned { steps, longest, .. } =
            schedules.of("one", "payments", Moment::START)
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
            let state = schedules.state();
            let gateway = state.gateways.find("one").unwrap();
            gateway.budget(Moment::START).price(PRICE)
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
