//! An instant on the process's monotonic clock, as plain data.
use std::ops::Add;
use std::time::Duration;

/// An instant, told as the span since the process's [`Clock`](super::Clock) was made.
/// Being data it can be compared, stored and written into tests; it never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(Duration);

impl Moment {
    /// The moment at which the clock was made.
    pub const START: Self = Self(Duration::ZERO);

    /// The moment that lies `since_start` after the clock was made.
    pub const fn after_start(since_start: Duration) -> Self {
        Self(since_start)
    }

    /// The span since the clock was made.
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// The span from `earlier` to this moment; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }
}
