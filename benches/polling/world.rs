//! Exchanges in virtual time: each asks the learner for its polls, meets a task, and tells what its
//! polls found.
use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use holdline::polling::{Jitter, Learner, Mark, Rules, Schedule, SoFar, Took};
use holdline::timing::Moment;

use super::laws::{Brought, Law, brought};

/// The rules of every run at a price: what `[polling]` has by default, at the price of 50 ms.
pub(crate) const RULES: Rules = Rules {
    price: Duration::from_millis(50),
    no_worse_than: None,
    min_interval: Duration::from_millis(20),
    max_interval: Duration::from_secs(10),
    horizon: Duration::from_mins(5),
};

/// The price in seconds.
pub(crate) const PRICE: f64 = 0.05;

/// A gateway and what is learned of it.
pub(crate) struct World {
    learner: Learner,
    random: Rng,
    /// The share of polls that fail; each is followed by another, half a second later.
    failures: f64,
    /// The way to the gateway and back: no exchange asks again before it has its answer.
    round_trip: Duration,
    now: Moment,
    /// The time between two exchanges.
    apart: Duration,
    /// Whether exchanges begin while others run.
    is_crowded: bool,
    /// What those tell that run, by when they end.
    running: BTreeMap<(Moment, u64), Took>,
    begun: u64,
}

impl World {
    pub(crate) fn new(rules: Rules, seed: u64) -> Self {
        Self {
            learner: Learner::new(rules),
            random: Rng::with_seed(seed),
            failures: 0.0,
            round_trip: Duration::ZERO,
            now: Moment::START,
            apart: Duration::from_secs(1),
            is_crowded: false,
            running: BTreeMap::new(),
            begun: 0,
        }
    }

    /// Exchanges begin at their time, whether those before have ended or not.
    pub(crate) fn crowded(self) -> Self {
        Self {
            is_crowded: true,
            ..self
        }
    }

    /// So many exchanges a second, where there is one else.
    pub(crate) fn busy(self, per_second: u32) -> Self {
        let apart = Duration::from_secs(1) / per_second;
        Self { apart, ..self }
    }

    /// The way to the gateway and back takes so long.
    pub(crate) fn far(self, round_trip: Duration) -> Self {
        Self { round_trip, ..self }
    }

    pub(crate) fn failing(self, failures: f64) -> Self {
        Self { failures, ..self }
    }

    /// The instants at which one exchange polls.
    pub(crate) fn plan(&mut self) -> Vec<f64> {
        self.begin().0
    }

    fn begin(&mut self) -> (Vec<f64>, Mark) {
        let (steps, mark) = self.learner.begin(self.now);
        let end = steps.last().map(|step| step.at.saturating_sub(step.spread));
        let schedule = Schedule::Planned {
            steps,
            longest: RULES.max_interval,
            mark,
        };
        let mut jitter = Jitter::new(self.random.u64(..));
        let (mut instants, mut at, mut since) = (Vec::new(), Duration::ZERO, Duration::ZERO);
        while end.is_some_and(|end| at < end) {
            let so_far = SoFar {
                since,
                at,
                polls: 0,
                held: Duration::MAX,
            };
            at = since + schedule.wait(so_far, &mut jitter).span;
            since = at + self.round_trip;
            instants.push(at.as_secs_f64());
        }
        (instants, mark)
    }

    /// One exchange whose task is of this law; the plan that it followed.
    pub(crate) fn exchange(&mut self, law: Law) -> Vec<f64> {
        let (plan, took) = self.meet(law);
        if self.is_crowded {
            self.run(took);
        }
        self.now = self.now + self.apart;
        if self.is_crowded {
            self.hear();
        } else {
            self.learner.observe(took, self.now);
        }
        plan
    }

    /// So many exchanges that begin at once, until all have ended.
    pub(crate) fn burst(&mut self, law: Law, count: usize) {
        for _ in 0..count {
            let (_, took) = self.meet(law);
            self.run(took);
        }
        self.now = self.now + 2 * RULES.horizon;
        self.hear();
    }

    fn run(&mut self, took: Took) {
        let ends = self.now + took.by.unwrap_or(took.after);
        self.begun += 1;
        self.running.insert((ends, self.begun), took);
    }

    /// Exchanges that have ended tell of it, in the order in which they did.
    fn hear(&mut self) {
        while let Some(first) = self.running.first_entry()
            && first.key().0 <= self.now
        {
            let ((ended, _), took) = first.remove_entry();
            self.learner.observe(took, ended);
        }
    }

    /// The plan of an exchange that begins now, and what its polls tell of a task of this law.
    fn meet(&mut self, law: Law) -> (Vec<f64>, Took) {
        let (plan, mark) = self.begin();
        let task = law.draw(&mut self.random);
        let mut ran = 0.0;
        let mut found = None;
        for &planned in &plan {
            let mut instant = planned;
            while self.random.f64() < self.failures {
                instant += 0.5;
            }
            if instant < ran {
                continue;
            }
            if instant >= task {
                found = Some(Duration::from_secs_f64(instant));
                break;
            }
            ran = instant;
        }
        let took = Took {
            after: Duration::from_secs_f64(ran),
            by: found,
            mark,
            pending: 0,
        };
        (plan, took)
    }

    /// Outcomes that are remembered.
    pub(crate) fn known(&self) -> usize {
        self.learner.known()
    }

    /// So many exchanges; what their plans bring on average over `tasks`.
    pub(crate) fn exchanges(&mut self, law: Law, count: usize, tasks: &[f64]) -> Brought {
        let each = (0..count).map(|_| brought(&self.exchange(law), tasks));
        each.fold(Brought::default(), Brought::plus).over(count)
    }

    /// So many exchanges whose plans are not looked at.
    pub(crate) fn pass(&mut self, law: Law, count: usize) {
        for _ in 0..count {
            self.exchange(law);
        }
    }
}
