//! How polling stands on one route of a gateway, as its operator sees it: numbers, the learned law and
//! the curve of what is possible. It holds no ids and nothing of any payment.
use serde::{Deserialize, Serialize};

use super::curve;
use crate::elementary::Elementary;
use crate::polling::config::ScheduleKind;
use crate::polling::learning::confidence::Confidence;
use crate::polling::planning::plan::Expected;

/// How polling stands on one route of a gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Picture {
    /// The gateway's name.
    pub gateway: String,
    /// The operation.
    pub route: String,
    /// `polling.schedule`.
    pub schedule: ScheduleKind,
    /// `polling.interval`.
    pub interval_seconds: f64,
    /// What was seen lately; absent before the first result.
    pub measured: Option<Measured>,
    /// What is learned; absent unless the schedule is.
    pub learned: Option<Learned>,
}

/// Polls of an exchange, and how long its result waits to be found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Brings {
    /// Polls on average, the one that finds the result included.
    pub polls: f64,
    /// The wait on average, round trips excluded.
    pub delay_seconds: f64,
}

impl From<Expected> for Brings {
    fn from(expected: Expected) -> Self {
        Self {
            polls: expected.polls,
            delay_seconds: expected.delay,
        }
    }
}

/// What polls really brought, the latest exchanges counting most. The delay is estimated: nobody tells
/// when a result came to be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Exchanges whose results were found since the start of the process.
    pub exchanges: u64,
    /// Their means.
    #[serde(flatten)]
    pub brings: Brings,
}

/// `polling.max_per_second`, and what is used of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Budgeted {
    /// Polls a second that the gateway takes.
    pub max_per_second: f64,
    /// Polls a second that it was sent lately.
    pub per_second: f64,
}

/// What is learned of a route's tasks, and what follows from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    /// How far the plan rests on it.
    pub confidence: Confidence,
    /// Exchanges that are remembered.
    pub exchanges: usize,
    /// What they count together: the older ones count less.
    pub weight: f64,
    /// `polling.price`, as it is before it is bent.
    pub price_seconds: f64,
    /// The price in force: another one where `auto` bends it, more while the budget binds or the gateway
    /// pushes back.
    pub price_in_force_seconds: f64,
    /// Of all routes of the gateway; absent without a limit.
    pub budget: Option<Budgeted>,
    /// Half of the tasks are done by then; absent, here and below, if that is beyond the longest hold.
    pub median_seconds: Option<f64>,
    /// Nine of ten are.
    pub p90_seconds: Option<f64>,
    /// Ninety-nine of a hundred are.
    pub p99_seconds: Option<f64>,
    /// The law: shares of the tasks by how long they take. What lies beside the bins is rare.
    pub bins: Vec<Bin>,
    /// What the plan in force is expected to bring.
    pub plan: Brings,
    /// When it polls, after the acceptance: the first instants.
    pub instants_seconds: Vec<f64>,
    /// Those of them that are sharp: most tasks that are left end right before, so that the poll is not
    /// rounded to the grid of wake-ups.
    #[serde(default)]
    pub sharp_seconds: Vec<f64>,
    /// How many instants it has until the longest hold ends.
    pub instants: usize,
    /// What a poll every `polling.interval` would bring; absent if that would be too many to count.
    pub fixed: Option<Brings>,
    /// The least delay for so many polls, from few polls to many.
    pub curve: Vec<Corner>,
    /// K: where polls are many no schedule brings delay times polls below it.
    pub limit_seconds: f64,
    /// Delay times polls of the plan in force, over K.
    pub over_limit: f64,
}

impl Learned {
    /// True if the plan's poll at this instant is sharp.
    pub fn is_sharp(&self, instant: f64) -> bool {
        self.sharp_seconds.contains(&instant)
    }

    /// True if the price in force is another than the configured one by more than a hair.
    pub fn is_price_moved(&self) -> bool {
        let moved = self.price_in_force_seconds / self.price_seconds - 1.0;
        moved.abs() > 0.01
    }
}

/// A part of the law.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Where it begins.
    pub from_seconds: f64,
    /// Where it ends.
    pub to_seconds: f64,
    /// The share of all tasks that end in it.
    pub share: f64,
}

/// A corner of the curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Corner {
    /// The price whose best plan this is.
    pub price_seconds: f64,
    /// What that plan brings.
    #[serde(flatten)]
    pub brings: Brings,
}

impl From<curve::Optimum> for Corner {
    fn from(corner: curve::Optimum) -> Self {
        Self {
            price_seconds: corner.price,
            brings: corner.brings.into(),
        }
    }
}

#[cfg(test)]
impl Picture {
    /// A route that is known well, one of which nothing is known yet, and one with a fixed schedule, as
    /// a running holdline told them.
    pub(crate) fn samples() -> Vec<Self> {
        let lines = include_str!("pictures.jsonl").lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl Learned {
    /// The least delay of any schedule with so many polls, read off the curve: between two corners it
    /// runs as a power of the polls. `None` beside its ends.
    pub fn least_delay(&self, polls: f64) -> Option<f64> {
        self.curve.windows(2).find_map(|pair| {
            let [Corner { brings: from, .. }, Corner { brings: to, .. }] = pair else {
                return None;
            };
            if !(from.polls..=to.polls).contains(&polls) {
                return None;
            }
            let share = (polls / from.polls).logarithm() / (to.polls / from.polls).logarithm();
            let falls = (to.delay_seconds / from.delay_seconds).to_power(share);
            Some(from.delay_seconds * falls)
        })
    }
}
