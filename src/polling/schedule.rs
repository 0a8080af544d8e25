//! The schedule of a healthy task: how long to wait for the next poll.
use std::sync::Arc;
use std::time::Duration;

use super::config::Config;
use super::learning::drift::Mark;
use super::planning::jitter::Jitter;
use super::planning::step::Step;
use crate::timing::{Moment, waking};

/// A law for the spans between polls. Every schedule stands behind this one type, so that the
/// exchange does not know which it follows.
#[derive(Clone, Debug)]
pub enum Schedule {
    /// The same span each time.
    Fixed {
        /// The span.
        interval: Duration,
        /// The span once nobody waits any more.
        longest: Duration,
    },
    /// Each span half as long again as the one before.
    Exponential {
        /// The first span.
        first: Duration,
        /// The longest span.
        longest: Duration,
    },
    /// The instants of a plan.
    Planned {
        /// The polls, in order.
        steps: Arc<[Step]>,
        /// The span after the last of them, and the longest.
        longest: Duration,
        /// Goes back with the task's outcome.
        mark: Mark,
    },
}

/// The time that is left of the hold when an exchange asks once more: enough for an answer and for its
/// record.
pub(super) const BEFORE_THE_END: Duration = Duration::from_millis(500);

/// How far a task is when the wait for its next poll begins.
#[derive(Clone, Copy, Debug)]
pub struct SoFar {
    /// The time since its acceptance.
    pub since: Duration,
    /// Its age at the last poll; zero before the first.
    pub at: Duration,
    /// Polls that were answered "running".
    pub polls: u32,
    /// What is left of the hold; zero if nobody waits.
    pub held: Duration,
}

/// How long to wait for the next poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The wait.
    pub span: Duration,
    /// Whether its end is not to be rounded up to the grid of wake-ups.
    pub is_sharp: bool,
}

impl From<Duration> for Wait {
    fn from(span: Duration) -> Self {
        let is_sharp = false;
        Self { span, is_sharp }
    }
}

impl Wait {
    /// This wait, or `span` on the grid of wake-ups if that is longer.
    #[must_use]
    pub fn at_least(self, span: Duration) -> Self {
        if self.span < span { span.into() } else { self }
    }

    /// Shortens the wait so that a last poll comes half a second before the hold ends, of which `held` is
    /// left. Unchanged if the wait already ends sooner, or if that instant has passed.
    #[must_use]
    pub(super) fn before_the_end(self, held: Duration) -> Self {
        let last = held.saturating_sub(BEFORE_THE_END);
        if last.is_zero() || self.span <= last {
            self
        } else {
            last.into()
        }
    }

    /// When to wake from a wait that begins at `since`.
    pub fn end(self, since: Moment) -> Moment {
        waking(since + self.span, self.is_sharp)
    }
}

impl Schedule {
    /// Every `interval`.
    pub fn fixed(config: &Config) -> Self {
        Self::Fixed {
            interval: config.interval,
            longest: config.max_interval.max(config.interval),
        }
    }

    /// `interval`, then half as long again each time.
    pub const fn exponential(config: &Config) -> Self {
        Self::Exponential {
            first: config.interval,
            longest: config.max_interval,
        }
    }

    /// The mark that goes back with the task's outcome ([`Took::mark`](super::Took::mark)).
    pub fn mark(&self) -> Mark {
        match self {
            Self::Fixed { .. } | Self::Exponential { .. } => Mark::NONE,
            Self::Planned { mark, .. } => *mark,
        }
    }

    /// The wait until the next poll. If nobody waits for the answer the fixed schedule and a plan poll
    /// only every `longest`; a client that comes back has a poll made at once.
    pub fn wait(&self, so_far: SoFar, jitter: &mut Jitter) -> Wait {
        let SoFar {
            since,
            at,
            polls,
            held,
        } = so_far;
        let span = match self {
            Self::Fixed { longest, .. } if held.is_zero() => jitter.spread(*longest),
            Self::Fixed { interval, .. } => jitter.spread(*interval),
            Self::Exponential { first, longest } => {
                /// After this many steps of one half any first span is longer than any longest one.
                const STEPS: u32 = 64;
                let grown = (0..polls.min(STEPS)).fold(*first, |span, _| {
                    span.saturating_add(span / 2).min(*longest)
                });
                jitter.spread(grown.min(*longest))
            }
            Self::Planned { longest, .. } if held.is_zero() => jitter.spread(*longest),
            Self::Planned { steps, longest, .. } => {
                let wait = planned(steps, at, since, jitter);
                let wait = wait.unwrap_or_else(|| beyond(since, *longest, jitter).into());
                return wait.before_the_end(held);
            }
        };
        Wait::from(span).before_the_end(held)
    }
}

/// The wait behind the plan's last step, for a client that still waits: a share of the task's age, since
/// nothing was learned of tasks that take longer than any hold.
fn beyond(since: Duration, longest: Duration, jitter: &mut Jitter) -> Duration {
    jitter.spread((since / 8).min(longest))
}

