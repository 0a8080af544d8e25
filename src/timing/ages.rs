//! How old the stamps of earlier processes are, where nobody may believe the time of day.
use std::time::Duration;

use super::{Moment, Stamp, Stamps};

/// A boot of the machine, by two stamps of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boot {
    /// The first that is known.
    pub first: Stamp,
    /// The last that is known.
    pub last: Stamp,
}

/// The ages of stamps. The clock of each boot tells how long it ran at least, and of the time between
/// two boots the time of day alone tells: it may be wrong by years after one, and what seems old would be
/// forgotten at once. So that time is not counted. Nor is a boot that was not found, as where a journal was
/// moved to another machine and back: too young is forgotten later, which costs room and charges nobody.
#[derive(Clone, Debug)]
pub struct Ages {
    stamps: Stamps,
    boots: Vec<Boot>,
}

impl Ages {
    /// Ages of what was stamped in these boots, in their order.
    pub fn new(stamps: Stamps, mut boots: Vec<Boot>) -> Self {
        let start = stamps.of(Moment::START);
        if let Some(newest) = boots.last_mut()
            && newest.first.boot == start.boot
        {
            newest.last = start;
        }
        Self { stamps, boots }
    }

    /// How long ago a stamp was made at least. What was stamped later is never older.
    pub fn age(&self, stamp: Stamp) -> Duration {
        let now = self.stamps.now();
        if now.is_of_boot(stamp) {
            return now.since(stamp);
        }
        let run = now.since(self.stamps.of(Moment::START));
        let mut since_last = run;
        for boot in self.boots.iter().rev() {
            if boot.last.boot == stamp.boot {
                return boot.last.since(stamp) + since_last;
            }
            since_last += boot.last.since(boot.first);
        }
        run
    }

    /// The moment from which something is remembered that an earlier process stamped.
    pub fn remembered_since(&self, stamp: Stamp) -> Moment {
        self.stamps.present() - self.age(stamp)
    }

    /// The stamps that they are held against.
    pub const fn stamps(&self) -> Stamps {
        self.stamps
    }
}

#[cfg(test)]
mod tests {
    use super::super::Clock;
    use super::*;

    const HOUR: u64 = 3_600_000;
    const YEAR: u64 = 365 * 24 * HOUR;

    /// At an hour of the first boot's clock, and of a time of day that is `ahead` of it.
    const fn stamp(boot: u64, hours: u64, ahead: u64) -> Stamp {
        Stamp {
            wall: YEAR + hours * HOUR + ahead,
            since_boot: hours * HOUR,
            boot,
        }
    }

    fn hours(age: Duration) -> u64 {
        age.as_secs() / 3600
    }

    fn ages(now: Stamp, boots: &[(Stamp, Stamp)]) -> Ages {
        let boots = boots.iter().map(|&(first, last)| Boot { first, last });
        Ages::new(Stamps::new(Clock::start(), now), boots.collect())
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_of_day_that_jumped_ahead_makes_nothing_older() {
        let first = (stamp(1, 1, 0), stamp(1, 5, 0));
        // The second boot is a year ahead, and so is the third.
        let second = (stamp(2, 2, YEAR), stamp(2, 4, YEAR));
        let ages = ages(stamp(3, 1, YEAR), &[first, second]);
        assert_eq!(hours(ages.age(first.0)), 4 + 2);
        assert_eq!(hours(ages.age(first.1)), 2);
        assert_eq!(hours(ages.age(second.1)), 0);
        assert_eq!(hours(ages.age(stamp(9, 1, 0))), 0, "of no known boot");
        tokio::time::advance(Duration::from_hours(7)).await;
        assert_eq!(hours(ages.age(first.0)), 4 + 2 + 7);
        assert_eq!(hours(ages.age(stamp(9, 1, 0))), 7);
        let since = ages.remembered_since(first.1);
        assert_eq!(ages.stamps().present() - Duration::from_hours(9), since);
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_of_day_that_went_back_makes_nothing_younger() {
        let first = (stamp(1, 1, YEAR), stamp(1, 5, YEAR));
        let ages = ages(stamp(2, 1, 0), &[first]);
        assert_eq!(hours(ages.age(first.0)), 4);
        assert_eq!(hours(ages.age(first.1)), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_earlier_process_of_this_boot_counts_to_the_present() {
        let first = (stamp(1, 1, 0), stamp(1, 5, 0));
        let here = (stamp(2, 2, YEAR), stamp(2, 3, YEAR));
        let ages = ages(stamp(2, 10, YEAR), &[first, here]);
        assert_eq!(hours(ages.age(here.0)), 8);
        assert_eq!(hours(ages.age(first.1)), 8);
    }
}
