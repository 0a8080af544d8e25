//! When an exchange began, by clocks that go on while the machine sleeps.
use std::time::Duration;

use crate::timing::{Stamp, Stamps};

/// When an exchange began: its request was read, or its first record made, where an earlier process did that.
#[derive(Clone, Copy, Debug)]
pub(in crate::exchange) struct Began {
    /// As it was stamped then.
    pub(in crate::exchange) stamp: Stamp,
    /// The same moment by the clocks of this boot: the steps of its trail are counted from it.
    pub(in crate::exchange) origin: Stamp,
}

impl Began {
    /// One that this process began.
    pub(in crate::exchange) const fn here(stamp: Stamp) -> Self {
        let origin = stamp;
        Self { stamp, origin }
    }

    /// One of an earlier process: as long ago as the age of its stamp says.
    pub(in crate::exchange) fn earlier(stamp: Stamp, stamps: Stamps) -> Self {
        let origin = if stamps.now().is_of_boot(stamp) {
            stamp
        } else {
            stamps.of(stamps.moment(stamp))
        };
        Self { stamp, origin }
    }

    /// True if an earlier boot stamped it: only the time of day tells how long ago that was.
    pub(in crate::exchange) const fn is_of_earlier_boot(self) -> bool {
        !self.stamp.is_of_boot(self.origin)
    }

    /// How long ago it is at `now`.
    pub(in crate::exchange) const fn until(self, now: Stamp) -> Duration {
        now.since(self.origin)
    }

    /// The stamp of a step so long after it.
    pub(in crate::exchange) fn step(self, after: Duration) -> Stamp {
        self.origin.after(after)
    }
}