/// The wait until the plan's next step; `None` after the last. A step counts as done if the last poll, at
/// the age `asked`, fell within its spread or later. If several steps passed while an answer was on its way,
/// one poll is made at once for all of them: the next step may be a long wait away.
fn planned(steps: &[Step], asked: Duration, since: Duration, jitter: &mut Jitter) -> Option<Wait> {
    let done = steps.partition_point(|step| step.at.saturating_sub(step.spread) <= asked);
    let next = steps.get(done)?;
    Some(Wait {
        span: jitter.around(*next).saturating_sub(since),
        is_sharp: next.is_sharp,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    const FRESH: SoFar = SoFar {
        since: Duration::ZERO,
        at: Duration::ZERO,
        polls: 0,
        held: HOUR,
    };

    /// A hundred waits of a new task with this count of polls.
    fn waits(schedule: &Schedule, polls: u32) -> impl Iterator<Item = Duration> {
        let mut jitter = Jitter::new(7);
        (0..100).map(move |_| {
            let so_far = SoFar { polls, ..FRESH };
            schedule.wait(so_far, &mut jitter).span
        })
    }

    fn is_near(wait: Duration, span: Duration) -> bool {
        wait >= span * 9 / 10 && wait <= span * 11 / 10
    }

    #[test]
    fn the_fixed_schedule_does_not_change() {
        let schedule = Schedule::fixed(&Config::default());
        for polls in [0, 1000] {
            assert!(waits(&schedule, polls).all(|wait| is_near(wait, Duration::from_millis(500))));
        }
    }

    #[test]
    fn the_fixed_schedule_polls_rarely_once_nobody_waits() {
        let wait = |config: &Config| {
            let so_far = SoFar {
                held: Duration::ZERO,
                ..FRESH
            };
            Schedule::fixed(config)
                .wait(so_far, &mut Jitter::new(7))
                .span
        };
        let config = Config::default();
        assert!(is_near(wait(&config), config.max_interval));
        let rare = Config {
            interval: HOUR,
            ..config
        };
        assert!(is_near(wait(&rare), HOUR));
    }

    #[test]
    fn the_exponential_schedule_grows_by_half_up_to_its_longest() {
        let config = Config::default();
        let schedule = Schedule::exponential(&config);
        for (polls, millis) in [(0, 500), (1, 750), (2, 1125), (3, 1687)] {
            assert!(
                waits(&schedule, polls).all(|wait| is_near(wait, Duration::from_millis(millis)))
            );
        }
        assert!(waits(&schedule, u32::MAX).all(|wait| is_near(wait, config.max_interval)));
    }

    fn planned() -> Schedule {
        let step = |at, spread| Step {
            at: Duration::from_millis(at),
            spread: Duration::from_millis(spread),
            is_sharp: spread == 0,
        };
        Schedule::Planned {
            steps: [step(1000, 100), step(2000, 0), step(3000, 50)].into(),
            longest: Duration::from_secs(10),
            mark: Mark::NONE,
        }
    }

    fn wait(since: u64, held: Duration) -> Duration {
        wait_of(since, held).span
    }

    fn wait_of(since: u64, held: Duration) -> Wait {
        wait_after(since, since, held)
    }

    fn wait_after(asked: u64, since: u64, held: Duration) -> Wait {
        let so_far = SoFar {
            since: Duration::from_millis(since),
            at: Duration::from_millis(asked),
            held,
            ..FRESH
        };
        planned().wait(so_far, &mut Jitter::new(7))
    }

    #[test]
    fn a_plan_is_followed_by_the_time_since_the_acceptance() {
        assert!(waits(&planned(), 0).all(|wait| (900..=1100).contains(&wait.as_millis())));
        // The first step may have been before its instant.
        assert_eq!(wait(900, HOUR), Duration::from_millis(1100));
        assert_eq!(wait(1999, HOUR), Duration::from_millis(1));
        assert!((2_950..=3_050).contains(&(wait(2000, HOUR).as_millis() + 2000)));
    }

    #[test]
    fn steps_that_passed_while_an_answer_was_on_its_way_are_made_up_for_by_one_poll() {
        let wait = |asked, since| wait_after(asked, since, HOUR).span;
        assert_eq!(wait(1000, 1990), Duration::from_millis(10));
        assert_eq!(wait(1000, 2100), Duration::ZERO);
        assert!((2_950..=3_050).contains(&(wait(2100, 2200).as_millis() + 2200)));
        assert_eq!(wait(0, 2100), Duration::ZERO);
    }

    #[test]
    fn only_a_sharp_step_of_the_plan_leaves_the_grid() {
        let ends = |since, held| wait_of(since, held).end(Moment::START).since_start();
        assert_eq!(ends(1983, HOUR), Duration::from_millis(17));
        assert_eq!(
            ends(1983, Duration::from_millis(505)),
            Duration::from_millis(8)
        );
        assert_eq!(ends(2000, HOUR).as_millis() % 8, 0);
        let later = wait_of(1983, HOUR).at_least(Duration::from_millis(18));
        assert_eq!(
            later.end(Moment::START).since_start(),
            Duration::from_millis(24)
        );
    }

    #[test]
    fn a_plan_asks_once_more_just_before_the_hold_ends_and_rarely_after() {
        assert_eq!(
            wait(2000, Duration::from_millis(800)),
            Duration::from_millis(300)
        );
        assert!(wait(2000, Duration::from_millis(400)) > Duration::from_millis(900));
        assert!(wait(2000, Duration::ZERO) >= Duration::from_secs(9));
    }

    #[test]
    fn every_schedule_asks_once_more_just_before_the_hold_ends() {
        let slow = Config {
            interval: Duration::from_secs(8),
            ..Config::default()
        };
        for schedule in [Schedule::fixed(&slow), Schedule::exponential(&slow)] {
            let wait = |held| {
                let held = Duration::from_secs(held);
                let so_far = SoFar { held, ..FRESH };
                schedule.wait(so_far, &mut Jitter::new(7)).span
            };
            assert_eq!(wait(4), Duration::from_millis(3500));
            assert!(is_near(wait(9), slow.interval));
        }
    }

    #[test]
    fn beyond_the_plan_a_client_that_came_back_waits_a_share_of_the_time_so_far() {
        assert!(is_near(wait(40_000, HOUR), Duration::from_secs(5)));
        assert!(is_near(wait(400_000, HOUR), Duration::from_secs(10)));
    }
}
