//! The learner: from what exchanges told to a law, from the law to a plan, from the plan to what one
//! exchange follows.
use std::sync::Arc;
use std::time::Duration;

use super::axis::Axis;
use super::confidence::Confidence;
use super::drift::Drift;
use super::jitter::Jitter;
use super::law::Law;
use super::outcomes::{Observed, Outcomes};
use super::plan::{self, Expected, Terms};
use super::step::Step;

/// The plan of who knows nothing, in seconds.
const COLD: [f64; 8] = [0.4, 0.8, 1.3, 2.0, 3.0, 4.5, 6.5, 9.0];

/// How its waits grow after that, as a share of the time so far.
const COLD_GROWTH: f64 = 1.0 / 3.0;

/// Outcomes after which a plan is made of them.
const ENOUGH: usize = 5;

/// Outcomes between two plans, at most.
const SELDOM: usize = 32;

/// Outcomes below which a law is sought from the prior anew, and the rounds that takes; with more it
/// goes on from the last law.
const FEW: usize = 40;
const ROUNDS_ANEW: u32 = 30;
const ROUNDS_ON: u32 = 8;

/// A poll is moved by at most this share of the shorter of the waits around it: it costs 1 % of the
/// delay.
const MOVED: f64 = 0.1;

/// What scouts may cost, as a share of all. A scout is an exchange with one poll more, between two
/// of the plan: without them nothing would tell where in a wait tasks end, nor that all of them have
/// become quick.
const SCOUTING: f64 = 0.01;

/// One exchange in so many scouts at most, and one in so many at least: where the first poll finds
/// almost every task, nothing else tells that tasks have become quick.
const SCOUTS: (f64, f64) = (1.0 / 8.0, 1.0 / 24.0);

/// What a learner is given to keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// What one poll is worth in delay.
    pub price: Duration,
    /// No two polls are closer.
    pub min_interval: Duration,
    /// No wait is longer.
    pub max_interval: Duration,
    /// How long a client waits: plans end there.
    pub horizon: Duration,
}

/// What is known of the tasks of one route of one gateway, and the plan made of it.
#[derive(Clone, Debug)]
pub struct Learner {
    rules: Rules,
    axis: Axis,
    prior: Law,
    law: Law,
    outcomes: Outcomes,
    drift: Drift,
    /// The price in force: that of the rules, or more while a budget binds.
    price: Duration,
    plan: Arc<[Step]>,
    /// What each wait of the plan adds to the delay, summed.
    delays: Vec<f64>,
    expected: Expected,
    /// True while the plan is that of who knows nothing.
    is_cold: bool,
    unplanned: usize,
    /// Scouts that are due.
    scouts: f64,
    jitter: Jitter,
}

impl Learner {
    /// A learner that knows nothing yet.
    pub fn new(rules: Rules) -> Self {
        let axis = Axis::new(rules.horizon);
        let prior = Law::prior(&axis);
        let mut learner = Self {
            rules,
            law: prior.clone(),
            prior,
            axis,
            outcomes: Outcomes::default(),
            drift: Drift::default(),
            price: rules.price,
            plan: Arc::new([]),
            delays: Vec::new(),
            expected: Expected::default(),
            is_cold: true,
            unplanned: 0,
            scouts: 0.0,
            jitter: Jitter::new(0),
        };
        learner.replan();
        learner
    }

    /// The polls of one exchange. Most get the plan; a few scout.
    pub fn steps(&mut self) -> Arc<[Step]> {
        if self.is_cold {
            return Arc::clone(&self.plan);
        }
        let price = self.price.as_secs_f64();
        let (most, least) = SCOUTS;
        self.scouts += (SCOUTING * self.expected.cost(price) / price).clamp(least, most);
        if self.drift.is_suspicious() {
            return self.scouting(0, 0.5);
        }
        if self.scouts < 1.0 {
            return Arc::clone(&self.plan);
        }
        self.scouts -= 1.0;
        if self.jitter.share() < 0.5 {
            return self.scouting(0, 0.5);
        }
        let drawn = self.jitter.share() * self.delays.last().copied().unwrap_or_default();
        let wait = self.delays.partition_point(|&delay| delay < drawn);
        let place = self.jitter.share();
        self.scouting(wait, place.clamp(0.1, 0.9))
    }

