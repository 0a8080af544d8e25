//! A copy of what is known of one route, quickly made under the lock that exchanges need, and the
//! picture that is drawn of it elsewhere.
use super::curve;
use super::picture::{Bin, Budgeted, Corner, Learned, Measured, Picture};
use crate::elementary::Elementary;
use crate::polling::config::Config;
use crate::polling::gateways::budget::Budget;
use crate::polling::gateways::gateway::Given;
use crate::polling::gateways::lately::Lately;
use crate::polling::laws::axis::Axis;
use crate::polling::laws::law::Law;
use crate::polling::learning::learner::Learner;
use crate::polling::planning::plan;
use crate::polling::planning::step::Step;

/// Parts of the law that are told, at most.
const BINS: u16 = 40;

/// Instants of a plan that are told, at most.
const INSTANTS: usize = 64;

/// The share of the law beside the bins, on either side.
const RARE: f64 = 0.01;

/// What is copied of one route.
#[derive(Clone, Debug)]
pub struct Sketch {
    pub(in crate::polling) gateway: Box<str>,
    pub(in crate::polling) route: Box<str>,
    pub(in crate::polling) config: Config,
    pub(in crate::polling) lately: Lately,
    pub(in crate::polling) budget: Budget,
    pub(in crate::polling) given: Given,
    /// Absent unless the schedule learns.
    pub(in crate::polling) learner: Option<Learner>,
}

impl Sketch {
    /// The gateway's name.
    pub fn gateway(&self) -> &str {
        &self.gateway
    }

    /// The operation.
    pub fn route(&self) -> &str {
        &self.route
    }

    /// Exchanges whose results were found since the start.
    pub const fn exchanges(&self) -> u64 {
        self.lately.exchanges()
    }

    /// Draws the picture. It takes a few milliseconds: a dozen plans are made for the curve.
    pub fn picture(&self) -> Picture {
        let measured = self.lately.means().map(|means| Measured {
            exchanges: self.lately.exchanges(),
            brings: means.into(),
        });
        Picture {
            gateway: self.gateway.to_string(),
            route: self.route.to_string(),
            schedule: self.config.schedule,
            interval_seconds: self.config.interval.as_secs_f64(),
            measured,
            learned: self.learner.clone().map(|learner| self.learned(learner)),
        }
    }

    /// By the rules in force: the route may have had no exchange since they are.
    fn learned(&self, mut learner: Learner) -> Learned {
        let Given { rules, ground } = &self.given;
        learner.follow(ground, *rules, self.budget.price(rules.price));
        let (axis, law) = learner.law();
        let (rules, price) = (learner.rules(), learner.price().as_secs_f64());
        let (interval, horizon) = (self.config.interval, rules.horizon);
        let fixed = plan::every(axis, law, interval.as_secs_f64(), horizon.as_secs_f64());
        let (expected, limit) = (learner.expected(), learner.limit());
        let told = || learner.plan().iter().take(INSTANTS);
        let seconds = |step: &Step| step.at.as_secs_f64();
        let corners = curve::corners(axis, law, rules, price);
        Learned {
            confidence: learner.confidence(),
            exchanges: learner.known(),
            weight: learner.weight(),
            price_seconds: rules.price.as_secs_f64(),
            price_in_force_seconds: price,
            budget: self.budget.rates().map(|(limit, rate)| Budgeted {
                max_per_second: limit,
                per_second: rate,
            }),
            median_seconds: law.quantile(axis, 0.5),
            p90_seconds: law.quantile(axis, 0.9),
            p99_seconds: law.quantile(axis, 0.99),
            bins: bins(axis, law),
            plan: expected.into(),
            instants_seconds: told().map(seconds).collect(),
            sharp_seconds: told().filter(|step| step.is_sharp).map(seconds).collect(),
            instants: learner.plan().len(),
            fixed: fixed.map(Into::into),
            curve: corners.into_iter().map(Corner::from).collect(),
            limit_seconds: limit,
            over_limit: expected.over(limit),
        }
    }
}

