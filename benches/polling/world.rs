//! Exchanges in virtual time: each asks the learner for its polls, meets a task, and tells what its
//! polls found.
use std::time::Duration;

use fastrand::Rng;
use holdline::polling::{Learner, Rules};
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
    now: Moment,
    /// The time between two exchanges.
    apart: Duration,
}

impl World {
    pub(crate) fn new(rules: Rules, seed: u64) -> Self {
        Self {
            learner: Learner::new(rules),
            random: Rng::with_seed(seed),
            failures: 0.0,
            now: Moment::START,
            apart: Duration::from_secs(1),
        }
    }

    /// So many exchanges a second, where there is one else.
    pub(crate) fn busy(self, per_second: u32) -> Self {
        let apart = Duration::from_secs(1) / per_second;
        Self { apart, ..self }
    }

    pub(crate) fn failing(self, failures: f64) -> Self {
        Self { failures, ..self }
    }

    /// The instants at which one exchange polls.
    pub(crate) fn plan(&mut self) -> Vec<f64> {
        let steps = self.learner.steps();
        let moved = steps.iter().map(|step| {
            let spread = step.spread.as_secs_f64();
            step.at.as_secs_f64() + spread * (2.0 * self.random.f64() - 1.0)
        });
        moved.collect()
    }

    /// One exchange whose task is of this law; the plan that it followed.
    pub(crate) fn exchange(&mut self, law: Law) -> Vec<f64> {
        let plan = self.plan();
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
        self.now = self.now + self.apart;
        let ran = Duration::from_secs_f64(ran);
        self.learner.observe(ran, found, self.now);
        plan
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