    /// The plan with one poll more, at `place` of a wait.
    fn scouting(&self, wait: usize, place: f64) -> Arc<[Step]> {
        let (before, after) = self.plan.split_at(wait.min(self.plan.len()));
        let from = before.last().map_or(Duration::ZERO, |step| step.at);
        let Some(to) = after.first() else {
            return Arc::clone(&self.plan);
        };
        let at = from + to.at.saturating_sub(from).mul_f64(place);
        let floor = self.rules.min_interval;
        if at < from + floor || at + floor > to.at {
            return Arc::clone(&self.plan);
        }
        let scout = Step {
            at,
            spread: Duration::ZERO,
        };
        before
            .iter()
            .chain([&scout])
            .chain(after)
            .copied()
            .collect()
    }

    /// Takes what an exchange tells: its task was not done at the poll sent `after` its acceptance
    /// (zero without one), and was at the one sent `by`; `None` if it was never seen done.
    pub fn observe(&mut self, after: Duration, by: Option<Duration>) {
        let observed = Observed::new(&self.axis, after, by);
        self.outcomes.push(observed);
        self.unplanned += 1;
        if !self.is_cold && self.has_moved(observed) {
            self.law = self.prior.clone();
            self.replan();
        } else if self.unplanned >= (self.outcomes.len() / 10).clamp(1, SELDOM) {
            self.replan();
        }
    }

    /// True if the law has moved; only the outcomes that told so are then kept.
    fn has_moved(&mut self, observed: Observed) -> bool {
        let low = self.law.below_edge(observed.after());
        let high = self.law.below_edge(observed.by());
        let Some(outcomes) = self.drift.add(low, high) else {
            return false;
        };
        self.outcomes.keep(outcomes);
        true
    }

    /// Plans by another price, if it is another.
    pub(super) fn set_price(&mut self, price: Duration) {
        if self.price != price {
            self.price = price;
            self.make_plan();
        }
    }

    /// Follows other rules from now on, at the price in force. What it knows stays.
    pub(super) fn follow(&mut self, rules: Rules, price: Duration) {
        if rules == self.rules && price == self.price {
            return;
        }
        if rules.horizon != self.rules.horizon {
            let axis = Axis::new(rules.horizon);
            self.outcomes.move_to(&self.axis, &axis);
            self.prior = Law::prior(&axis);
            self.law = self.outcomes.law(&self.prior, &self.prior, ROUNDS_ANEW);
            self.drift = Drift::default();
            self.axis = axis;
        }
        (self.rules, self.price) = (rules, price);
        self.make_plan();
    }

    fn replan(&mut self) {
        self.unplanned = 0;
        let known = self.outcomes.len();
        self.is_cold = known < ENOUGH;
        self.law = if known < FEW {
            self.outcomes.law(&self.prior, &self.prior, ROUNDS_ANEW)
        } else {
            self.outcomes.law(&self.prior, &self.law, ROUNDS_ON)
        };
        self.make_plan();
    }

    fn make_plan(&mut self) {
        let terms = Terms {
            price: self.price.as_secs_f64(),
            floor: self.rules.min_interval.as_secs_f64(),
            ceiling: self.rules.max_interval.as_secs_f64(),
        };
        let instants = if self.is_cold {
            cold(self.rules.horizon.as_secs_f64(), terms)
        } else {
            plan::optimal(&self.axis, &self.law, terms)
        };
        self.delays.clear();
        self.expected = plan::expected(&self.axis, &self.law, &instants, &mut self.delays);
        self.plan = self.spread(&instants);
    }

    /// Each instant with how far it may be moved: not so far that the plan suffers, nor farther than
    /// the law is smoothed.
    fn spread(&self, instants: &[f64]) -> Arc<[Step]> {
        let blur = 0.5 * self.law.width() * self.axis.ratio();
        let befores = std::iter::once(&0.0).chain(instants);
        let afters = instants.iter().skip(1).chain([&f64::INFINITY]);
        let steps = instants.iter().zip(befores.zip(afters));
        steps
            .map(|(at, (before, after))| {
                let wait = (at - before).min(after - at);
                Step {
                    at: Duration::from_secs_f64(*at),
                    spread: Duration::from_secs_f64((MOVED * wait).min(blur * at)),
                }
            })
            .collect()
    }

    /// What the plan is expected to bring.
    pub fn expected(&self) -> Expected {
        self.expected
    }

    /// The product of delay and polls that no schedule goes below where polls are many.
    pub fn limit(&self) -> f64 {
        plan::limit(&self.axis, &self.law)
    }

