//! The learner: from what exchanges told to a law, from the law to a plan, from the plan to what one
//! exchange follows.
use std::sync::Arc;
use std::time::Duration;

use super::axis::Axis;
use super::bend::Bend;
use super::cold::cold;
use super::confidence::Confidence;
use super::drift::Drift;
use super::jitter::Jitter;
use super::law::Law;
use super::outcomes::{Observed, Outcomes};
use super::plan::{self, Expected, Terms};
use super::step::Step;

/// Outcomes after which a plan is made of them.
const ENOUGH: usize = 5;

/// A law is fitted and a plan made when this part of the outcomes is new: both together take as long
/// as a dozen exchanges do.
const ANEW: usize = 10;

/// Outcomes below which a law is sought from the prior anew, and the rounds that takes; with more it
/// goes on from the last law.
const FEW: usize = 40;
const ROUNDS_ANEW: u32 = 30;
const ROUNDS_ON: u32 = 8;

/// The rounds from the prior to a law of many outcomes at once.
const ROUNDS_FAR: u32 = 100;

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

/// Plans that are made at most while the price is bent; the next outcomes go on from there.
const BENDS: usize = 3;

/// What a learner is given to keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// What one poll is worth in delay.
    pub price: Duration,
    /// The fixed interval that plans are to be no worse than, in delay and in polls: the price is
    /// bent as far as that takes. Without one the price stays as it is.
    pub no_worse_than: Option<Duration>,
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
    /// The price that is given: that of the rules, or more while a budget binds.
    price: Duration,
    /// What makes the price in force of it.
    bend: Bend,
    plan: Arc<[Step]>,
    /// What each wait of the plan adds to the delay, summed.
    delays: Vec<f64>,
    expected: Expected,
    /// The product of delay and polls that no schedule goes below where polls are many.
    limit: f64,
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
            bend: Bend::default(),
            plan: Arc::new([]),
            delays: Vec::new(),
            expected: Expected::default(),
            limit: 0.0,
            is_cold: true,
            unplanned: 0,
            scouts: 0.0,
            jitter: Jitter::new(0),
        };
        learner.replan();
        learner
    }

    /// A learner that knows what another had seen, whose axis ended at `horizon`.
    pub(super) fn restored(rules: Rules, horizon: Duration, mut outcomes: Outcomes) -> Self {
        let mut learner = Self::new(rules);
        if horizon != rules.horizon {
            outcomes.move_to(&Axis::new(horizon), &learner.axis);
        }
        learner.law = outcomes.law(&learner.prior, &learner.prior, ROUNDS_FAR);
        learner.outcomes = outcomes;
        learner.replan();
        learner
    }

    /// What it has seen.
    pub(super) fn outcomes(&self) -> &Outcomes {
        &self.outcomes
    }

    /// How long a client waits, by which its outcomes are told.
    pub(super) const fn horizon(&self) -> Duration {
        self.rules.horizon
    }

    /// The polls of one exchange. Most get the plan; a few scout.
    pub fn steps(&mut self) -> Arc<[Step]> {
        if self.is_cold {
            return Arc::clone(&self.plan);
        }
        self.scouts += self.scouting_rate();
        if self.drift.is_suspicious() {
            return self.scouting(self.half_of_the_first_wait());
        }
        if self.scouts < 1.0 {
            return Arc::clone(&self.plan);
        }
        self.scouts -= 1.0;
        if self.jitter.share() < 0.5 {
            return self.scouting(self.half_of_the_first_wait());
        }
        let at = self.where_tasks_end();
        self.scouting(at)
    }

    /// The share of exchanges that scout.
    fn scouting_rate(&self) -> f64 {
        let price = self.price().as_secs_f64();
        let (most, least) = SCOUTS;
        (SCOUTING * self.expected.cost(price) / price).clamp(least, most)
    }

    /// Here it shows if tasks have become quick.
    fn half_of_the_first_wait(&self) -> Duration {
        self.plan.first().map_or(Duration::ZERO, |step| step.at / 2)
    }

    /// A time within a wait, drawn by what each wait adds to the delay, that has tasks that end
    /// within the wait on either side of it.
    fn where_tasks_end(&mut self) -> Duration {
        let drawn = self.jitter.share() * self.delays.last().copied().unwrap_or_default();
        let wait = self.delays.partition_point(|&delay| delay < drawn);
        let ends = |step: Option<&Step>| {
            let edge = self
                .axis
                .nearest(step.map_or(Duration::ZERO, |step| step.at));
            self.law.below_edge(edge)
        };
        let low = ends(wait.checked_sub(1).and_then(|before| self.plan.get(before)));
        let high = ends(self.plan.get(wait));
        let share = self.jitter.share().clamp(0.1, 0.9);
        self.axis
            .time(self.law.edge_at((high - low).mul_add(share, low)))
    }

    /// The plan with one poll more. The polls after it that would be too close wait a little; where
    /// that would move the end of the hold there is no scout.
    fn scouting(&self, at: Duration) -> Arc<[Step]> {
        let floor = self.rules.min_interval;
        let place = self.plan.partition_point(|step| step.at <= at);
        let (before, after) = self.plan.split_at(place);
        let last = before.last().map_or(Duration::ZERO, |step| step.at);
        let scout = Step {
            at: at.max(last + floor),
            spread: Duration::ZERO,
        };
        let mut soonest = scout.at;
        let after = after.iter().map(|step| {
            let wait = step.at.saturating_sub(soonest).max(floor);
            soonest += wait;
            let spread = step.spread.min(wait.mul_f64(MOVED));
            Step {
                at: soonest,
                spread,
            }
        });
        let steps: Arc<[Step]> = before.iter().copied().chain([scout]).chain(after).collect();
        if steps.last().map(|step| step.at) == self.plan.last().map(|step| step.at) {
            steps
        } else {
            Arc::clone(&self.plan)
        }
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
        } else if self.unplanned >= (self.outcomes.len() / ANEW).max(1) {
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
            self.law = self.outcomes.law(&self.prior, &self.prior, ROUNDS_FAR);
            self.drift = Drift::default();
            self.axis = axis;
        }
        (self.rules, self.price, self.bend) = (rules, price, Bend::default());
        self.plan_and_bend();
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
        self.plan_and_bend();
    }

    /// Makes the plan, and others while the price has to be bent for it. A budget that binds has
    /// the last word: it does not bend.
    fn plan_and_bend(&mut self) {
        self.limit = plan::limit(&self.axis, &self.law);
        self.make_plan();
        let interval = match self.rules.no_worse_than {
            Some(interval) if !self.is_cold && self.price <= self.rules.price => interval,
            Some(_) | None => return,
        };
        let seen = self.outcomes.seen(&self.law);
        let fixed = self.brings(&seen, self.every(interval));
        for _ in 0..BENDS {
            let steps = self.plan.iter().map(|step| step.at.as_secs_f64());
            let plan = self.brings(&seen, steps);
            let scouts = self.scouting_rate();
            let plan = Expected {
                polls: plan.polls + scouts,
                ..plan
            };
            let (bend, is_noticed) = self.bend.after(plan, fixed);
            if !is_noticed {
                return;
            }
            self.bend = bend;
            self.make_plan();
        }
    }

    /// The instants of a fixed interval.
    fn every(&self, interval: Duration) -> impl Iterator<Item = f64> + use<> {
        let horizon = self.rules.horizon.as_secs_f64();
        let instants = (1..).map(move |poll: u32| interval.as_secs_f64() * f64::from(poll));
        instants.take_while(move |&at| at < horizon)
    }

    fn brings(&self, law: &Law, instants: impl Iterator<Item = f64>) -> Expected {
        let instants: Vec<f64> = instants.collect();
        plan::expected(&self.axis, law, &instants, &mut Vec::new())
    }

    fn make_plan(&mut self) {
        let terms = Terms {
            price: self.price().as_secs_f64(),
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

    /// What one poll is worth in delay now.
    pub fn price(&self) -> Duration {
        self.price.mul_f64(self.bend.factor())
    }

    /// What the plan is expected to bring.
    pub fn expected(&self) -> Expected {
        self.expected
    }

    /// The product of delay and polls that no schedule goes below where polls are many.
    pub fn limit(&self) -> f64 {
        self.limit
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

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        price: Duration::from_millis(50),
        no_worse_than: None,
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
