//! An instant on the process's monotonic clock, as plain data.
use std::ops::{Add, Sub};
use std::time::Duration;

/// An instant, told as the nanoseconds since the process's [`Clock`](super::Clock) was made; what an
/// earlier process did has a moment before that. Being data it can be compared, stored and written
/// into tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i64);

impl Moment {
    /// The moment at which the clock was made.
    pub const START: Self = Self(0);

    /// The moment that lies `since_start` after the clock was made.
    pub fn after_start(since_start: Duration) -> Self {
        Self(nanos(since_start))
    }

    /// The span since the clock was made; zero for a moment before that.
    pub fn since_start(self) -> Duration {
        self.since(Self::START)
    }

    /// The span from `earlier` to this moment; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        let span = self.0.saturating_sub(earlier.0);
        Duration::from_nanos(u64::try_from(span).unwrap_or_default())
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(nanos(span)))
    }
}

impl Sub<Duration> for Moment {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(span)))
    }
}

/// 292 years, where a span is longer.
fn nanos(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}
