//! An instant on the process's monotonic clock, as plain data.
use std::fmt;
use std::num::NonZero;
use std::ops::{Add, Sub};
use std::time::Duration;

/// An instant, told as the nanoseconds since the process's [`Clock`](super::Clock) was made; what an
/// earlier process did has a moment before that. Being data it can be compared, stored and written
/// into tests.
///
/// Kept with its sign turned, so that later is greater and zero is free: an exchange remembers a dozen
/// moments that may not have come, and an `Option` of one is no larger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(NonZero<u64>);

/// What turns the sign of a number of nanoseconds.
const SIGN: u64 = 1 << 63;

impl Moment {
    /// The moment at which the clock was made.
    pub const START: Self = Self(NonZero::<u64>::MIN.saturating_add(SIGN - 1));

    /// The moment that lies `since_start` after the clock was made.
    pub fn after_start(since_start: Duration) -> Self {
        Self::START + since_start
    }

    /// The span since the clock was made; zero for a moment before that.
    pub fn since_start(self) -> Duration {
        self.since(Self::START)
    }

    /// The span from `earlier` to this moment; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(earlier.0.get()))
    }
}

impl Default for Moment {
    fn default() -> Self {
        Self::START
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = (self.0.get() ^ SIGN).cast_signed();
        formatter.debug_tuple("Moment").field(&nanos).finish()
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
        let turned = self.0.get().saturating_sub(nanos(span));
        Self(NonZero::new(turned).unwrap_or(NonZero::<u64>::MIN))
    }
}

/// 584 years, where a span is longer.
fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
