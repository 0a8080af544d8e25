//! The learner: from what exchanges told to a law, from the law to a plan, from the plan to what one
//! exchange follows.
use std::sync::Arc;
use std::time::Duration;

use super::confidence::Confidence;
use super::drift::{Drift, Mark, NEARLY_ALL};
use super::in_force::{Basis, PlanInForce};
use super::known::Known;
use super::lookout::Lookout;
use super::scout::{Due, Scout, scouting};
use super::took::Took;
use crate::polling::laws::axis::Axis;
use crate::polling::laws::ground::Ground;
use crate::polling::laws::law::Law;
use crate::polling::laws::outcomes::Observed;
use crate::polling::laws::span::Span;
use crate::polling::planning::jitter::Jitter;
use crate::polling::planning::plan::{self, Expected};
use crate::polling::planning::rules::Rules;
use crate::polling::planning::step::Step;
use crate::timing::Moment;

/// Outcomes after which a plan is made of them.
const ENOUGH: usize = 5;

/// A law is fitted and a plan made when this part of the outcomes is new: both together take as long
/// as a dozen exchanges do.
const ANEW: usize = 10;

/// From this many outcomes on a law is known well, and fits are at least [`SOONEST`] apart: hundreds of
/// outcomes a second would else cost a tenth of the processor and teach nothing more.
const PLENTY: usize = 512;
const SOONEST: Duration = Duration::from_secs(1);

/// What is known of the tasks of one route of one gateway, and the plan made of it.
#[derive(Clone, Debug)]
pub struct Learner {
    rules: Rules,
    known: Known,
    drift: Drift,
    plan: PlanInForce,
    /// Outcomes since the last fit of the law, and when that was.
    unplanned: usize,
    planned_at: Moment,
    scouts: Due,
    /// If true, the last scout for quick tasks looked in the longest wait, else in the first. It alternates,
    /// but is frozen while drift is suspected.
    looks_farther: bool,
    jitter: Jitter,
}

impl Learner {
    /// A learner that knows nothing yet.
    pub fn new(rules: Rules) -> Self {
        Self::on(Ground::up_to(rules.horizon), rules)
    }

    /// A learner that knows nothing yet, on the ground up to the horizon of the rules.
    pub(in crate::polling) fn on(ground: Arc<Ground>, rules: Rules) -> Self {
        let mut learner = Self {
            rules,
            known: Known::nothing(ground),
            drift: Drift::default(),
            plan: PlanInForce::nothing(&rules),
            unplanned: 0,
            planned_at: Moment::START,
            scouts: Due::default(),
            looks_farther: true,
            jitter: Jitter::new(0),
        };
        learner.replan();
        learner
    }

    /// A learner that knows what another had seen, the newest first.
    pub(in crate::polling) fn restored(ground: Arc<Ground>, rules: Rules, seen: Vec<Span>) -> Self {
        let mut learner = Self::on(ground, rules);
        learner.known.restore(seen);
        learner.replan();
        learner
    }

    /// What it has seen, the newest first.
    pub(in crate::polling) fn seen(&self) -> impl Iterator<Item = Span> {
        self.known.seen()
    }

    /// The polls of one exchange that begins now, and its mark, which goes back with its outcome.
    pub fn begin(&mut self, now: Moment) -> (Arc<[Step]>, Mark) {
        let (axis, law) = self.law();
        let usual = law.quantile(axis, NEARLY_ALL);
        let usual = usual.map_or(self.rules.horizon, Duration::from_secs_f64);
        (self.steps(), self.drift.mark(now, usual))
    }

