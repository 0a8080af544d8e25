//! What a learner is given to keep to.
use std::time::Duration;

use super::plan::Terms;

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

impl Rules {
    /// The longest wait of a plan: `max_interval` plus 5 %. Without the margin a task that takes slightly
    /// more than two such waits would need a third poll. At least `min_interval`: the two are only checked
    /// against each other while `learned` is in force.
    pub fn longest(&self) -> Duration {
        (self.max_interval * 21 / 20).max(self.min_interval)
    }

    /// The terms of a plan at this price, in seconds.
    pub(in crate::polling) fn terms(&self, price: f64) -> Terms {
        Terms {
            price,
            floor: self.min_interval.as_secs_f64(),
            ceiling: self.longest().as_secs_f64(),
            horizon: self.horizon.as_secs_f64(),
        }
    }
}
