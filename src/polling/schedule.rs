//! The schedule of a healthy task: how long to wait for the next poll.
use std::time::Duration;

use super::config::{Config, ScheduleKind};

/// A law for the spans between polls. Every schedule stands behind this one type, so that the
/// exchange does not know which it follows.
#[derive(Clone, Copy, Debug)]
pub enum Schedule {
    /// The same span each time.
    Fixed {
        /// The span.
        interval: Duration,
    },
    /// Each span half as long again as the one before.
    Exponential {
        /// The first span.
        first: Duration,
        /// The longest span.
        longest: Duration,
    },
}

impl Schedule {
    /// The schedule that the configuration asks for.
    pub const fn new(config: &Config) -> Self {
        match config.schedule {
            ScheduleKind::Fixed => Self::Fixed {
                interval: config.interval,
            },
            ScheduleKind::Exponential => Self::Exponential {
                first: config.interval,
                longest: config.max_interval,
            },
        }
    }

    /// How long to wait before the next poll when `polls` of this task were answered "running".
    pub fn delay(&self, polls: u32) -> Duration {
        match *self {
            Self::Fixed { interval } => interval,
            Self::Exponential { first, longest } => {
                /// After so many steps of one half, any first span has passed any longest one.
                const STEPS: u32 = 64;
                let grown = (0..polls.min(STEPS))
                    .fold(first, |span, _| span.saturating_add(span / 2).min(longest));
                grown.min(longest)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fixed_schedule_does_not_change() {
        let schedule = Schedule::new(&Config::default());
        assert_eq!(schedule.delay(0), Duration::from_millis(500));
        assert_eq!(schedule.delay(1000), Duration::from_millis(500));
    }

    #[test]
    fn the_exponential_schedule_grows_by_half_up_to_its_longest() {
        let config = Config {
            schedule: ScheduleKind::Exponential,
            ..Config::default()
        };
        let schedule = Schedule::new(&config);
        let delays: Vec<_> = (0..4)
            .map(|polls| schedule.delay(polls).as_millis())
            .collect();
        assert_eq!(delays, [500, 750, 1125, 1687]);
        assert_eq!(schedule.delay(u32::MAX), config.max_interval);
    }
}
