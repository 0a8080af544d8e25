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
    /// The longest wait of a plan: a twentieth more than is given, as jitter makes the waits of other
    /// schedules a tenth longer. Else tasks of twice the longest wait, which are a little longer most times, had
    /// three polls. It is never below the shortest wait, which nobody holds against it while another
    /// schedule is in force.
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
