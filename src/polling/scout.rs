//! A scout: an exchange that polls once more than its plan, since within a wait nothing is seen.
use std::sync::Arc;
use std::time::Duration;

use super::step::Step;

/// A poll is moved by at most this share of the shorter of the waits around it: it costs 1 % of the
/// delay.
pub(super) const MOVED: f64 = 0.1;

/// The plan with a poll more at this time. The polls after it that would be too close wait a little;
/// `None` where that would move the end of the hold.
pub(super) fn scouting(plan: &[Step], at: Duration, floor: Duration) -> Option<Arc<[Step]>> {
    let place = plan.partition_point(|step| step.at <= at);
    let (before, after) = plan.split_at(place);
    let last = before.last().map_or(Duration::ZERO, |step| step.at);
    let scout = Step {
        at: at.max(last + floor),
        spread: Duration::ZERO,
    };
    let mut soonest = scout.at;
    let after = after.iter().map(|step| {
        let wait = step.at.saturating_sub(soonest).max(floor);
        soonest += wait;
        let spread = step.spread.min(wait.mul_f64(MOVED));
        Step {
            at: soonest,
            spread,
        }
    });
    let steps: Arc<[Step]> = before.iter().copied().chain([scout]).chain(after).collect();
    let end = |steps: &[Step]| steps.last().map(|step| step.at);
    (end(&steps) == end(plan)).then_some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOOR: Duration = Duration::from_millis(50);

    fn plan(millis: &[u64]) -> Vec<Step> {
        let step = |&at| Step {
            at: Duration::from_millis(at),
            spread: Duration::from_millis(10),
        };
        millis.iter().map(step).collect()
    }

    fn scouted(millis: &[u64], at: u64) -> Option<Vec<u128>> {
        let steps = scouting(&plan(millis), Duration::from_millis(at), FLOOR)?;
        Some(steps.iter().map(|step| step.at.as_millis()).collect())
    }

    #[test]
    fn a_scout_stands_between_the_polls_which_make_room_for_it() {
        assert_eq!(scouted(&[1000, 9000], 400), Some(vec![400, 1000, 9000]));
        assert_eq!(scouted(&[1000, 9000], 980), Some(vec![980, 1030, 9000]));
        assert_eq!(scouted(&[1000, 9000], 1010), Some(vec![1000, 1050, 9000]));
    }

    #[test]
    fn there_is_none_that_would_move_the_end_of_the_hold() {
        assert_eq!(scouted(&[1000, 9000], 8990), None);
    }
}
