//! The only place where the time of day and the monotonic clock are read.
use std::time::SystemTime;

use tokio::time::Instant;

use super::Moment;

/// The process's monotonic clock. It stands on tokio's, so tests may pause and advance it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// The present moment.
    pub fn now(&self) -> Moment {
        Moment::after_start(self.start.elapsed())
    }

    /// Waits until `moment`; returns at once if it has passed.
    pub async fn sleep_until(&self, moment: Moment) {
        tokio::time::sleep_until(self.start + moment.since_start()).await;
    }

    /// The moment as an instant of tokio's clock, for its own timers.
    pub fn instant(&self, moment: Moment) -> Instant {
        self.start + moment.since_start()
    }
}

/// The time of day. Deadlines never use it: it may jump.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the time of day"
)]
pub fn wall_clock() -> SystemTime {
    SystemTime::now()
}
