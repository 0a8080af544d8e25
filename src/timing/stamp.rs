//! A moment that outlives the process: for what is written to disk.
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

use super::{Clock, Moment, wall_clock};

/// When something was written: by the time of day, and by the clock of the machine's boot, which no
/// one can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// Milliseconds since 1970 by the time of day.
    pub wall: u64,
    /// Milliseconds since the boot that the machine was awake, as the process's clock counts them.
    pub since_boot: u64,
    /// Which boot; 0 where the system does not tell.
    pub boot: u64,
}

impl Stamp {
    /// The span from `earlier` to this stamp. Within one boot a clock tells it that nobody sets;
    /// across boots the time of day has to, and where that went back, no time has passed.
    pub const fn since(self, earlier: Self) -> Duration {
        let millis = if self.is_of_boot(earlier) {
            self.since_boot.saturating_sub(earlier.since_boot)
        } else {
            self.wall.saturating_sub(earlier.wall)
        };
        Duration::from_millis(millis)
    }

    /// True if both were made within one boot, so that a clock which nobody sets tells the span
    /// between them.
    pub const fn is_of_boot(self, other: Self) -> bool {
        self.boot == other.boot && self.boot != 0
    }

    /// True if both clocks tell the same span since `earlier`, nearly. They do not where the machine
    /// slept meanwhile, was booted, or had its time of day set.
    pub const fn is_sure_since(self, earlier: Self) -> bool {
        /// What drifts, and what a time of day that is slewed makes up for, in milliseconds.
        const NEARLY: u64 = 5 * 60 * 1000;
        let by_boot = self.since_boot.saturating_sub(earlier.since_boot);
        let by_day = self.wall.saturating_sub(earlier.wall);
        self.is_of_boot(earlier) && by_boot.abs_diff(by_day) <= NEARLY
    }

    /// The present, by the clocks of this system. Linux tells which boot it is (`random(4)`);
    /// elsewhere the time of day has to do.
    pub fn of_this_system() -> Self {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let digits = boot.chars().filter(char::is_ascii_hexdigit).take(16);
        let since_boot = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
        let wall = wall_clock().duration_since(UNIX_EPOCH);
        Self {
            wall: millis(wall.unwrap_or_default()),
            since_boot: millis(since_boot.unwrap_or_default()),
            boot: u64::from_str_radix(&digits.collect::<String>(), 16).unwrap_or_default(),
        }
    }

    /// The stamp as a time of day.
    pub fn time_of_day(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.wall)
    }
}

/// Makes stamps: one reading of the system's clocks at the start, and the process's clock from there
/// on.
#[derive(Clone, Copy, Debug)]
pub struct Stamps {
    start: Stamp,
    clock: Clock,
}

impl Stamps {
    /// Stamps by `clock`, which reads `now` at this moment.
    pub fn new(clock: Clock, now: Stamp) -> Self {
        let span = millis(clock.now().since_start());
        let start = Stamp {
            wall: now.wall.saturating_sub(span),
            since_boot: now.since_boot.saturating_sub(span),
            boot: now.boot,
        };
        Self { start, clock }
    }

    /// The present.
    pub fn now(&self) -> Stamp {
        self.of(self.present())
    }

    /// The present, as the process's clock tells it.
    pub fn present(&self) -> Moment {
        self.clock.now()
    }

    /// A moment of the process, or one before it, for what outlives it.
    pub fn of(&self, moment: Moment) -> Stamp {
        let after = millis(moment.since_start());
        let before = millis(Moment::START.since(moment));
        let at = |start: u64| start.saturating_add(after).saturating_sub(before);
        Stamp {
            wall: at(self.start.wall),
            since_boot: at(self.start.since_boot),
            boot: self.start.boot,
        }
    }

    /// The moment of something that an earlier process stamped: as long before now as its age says.
    pub fn moment(&self, stamp: Stamp) -> Moment {
        let now = self.clock.now();
        now - self.now().since(stamp)
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn stamp(wall: u64, since_boot: u64, boot: u64) -> Stamp {
        Stamp {
            wall,
            since_boot,
            boot,
        }
    }

    #[test]
    fn within_a_boot_the_time_of_day_may_jump() {
        let earlier = stamp(10_000, 500, 7);
        assert_eq!(
            stamp(3_610_000, 900, 7).since(earlier),
            Duration::from_millis(400)
        );
        assert_eq!(stamp(0, 900, 7).since(earlier), Duration::from_millis(400));
    }

    #[test]
    fn across_boots_the_time_of_day_tells_and_never_a_negative_span() {
        let earlier = stamp(10_000, 500, 7);
        assert_eq!(stamp(12_000, 5, 8).since(earlier), Duration::from_secs(2));
        assert_eq!(stamp(9_000, 5, 8).since(earlier), Duration::ZERO);
        let unknown = stamp(10_000, 500, 0);
        assert_eq!(
            stamp(11_000, 9_999, 0).since(unknown),
            Duration::from_secs(1)
        );
    }

    #[test]
    fn an_age_is_sure_where_both_clocks_tell_it() {
        const HOUR: u64 = 3_600_000;
        let earlier = stamp(10 * HOUR, HOUR, 7);
        assert!(stamp(15 * HOUR, 6 * HOUR + 9, 7).is_sure_since(earlier));
        for (why, now) in [
            ("it slept", stamp(35 * HOUR, 2 * HOUR, 7)),
            ("the time went back", stamp(9 * HOUR, 2 * HOUR, 7)),
            ("another boot", stamp(15 * HOUR, 6 * HOUR, 8)),
            ("no boot", stamp(15 * HOUR, 6 * HOUR, 0)),
        ] {
            assert!(!now.is_sure_since(earlier), "{why}");
        }
    }

    #[test]
    fn a_stamp_of_an_earlier_process_is_a_moment_before_this_one() {
        let now = Stamp::of_this_system();
        let stamps = Stamps::new(Clock::start(), now);
        let hour = 3_600_000;
        let earlier = Stamp {
            wall: now.wall - hour,
            since_boot: now.since_boot,
            boot: now.boot.wrapping_add(1),
        };
        let moment = stamps.moment(earlier);
        let age = stamps.clock.now().since(moment);
        assert!(
            age >= Duration::from_millis(hour) && age < Duration::from_millis(2 * hour),
            "{age:?}"
        );
    }

    #[test]
    fn a_moment_before_the_process_has_a_stamp_before_its_start() {
        let stamps = Stamps::new(Clock::start(), stamp(5_000, 900, 7));
        let start = stamps.of(Moment::START);
        let earlier = stamps.of(Moment::START - Duration::from_millis(300));
        assert_eq!(start.since(earlier), Duration::from_millis(300));
        assert_eq!(start.wall - earlier.wall, 300);
    }

    #[test]
    fn a_moment_and_its_stamp_are_the_same_instant() {
        let stamps = Stamps::new(Clock::start(), stamp(5_000, 900, 7));
        let moment = stamps.clock.now() + Duration::from_secs(3);
        assert_eq!(
            stamps
                .of(moment)
                .since(stamps.of(stamps.clock.now()))
                .as_secs(),
            3
        );
    }
}
