//! The wait after a failure: doubling, bounded, and no shorter than the gateway asks for.
use std::time::Duration;

use super::config::Config;

/// How long to wait after failures in a row.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// The backoff that belongs to a schedule: it starts at the schedule's own interval.
    pub const fn new(config: &Config) -> Self {
        Self {
            first: config.interval,
            longest: config.max_interval,
        }
    }

    /// The wait after the `failures`-th failure in a row (the first is 1). `retry_after` is a lower
    /// bound, itself bounded by the longest wait: a gateway may ask for a day.
    pub fn delay(&self, failures: u32, retry_after: Option<Duration>) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        let own = self.first.saturating_mul(doubled).min(self.longest);
        own.max(self.clamped(retry_after))
    }

    /// What `Retry-After` asks for, within the longest wait; zero without one.
    pub fn clamped(&self, retry_after: Option<Duration>) -> Duration {
        retry_after.unwrap_or_default().min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backoff_doubles_and_heeds_retry_after_within_bounds() {
        let backoff = Backoff::new(&Config::default());
        assert_eq!(backoff.delay(1, None), Duration::from_millis(500));
        assert_eq!(backoff.delay(3, None), Duration::from_secs(2));
        assert_eq!(backoff.delay(u32::MAX, None), Duration::from_secs(10));
        assert_eq!(
            backoff.delay(1, Some(Duration::from_secs(3))),
            Duration::from_secs(3)
        );
        assert_eq!(
            backoff
                .delay(1, Some(Duration::from_secs(1_000_000_000)))
                .as_secs(),
            10
        );
    }
}