/// The law in a few bins of nearly the same ratio, around where it has most of its mass.
fn bins(axis: &Axis, law: &Law) -> Vec<Bin> {
    /// The ratio that the bins span at least, as its logarithm: a law that is narrower is seen to be narrow.
    const LEAST_VIEW: f64 = 0.2;
    let time = |edge: usize| axis.time(edge.clamp(1, Axis::last().into())).as_secs_f64();
    let low = time(law.edge_at(RARE));
    let high = time(law.edge_at(1.0 - RARE) + 1);
    let view = (high / low).logarithm();
    let margin = (view / 5.0).max(0.5 * (LEAST_VIEW - view));
    let (low, view) = (low / margin.exponential(), 2.0f64.mul_add(margin, view));
    let at = |bin: u16| low * (view * f64::from(bin) / f64::from(BINS)).exponential();
    // A bin begins and ends at an edge; where cells are far apart, bins are fewer.
    let mut edges: Vec<u16> = (0..=BINS).map(|bin| axis.nearest(at(bin))).collect();
    edges.dedup();
    let edge = |edge: u16| axis.edges().get(usize::from(edge)).copied();
    let pairs = edges.iter().zip(edges.iter().skip(1));
    pairs
        .filter_map(|(&start, &end)| {
            Some(Bin {
                from_seconds: edge(start)?,
                to_seconds: edge(end)?,
                share: law.below_edge(end) - law.below_edge(start),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::polling::{Brings, Confidence, Mark, Metrics, Price, ScheduleKind, Schedules, Took};
    use crate::timing::Moment;

    fn config(schedule: ScheduleKind) -> Config {
        Config {
            schedule,
            ..Config::default()
        }
    }

    fn took(after: u64, by: u64) -> Took {
        Took {
            after: Duration::from_millis(after),
            by: Some(Duration::from_millis(by)),
            pending: 1,
            mark: Mark::NONE,
        }
    }

    fn only(schedules: &Schedules) -> Picture {
        let sketches = schedules.sketches(Moment::START);
        assert_eq!(sketches.len(), 1);
        sketches[0].picture()
    }

    /// How far a point lies above every line that no schedule can be below, as a share of it.
    fn over(learned: &Learned, point: Brings) -> f64 {
        let over = learned.curve.iter().map(|corner| {
            let cost = |it: Brings| corner.price_seconds.mul_add(it.polls, it.delay_seconds);
            cost(point) / cost(corner.brings)
        });
        over.fold(f64::INFINITY, f64::min)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Whatever was seen, at whatever price.
        #[test]
        fn the_curve_falls_and_nothing_lies_below_it(
            seen in proptest::collection::vec((0_u64..20_000, 1_u64..3_000), 0..80),
            price in 10_u64..2_000,
            interval in 300_u64..3_000,
        ) {
            let config = Config {
                price: Price::Set(Duration::from_millis(price)),
                interval: Duration::from_millis(interval),
                ..config(ScheduleKind::Learned)
            };
            let schedules = Schedules::new(config, Duration::from_mins(5), Metrics::default());
            schedules.of("gateway", "payments", Moment::START);
            for (after, more) in seen {
                schedules.learn("gateway", "payments", took(after, after + more));
            }
            let learned = only(&schedules).learned.unwrap();
            prop_assert!(learned.curve.len() > 2);
            for pair in learned.curve.windows(2) {
                let [one, other] = [pair[0].brings, pair[1].brings];
                prop_assert!(one.polls < other.polls && one.delay_seconds > other.delay_seconds);
                prop_assert!(pair[0].price_seconds > pair[1].price_seconds);
            }
            let plan = over(&learned, learned.plan);
            // Each plan of the curve chooses among the points of a grid of its own, and a fixed schedule
            // among none.
            prop_assert!(plan > 0.999, "{plan}");
            let fixed = learned.fixed.unwrap();
            let fixed_over = over(&learned, fixed);
            prop_assert!(fixed.polls > 20.0 || fixed_over > 0.97, "{fixed:?}: {fixed_over}");
            if learned.confidence != Confidence::Cold {
                let least = learned.least_delay(learned.plan.polls);
                prop_assert!(least.is_none_or(|least| least <= learned.plan.delay_seconds * 1.001));
                prop_assert!(plan < 1.001, "the plan in force is the best one: {plan}");
            }
            let shares: f64 = learned.bins.iter().map(|bin| bin.share).sum();
            prop_assert!(shares > 0.9 && shares < 1.0 + 1e-9, "{shares}");
            prop_assert!(learned.bins.len() <= 41);
            let meet = |pair: &[Bin]| (pair[0].to_seconds - pair[1].from_seconds).abs() < 1e-9;
            prop_assert!(learned.bins.windows(2).all(meet));
        }
    }

    #[test]
    fn a_law_is_told_by_its_quantiles_and_the_plan_by_its_instants() {
        let config = config(ScheduleKind::Learned);
        let schedules = Schedules::new(config, Duration::from_mins(5), Metrics::default());
        for _ in 0..200 {
            schedules.learn("gateway", "payments", took(2_900, 3_100));
        }
        let picture = only(&schedules);
        let measured = picture.measured.unwrap();
        assert_eq!(measured.exchanges, 200);
        assert!((measured.brings.polls - 2.0).abs() < 1e-9);
        assert!((0.05..0.2).contains(&measured.brings.delay_seconds));
        let learned = picture.learned.unwrap();
        assert_eq!(learned.confidence, Confidence::Sure);
        assert_eq!(learned.exchanges, 200);
        assert!((150.0..200.0).contains(&learned.weight));
        assert!((2.9..3.1).contains(&learned.median_seconds.unwrap()));
        assert!(learned.p99_seconds.unwrap() >= learned.p90_seconds.unwrap());
        assert!((2.9..3.3).contains(&learned.instants_seconds[0]));
        assert!(learned.fixed.unwrap().polls > 5.0);
        assert!(learned.plan.polls < 2.0);
        assert_eq!(learned.budget, None);
    }

    #[test]
    fn a_fixed_schedule_has_what_was_measured_and_nothing_that_was_learned() {
        let config = config(ScheduleKind::Fixed);
        let schedules = Schedules::new(config, Duration::from_mins(5), Metrics::default());
        schedules.of("gateway", "payments", Moment::START);
        assert_eq!(schedules.sketches(Moment::START).len(), 0);
        schedules.learn("gateway", "payments", took(2_500, 3_000));
        let picture = only(&schedules);
        assert_eq!(picture.learned, None);
        let brings = picture.measured.unwrap().brings;
        assert!((brings.delay_seconds - 0.25).abs() < 1e-9 && (brings.polls - 2.0).abs() < 1e-9);
    }

    #[test]
    fn a_fixed_schedule_that_polls_too_often_to_be_counted_is_left_out() {
        let config = Config {
            interval: Duration::from_millis(8),
            ..config(ScheduleKind::Learned)
        };
        let day = Duration::from_hours(24);
        let schedules = Schedules::new(config, day, Metrics::default());
        schedules.of("gateway", "payments", Moment::START);
        let learned = only(&schedules).learned.unwrap();
        assert_eq!(learned.fixed, None);
        assert_eq!(learned.confidence, Confidence::Cold);
        assert!(learned.instants > learned.instants_seconds.len());
    }
}
