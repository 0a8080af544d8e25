//! The wait after a failure: doubling, bounded, and no shorter than the gateway asks for.
use std::time::Duration;

use super::config::Config;
use super::planning::jitter::Jitter;
use super::schedule::Wait;

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

    /// The wait until the next poll after `failures` in a row: [`delay`](Self::delay), moved a little, and
    /// shortened so that a last poll comes before the hold ends, of which `held` is left. Only `retry_after`
    /// makes it longer again.
    pub fn wait(
        &self,
        failures: u32,
        retry_after: Option<Duration>,
        held: Duration,
        jitter: &mut Jitter,
    ) -> Wait {
        let own = Wait::from(jitter.spread(self.delay(failures, None)));
        own.before_the_end(held).at_least(self.clamped(retry_after))
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

    #[test]
    fn polls_that_fail_are_spread_and_made_once_more_before_the_hold_ends() {
        let (backoff, mut jitter) = (Backoff::new(&Config::default()), Jitter::new(7));
        let mut wait = |retry_after: Option<u64>, held| {
            let retry_after = retry_after.map(Duration::from_secs);
            let held = Duration::from_secs(held);
            backoff
                .wait(5, retry_after, held, &mut jitter)
                .span
                .as_millis()
        };
        let waits: Vec<u128> = (0..20).map(|_| wait(None, 60)).collect();
        assert!(waits.iter().all(|wait| (7_200..=8_800).contains(wait)));
        assert!(waits.iter().any(|wait| *wait != waits[0]), "{waits:?}");
        assert_eq!(wait(None, 4), 3_500);
        assert_eq!(wait(Some(9), 4), 9_000);
        assert!(wait(None, 0) >= 7_200);
    }
}