    /// Outcomes that are remembered.
    pub fn known(&self) -> usize {
        self.outcomes.len()
    }

    /// What they count together: the older ones count less.
    pub(super) fn weight(&self) -> f64 {
        self.outcomes.weight()
    }

    /// The law, and the axis that it is told on.
    pub(super) const fn law(&self) -> (&Axis, &Law) {
        (&self.axis, &self.law)
    }

    /// What it keeps to.
    pub(super) const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The price in force.
    pub(super) const fn price(&self) -> Duration {
        self.price
    }

    /// The plan in force, without scouts.
    pub(super) fn plan(&self) -> &[Step] {
        &self.plan
    }

    /// How far the plan rests on what was seen.
    pub(super) fn confidence(&self) -> Confidence {
        if self.is_cold {
            Confidence::Cold
        } else if self.drift.is_suspicious() {
            Confidence::Doubted
        } else {
            Confidence::Sure
        }
    }

    /// How long the result of such an exchange waited to be found, by the law: the mean of what is
    /// left of the last wait when the task ends within it.
    pub fn delay(&self, after: Duration, by: Duration) -> Duration {
        let observed = Observed::new(&self.axis, after, Some(by));
        let within = plan::delay_within(&self.axis, &self.law, observed.after(), observed.by());
        Duration::from_secs_f64(within).min(by.saturating_sub(after))
    }
}

/// The plan of who knows nothing, up to the horizon.
fn cold(horizon: f64, terms: Terms) -> Vec<f64> {
    let grown = |at: f64| at + (at * COLD_GROWTH).clamp(terms.floor, terms.ceiling);
    let last = COLD.last().copied().unwrap_or_default();
    let tail = std::iter::successors(Some(grown(last)), |&at| Some(grown(at)));
    let all = COLD.into_iter().chain(tail);
    let mut instants: Vec<f64> = Vec::new();
    for at in all {
        let before = instants.last().copied().unwrap_or_default();
        let at = at.min(before + terms.ceiling);
        if at >= horizon {
            break;
        }
        if at - before >= terms.floor {
            instants.push(at);
        }
    }
    instants.push(horizon);
    instants
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        price: Duration::from_millis(50),
        min_interval: Duration::from_millis(50),
        max_interval: Duration::from_secs(10),
        horizon: Duration::from_mins(5),
    };

    fn millis(steps: &[Step]) -> Vec<u128> {
        steps.iter().map(|step| step.at.as_millis()).collect()
    }

    #[test]
    fn who_knows_nothing_has_the_cold_plan_to_the_end_of_the_hold() {
        let steps = Learner::new(RULES).steps();
        let instants = millis(&steps);
        let first = [400, 800, 1300, 2000, 3000, 4500, 6500, 9000, 12_000, 16_000];
        assert_eq!(instants[..10], first);
        assert_eq!(instants.last(), Some(&300_000));
    }

    #[test]
    fn tasks_of_three_seconds_are_not_asked_for_before() {
        let mut learner = Learner::new(RULES);
        for _ in 0..60 {
            learner.observe(
                Duration::from_millis(2900),
                Some(Duration::from_millis(3100)),
            );
        }
        let first = learner.plan[0].at;
        assert!((2_900..3_300).contains(&first.as_millis()), "{first:?}");
    }

    #[test]
    fn a_law_that_has_moved_is_dropped_within_a_few_outcomes() {
        let mut learner = Learner::new(RULES);
        for _ in 0..200 {
            learner.observe(
                Duration::from_millis(2900),
                Some(Duration::from_millis(3100)),
            );
        }
        let mut outcomes = 0;
        while learner.known() > 100 {
            learner.observe(Duration::ZERO, Some(Duration::from_millis(1000)));
            outcomes += 1;
        }
        assert!(outcomes < 6, "{outcomes}");
    }

    #[test]
    fn the_delay_within_a_wait_is_shorter_where_tasks_end_late_in_it() {
        let mut learner = Learner::new(RULES);
        for _ in 0..200 {
            learner.observe(
                Duration::from_millis(2900),
                Some(Duration::from_millis(3100)),
            );
        }
        let late = learner.delay(Duration::from_secs(1), Duration::from_secs(3));
        let early = learner.delay(Duration::from_secs(3), Duration::from_secs(5));
        assert!(late < Duration::from_millis(300), "{late:?}");
        assert!(early > Duration::from_millis(1500), "{early:?}");
    }
}