    /// Most get the plan; a few scout.
    fn steps(&mut self) -> Arc<[Step]> {
        if self.plan.is_cold() {
            return Arc::clone(self.plan.steps());
        }
        let due = self.scouts.next(self.plan.scouts(self.known()));
        let scout = if self.drift.is_suspicious() {
            Some(Scout::Quick)
        } else {
            self.looks_farther ^= due == Some(Scout::Quick);
            due
        };
        let at = match scout {
            Some(Scout::Quick) => {
                let is_doubted = self.drift.is_suspicious();
                let lookout = self.lookout();
                Some(lookout.where_none_should_end(self.looks_farther, is_doubted))
            }
            Some(Scout::Within) => {
                let shares = [(); 3].map(|()| self.jitter.share());
                self.lookout()
                    .where_tasks_end(self.known.outcomes(), shares)
            }
            None => None,
        };
        let steps = at.and_then(|at| scouting(self.plan(), at, self.rules.min_interval));
        steps.unwrap_or_else(|| Arc::clone(self.plan.steps()))
    }

    /// What a scout looks at.
    fn lookout(&self) -> Lookout<'_> {
        Lookout {
            axis: self.known.axis(),
            law: self.known.law(),
            plan: self.plan.steps(),
            floor: self.rules.min_interval,
        }
    }

    /// Takes what an exchange tells. True if a plan was made anew.
    pub fn observe(&mut self, took: Took, now: Moment) -> bool {
        let observed = self.known.add(Span::new(took.after, took.by));
        self.unplanned += 1;
        let is_heard = self.drift.hears(took.mark);
        let may_have_moved = is_heard && !self.plan.is_cold();
        if let Some(outcomes) = may_have_moved.then(|| self.alarm(observed)).flatten() {
            self.known.drop_law(outcomes);
        } else if !self.is_due(observed, now) {
            return false;
        }
        self.planned_at = now;
        self.replan();
        true
    }

    /// True if it is time for another fit: enough outcomes are new, or a sharp poll found its task still
    /// running; and where [`PLENTY`] are known the last fit is old enough.
    fn is_due(&self, observed: Observed, now: Moment) -> bool {
        let known = self.known();
        let is_rested = known < PLENTY || now.since(self.planned_at) >= SOONEST;
        let ran = Duration::from_secs_f64(observed.span().after());
        let mut sharp = self.plan().iter().filter(|step| step.is_sharp);
        let is_late = sharp.any(|step| step.at.saturating_sub(step.spread) <= ran);
        is_rested && (is_late || self.unplanned >= (known / ANEW).max(1))
    }

    /// How many of the latest outcomes show that the law has moved, if this one makes that certain.
    fn alarm(&mut self, observed: Observed) -> Option<usize> {
        let (low, high) = self.known.shares(observed);
        let prior = self.known.prior_share(observed);
        self.drift.add(low, high, prior)
    }

    /// Puts `rules` in force, at a price, on the ground up to their horizon. What was learned stays. True if
    /// the rules have changed.
    pub(in crate::polling) fn follow(
        &mut self,
        ground: &Arc<Ground>,
        rules: Rules,
        price: Duration,
    ) -> bool {
        if rules == self.rules {
            let (plan, basis) = self.planning();
            plan.give(price, basis);
            return false;
        }
        if rules.horizon != self.rules.horizon {
            self.known.move_to(ground);
            self.drift = Drift::default();
        }
        self.rules = rules;
        let (plan, basis) = self.planning();
        plan.follow(price, basis);
        true
    }

    fn replan(&mut self) {
        self.unplanned = 0;
        self.known.fit(self.rules.horizon);
        let is_cold = self.known() < ENOUGH;
        let (plan, basis) = self.planning();
        plan.make(basis, is_cold);
    }

    /// The plan, and what it is made of.
    const fn planning(&mut self) -> (&mut PlanInForce, Basis<'_>) {
        let basis = Basis {
            rules: &self.rules,
            known: &self.known,
        };
        (&mut self.plan, basis)
    }

    /// What one poll is worth in delay now.
    pub fn price(&self) -> Duration {
        self.plan.price()
    }

    /// What one poll would be worth in delay by `rules`, if the price `given` were in force.
    pub(in crate::polling) fn price_at(&self, rules: &Rules, given: Duration) -> Duration {
        if *rules == self.rules {
            self.plan.price_at(rules, given)
        } else {
            given
        }
    }

    /// What the plan is expected to bring.
    pub fn expected(&self) -> Expected {
        self.plan.expected()
    }

    /// The product of delay and polls that no schedule goes below where polls are many.
    pub fn limit(&self) -> f64 {
        self.plan.limit()
    }

    /// Outcomes that are remembered.
    pub fn known(&self) -> usize {
        self.known.outcomes().len()
    }

    /// What they count together: the older ones count less.
    pub(in crate::polling) fn weight(&self) -> f64 {
        self.known.outcomes().weight()
    }

    /// The law, and the axis that it is told on.
    pub(in crate::polling) fn law(&self) -> (&Axis, &Law) {
        (self.known.axis(), self.known.law())
    }

    /// What it keeps to.
    pub(in crate::polling) const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The plan in force, without scouts.
    pub(in crate::polling) fn plan(&self) -> &[Step] {
        self.plan.steps()
    }

    /// How far the plan rests on what was seen.
    pub(in crate::polling) fn confidence(&self) -> Confidence {
        if self.plan.is_cold() {
            Confidence::Cold
        } else if self.drift.is_suspicious() {
            Confidence::Doubted
        } else {
            Confidence::Sure
        }
    }

    /// How long a result waited to be found, by the law, if its task ended between `after` and `by`: the mean
    /// of what is left of that wait when the task ends.
    pub fn delay(&self, after: Duration, by: Duration) -> Duration {
        let (axis, law) = self.law();
        let observed = Observed::new(axis, Span::new(after, Some(by)));
        let within = plan::delay_within(axis, law, observed.after(), observed.by());
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

    /// One exchange whose task ended between these.
    fn tell(learner: &mut Learner, after: Duration, by: Duration, now: Moment) -> bool {
        let took = Took {
            after,
            by: Some(by),
            mark: learner.begin(now).1,
            pending: 0,
        };
        learner.observe(took, now)
    }

    /// So many exchanges whose tasks ended between these, in milliseconds.
    fn know(learner: &mut Learner, outcomes: usize, [after, by]: [u64; 2]) {
        let [after, by] = [after, by].map(Duration::from_millis);
        for _ in 0..outcomes {
            tell(learner, after, by, Moment::START);
        }
    }

    #[test]
    fn who_knows_nothing_has_the_cold_plan_to_the_end_of_the_hold() {
        let steps = Learner::new(RULES).steps();
        let instants: Vec<u128> = steps.iter().map(|step| step.at.as_millis()).collect();
        let first = [400, 800, 1300, 2000, 3000, 4500, 6500, 9000, 12_000, 16_000];
        assert_eq!(instants[..10], first);
        assert_eq!(instants.last(), Some(&300_000));
    }

    #[test]
    fn tasks_of_three_seconds_are_not_asked_for_before() {
        let mut learner = Learner::new(RULES);
        know(&mut learner, 60, [2900, 3100]);
        let first = learner.plan()[0].at;
        assert!((2_900..3_300).contains(&first.as_millis()), "{first:?}");
    }

    #[test]
    fn a_law_that_has_moved_is_dropped_within_a_few_outcomes() {
        let mut learner = Learner::new(RULES);
        know(&mut learner, 200, [2900, 3100]);
        let mut outcomes = 0;
        while learner.known() > 100 {
            know(&mut learner, 1, [0, 1000]);
            outcomes += 1;
        }
        assert!(outcomes < 6, "{outcomes}");
    }

    #[test]
    fn hundreds_of_outcomes_a_second_make_a_plan_once_a_second_and_a_shift_makes_one_at_once() {
        let mut learner = Learner::new(RULES);
        let mut outcomes = 0_u32;
        let mut plans = |millis: u64, count: u32| {
            let told = (0..count).map(|_| {
                outcomes += 1;
                let now = Moment::after_start(Duration::from_secs(1) * outcomes / 2_000);
                let [after, by] = [millis, millis + 200].map(Duration::from_millis);
                tell(&mut learner, after, by, now)
            });
            told.filter(|is_planned| *is_planned).count()
        };
        assert!(
            plans(2900, 512) > 50,
            "what is little known is learned fast"
        );
        assert!((2..=4).contains(&plans(2900, 6_000)));
        assert!(plans(900, 512) > 50, "what has moved is little known");
        assert!((2..=4).contains(&plans(900, 6_000)));
    }

    #[test]
    fn the_delay_within_a_wait_is_shorter_where_tasks_end_late_in_it() {
        let mut learner = Learner::new(RULES);
        know(&mut learner, 200, [2900, 3100]);
        let late = learner.delay(Duration::from_secs(1), Duration::from_secs(3));
        let early = learner.delay(Duration::from_secs(3), Duration::from_secs(5));
        assert!(late < Duration::from_millis(300), "{late:?}");
        assert!(early > Duration::from_millis(1500), "{early:?}");
    }

    /// Exchanges of tasks that all take so long, each polled as it is told.
    fn pass(learner: &mut Learner, task: Duration, exchanges: usize) {
        for _ in 0..exchanges {
            let (steps, mark) = learner.begin(Moment::START);
            let place = steps.partition_point(|step| step.at < task);
            let ran = place.checked_sub(1).and_then(|place| steps.get(place));
            let took = Took {
                after: ran.map_or(Duration::ZERO, |step| step.at),
                by: steps.get(place).map(|step| step.at),
                mark,
                pending: 0,
            };
            learner.observe(took, Moment::START);
        }
    }

    #[test]
    fn tasks_that_always_take_the_same_time_have_one_sharp_poll_just_after_it() {
        // How late is luck: scouts draw where they look, and an edge that is near enough is not looked for on.
        for (millis, latest) in [(300, 1), (2_000, 1), (5_000, 7), (7_000, 7)] {
            let task = Duration::from_millis(millis);
            let mut learner = Learner::new(RULES);
            pass(&mut learner, task, 300);
            let first = learner.plan()[0];
            let late = first.at.checked_sub(task);
            let is_soon = late.is_some_and(|late| late.as_millis() <= latest);
            assert!(is_soon, "{first:?}");
            assert!(first.is_sharp && first.spread.as_millis() < 1, "{first:?}");
            let sharp = learner.plan().iter().filter(|step| step.is_sharp);
            assert_eq!(sharp.count(), 1);
        }
    }

    #[test]
    fn a_sharp_poll_that_finds_nothing_is_moved_at_once() {
        let mut learner = Learner::new(RULES);
        let mut now = Moment::START;
        let mut tell = |learner: &mut Learner, after: u64, by: u64| {
            now = now + Duration::from_secs(1);
            let [after, by] = [after, by].map(Duration::from_micros);
            tell(learner, after, by, now)
        };
        for _ in 0..800 {
            tell(&mut learner, 1_999_000, 2_000_000);
        }
        let first = learner.plan()[0].at;
        while tell(&mut learner, 1_999_000, 2_000_000) {}
        let ran = u64::try_from(first.as_micros()).unwrap() + 1;
        assert!(tell(&mut learner, ran, ran + 20_000), "a plan is made");
    }

    #[test]
    fn a_wide_law_has_no_sharp_poll() {
        let mut learner = Learner::new(RULES);
        for outcome in 0..200 {
            let after = Duration::from_millis(500 + 20 * (outcome * 37 % 100));
            tell(
                &mut learner,
                after,
                after + Duration::from_millis(300),
                Moment::START,
            );
        }
        assert!(learner.plan().iter().all(|step| !step.is_sharp));
    }
}
