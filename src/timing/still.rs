//! A process that stood still: stopped by a signal, or with its machine. Its timers are over before it sees
//! what came meanwhile: after SIGCONT `epoll_wait` fails and tells of nothing (signal(7)), and then the timers
//! are looked at.
use std::time::Duration;

use super::{Clock, Moment};

/// A timer that is late by so much was not looked at: the process stood still. tokio's are late by
/// about a millisecond.
const STOOD_STILL: Duration = Duration::from_millis(10);

/// How long the process stood still beyond `due`, for which a timer was set; `None` where it did not.
pub fn stood_still(due: Moment, now: Moment) -> Option<Duration> {
    let late = now.since(due);
    (late >= STOOD_STILL).then_some(late)
}

impl Clock {
    /// Waits until `moment`, and where the process stood still beyond it, for as long again, but for
    /// `longest` at most: what came meanwhile is seen before the time is over.
    pub async fn wait_out(&self, moment: Moment, longest: Duration) {
        self.sleep_until(moment).await;
        let now = self.now();
        if let Some(late) = stood_still(moment, now) {
            self.sleep_until(now + late.min(longest)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// How long a wait of 100 ms takes where the process stands still for `still` in it.
    async fn waited(still: Duration, longest: Duration) -> Duration {
        let clock = Clock::start();
        let begun = clock.now();
        let mut wait = std::pin::pin!(clock.wait_out(begun + ms(100), longest));
        assert!(futures_util::poll!(&mut wait).is_pending());
        tokio::time::advance(still).await;
        wait.await;
        clock.now().since(begun)
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_process_stood_still_is_waited_once_more_within_bounds() {
        assert_eq!(waited(ms(50), ms(1000)).await, ms(100));
        assert_eq!(waited(ms(105), ms(1000)).await, ms(105));
        assert_eq!(waited(ms(150), ms(1000)).await, ms(200));
        assert_eq!(waited(ms(5000), ms(1000)).await, ms(6000));
    }
}
