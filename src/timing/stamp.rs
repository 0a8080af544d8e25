//! A moment that outlives the process: for what is written to disk.
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{fs, io};

use nix::time::{ClockId, clock_gettime};
use uuid::Uuid;

use super::{Clock, Moment, wall_clock};

/// Which boot this process runs in, and whether the system told it.
static BOOT: LazyLock<(u64, bool)> =
    LazyLock::new(|| boot(fs::read_to_string("/proc/sys/kernel/random/boot_id")));

/// The boot by its id, which Linux tells (`random(4)`) and a sandbox may hide. Where it is hidden, a number
/// that no other process has, as if the machine had booted for this one: what earlier processes wrote then
/// seems too young, which costs room. By the time of day it would seem too old once that clock jumps ahead,
/// and what is forgotten too early is charged twice.
fn boot(id: io::Result<String>) -> (u64, bool) {
    let digits: String = id
        .unwrap_or_default()
        .chars()
        .filter(char::is_ascii_hexdigit)
        .take(16)
        .collect();
    match u64::from_str_radix(&digits, 16) {
        Ok(boot) => (boot, true),
        Err(_) => (Uuid::new_v4().as_u64_pair().0, false),
    }
}

/// False where the system hides which boot it is, so that every process counts as a boot of its own.
pub fn boot_is_told() -> bool {
    BOOT.1
}

/// When something was written: by the time of day, and by the clock of the machine's boot, which no
/// one can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// Milliseconds since 1970 by the time of day.
    pub wall: u64,
    /// Milliseconds since the boot, time asleep included.
    pub since_boot: u64,
    /// Which boot.
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
        self.boot == other.boot
    }

    /// The present, by the clocks of this system.
    pub fn of_this_system() -> Self {
        Self::in_this_boot(Moment::START, Moment::START)
    }

    /// As long after the present as `to` is after `from`, or as long before, in this boot. It is cut to
    /// milliseconds at the end: two cuts would give one moment two stamps.
    fn in_this_boot(from: Moment, to: Moment) -> Self {
        let since_boot = clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from);
        let wall = wall_clock().duration_since(UNIX_EPOCH);
        let at = |clock: Duration| (clock + to.since(from)).saturating_sub(from.since(to));
        Self {
            wall: millis(at(wall.unwrap_or_default())),
            since_boot: millis(at(since_boot.unwrap_or_default())),
            boot: BOOT.0,
        }
    }

    /// As long after this stamp as `to` is after `from`, or as long before.
    fn moved(self, from: Moment, to: Moment) -> Self {
        let (after, before) = (millis(to.since(from)), millis(from.since(to)));
        let at = |clock: u64| clock.saturating_add(after).saturating_sub(before);
        Self {
            wall: at(self.wall),
            since_boot: at(self.since_boot),
            boot: self.boot,
        }
    }

    /// The stamp of so long after this one, in the same boot.
    pub fn after(self, span: Duration) -> Self {
        self.moved(Moment::START, Moment::START + span)
    }

    /// The stamp as a time of day.
    pub fn time_of_day(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.wall)
    }
}

/// Makes stamps of the moments of a process.
#[derive(Clone, Copy, Debug)]
pub struct Stamps {
    clock: Clock,
    by: By,
}

/// What stamps go by.
#[derive(Clone, Copy, Debug)]
enum By {
    /// The clocks of this system, which go on while it sleeps and the process's clock stands.
    System,
    /// What they said when the process's clock was made, and that clock from there on.
    Start(Stamp),
}

impl Stamps {
    /// Stamps by the clocks of this system.
    pub fn of_this_system(clock: Clock) -> Self {
        let by = By::System;
        Self { clock, by }
    }

    /// Stamps by `clock`, which reads `now` at this moment.
    pub fn new(clock: Clock, now: Stamp) -> Self {
        let by = By::Start(now.moved(clock.now(), Moment::START));
        Self { clock, by }
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
        match self.by {
            By::System => Stamp::in_this_boot(self.present(), moment),
            By::Start(start) => start.moved(Moment::START, moment),
        }
    }

    /// The moment of something that an earlier process stamped: as long before now as its age says.
    pub fn moment(&self, stamp: Stamp) -> Moment {
        self.present() - self.now().since(stamp)
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
    }

    #[test]
    fn where_the_boot_is_hidden_each_process_is_a_boot_of_its_own() {
        let told = || Ok("2f6bd9f2-9c3b-4d0e-8a53-0f2f8f0b7b1d\n".to_owned());
        assert_eq!(boot(told()), (0x2f6b_d9f2_9c3b_4d0e, true));
        let hidden = || Err(io::ErrorKind::NotFound.into());
        for hidden in [hidden, || Ok(String::new())] {
            let (one, other) = (boot(hidden()), boot(hidden()));
            assert!(!one.1 && !other.1 && one.0 != other.0, "{one:?} {other:?}");
        }
        let now = Stamp::of_this_system();
        assert!(now.is_of_boot(Stamp::of_this_system()), "in one process");
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
        let clock = Clock::start();
        for stamps in [
            Stamps::new(clock, stamp(5_000, 900, 7)),
            Stamps::of_this_system(clock),
        ] {
            let earlier = stamps.of(Moment::START - Duration::from_millis(300));
            let start = stamps.of(Moment::START);
            let span = start.since(earlier).as_millis();
            assert!((300..600).contains(&span), "{span}");
            assert!(start.wall - earlier.wall >= 299);
        }
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
