//! `[polling]`.
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Which law the instants of polling follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// Every `interval`.
    Fixed,
    /// `interval`, then half as long again each time, up to `max_interval`.
    Exponential,
    /// A plan made of how long the gateway's tasks have taken, and of the price of a poll.
    Learned,
}

/// What one poll is worth in delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Price {
    /// 50 ms, and more or less only where polls every `interval` would otherwise be fewer, or find
    /// results sooner, than the plan.
    Auto,
    /// Always this.
    Set(Duration),
}

impl Price {
    /// Where the price begins that nobody has set.
    const USUAL: Duration = Duration::from_millis(50);

    /// The price before it is bent.
    pub(super) const fn given(self) -> Duration {
        match self {
            Self::Auto => Self::USUAL,
            Self::Set(price) => price,
        }
    }

    /// The fixed interval that plans are to be no worse than.
    pub(super) const fn no_worse_than(self, interval: Duration) -> Option<Duration> {
        match self {
            Self::Auto => Some(interval),
            Self::Set(_) => None,
        }
    }
}

/// When polls are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `polling.schedule`.
    pub schedule: ScheduleKind,
    /// `polling.interval`: the fixed interval, the first one of the exponential schedule, or the one
    /// that the learned schedule is to be better than.
    pub interval: Duration,
    /// `polling.max_interval`: the longest wait between two polls: of the exponential and the learned
    /// schedule, of the backoff after failed polls, of what a `Retry-After` may ask for, and of every
    /// schedule once a hold has ended.
    pub max_interval: Duration,
    /// `polling.price`: what one poll is worth in delay; the one knob of the learned schedule.
    pub price: Price,
    /// `polling.min_interval`: the learned schedule polls no closer.
    pub min_interval: Duration,
    /// `polling.max_per_second`: the polls that a gateway takes in any second. What is beyond that
    /// waits for its turn, and the learned schedule raises the price until nothing is; 0 for no limit.
    pub max_per_second: u32,
    /// `polling.unknown_grace`: how long "unknown" must last before a task is given up.
    pub unknown_grace: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            schedule: ScheduleKind::Learned,
            interval: Duration::from_millis(500),
            max_interval: Duration::from_secs(10),
            price: Price::Auto,
            min_interval: Duration::from_millis(20),
            max_per_second: 0,
            unknown_grace: Duration::from_secs(5),
        }
    }
}
