//! A scout: an exchange that polls once more than its plan, since within a wait nothing is seen; and how
//! many exchanges are.
use std::sync::Arc;
use std::time::Duration;

use crate::polling::planning::plan::Expected;
use crate::polling::planning::step::Step;

/// What scouts may cost, as a share of all. A scout is an exchange with one poll more, between two
/// of the plan: without them nothing would tell where in a wait tasks end, nor that all of them have
/// become quick.
const SCOUTING: f64 = 0.01;

/// One exchange in so many scouts at most, and one in so many at least: where the first poll finds
/// almost every task, nothing else tells that tasks have become quick.
const SCOUTS: (f64, f64) = (1.0 / 8.0, 1.0 / 25.0);

/// Of the first exchanges more look where in a wait tasks end, ever fewer, as these over their number
/// (Auer, Cesa-Bianchi and Fischer 2002): what they find serves all that come after. Never more than this
/// share.
const EARLY_SCOUTS: (f64, f64) = (6.0, 1.0 / 3.0);

/// The shares of exchanges that scout.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates {
    /// Those that look whether tasks have become quick.
    quick: f64,
    /// Those that look where in a wait they end, which is worth the more, the more of the cost is delay.
    within: f64,
}

impl Rates {
    /// By what a plan is expected to bring at a price, and how many outcomes are known.
    pub(super) fn of(expected: Expected, price: Duration, known: usize) -> Self {
        let price = price.as_secs_f64();
        let (most, least) = SCOUTS;
        let known = f64::from(u32::try_from(known).unwrap_or(u32::MAX));
        let (early, most_early) = EARLY_SCOUTS;
        let cost = expected.cost(price).max(f64::MIN_POSITIVE);
        let steady = (SCOUTING * cost / price).clamp(least, most);
        let early = (early / known.max(1.0)).min(most_early);
        let within = steady * expected.delay / cost;
        Self {
            quick: steady - within,
            within: within + (early - steady).max(0.0),
        }
    }

    /// Those where a poll is sharp: as few as may be, since one more poll doubles the cost, and ever fewer
    /// that move the edge down. What the law has in the wait before such a poll is mostly what nobody looked for,
    /// and counts for nothing here.
    pub(super) fn sharp(known: usize) -> Self {
        let (_, least) = SCOUTS;
        let known = f64::from(u32::try_from(known).unwrap_or(u32::MAX));
        let (early, most_early) = EARLY_SCOUTS;
        Self {
            quick: least,
            within: (0.5 * early / known.max(1.0)).min(most_early),
        }
    }

    /// Those that scout at all.
    pub(super) const fn all(self) -> f64 {
        self.quick + self.within
    }
}

/// What a scout looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scout {
    /// Whether tasks have become quick.
    Quick,
    /// Where in a wait they end.
    Within,
}

/// The scouts that are due.
#[derive(Clone, Debug, Default)]
pub(super) struct Due {
    quick: f64,
    within: f64,
}

impl Due {
    /// What an exchange is to look for, if it is to scout.
    pub(super) fn next(&mut self, rates: Rates) -> Option<Scout> {
        self.quick += rates.quick;
        self.within += rates.within;
        if self.quick >= 1.0 {
            self.quick -= 1.0;
            Some(Scout::Quick)
        } else if self.within >= 1.0 {
            self.within -= 1.0;
            Some(Scout::Within)
        } else {
            None
        }
    }
}

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
        is_sharp: false,
    };
    let mut soonest = scout.at;
    let after = after.iter().map(|step| {
        let wait = step.at.saturating_sub(soonest).max(floor);
        soonest += wait;
        let spread = step.spread.min(wait.mul_f64(MOVED));
        Step {
            at: soonest,
            spread,
            ..*step
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
            is_sharp: false,
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

    fn counts(delay: f64, polls: f64, known: usize) -> (usize, usize) {
        let expected = Expected { delay, polls };
        let rates = Rates::of(expected, Duration::from_millis(50), known);
        let mut due = Due::default();
        let scouts: Vec<_> = (0..1000).filter_map(|_| due.next(rates)).collect();
        let quick = scouts.iter().filter(|it| **it == Scout::Quick).count();
        (quick, scouts.len() - quick)
    }

    #[test]
    fn where_one_poll_finds_nearly_all_scouts_look_for_quick_ones_and_at_first_within_the_wait() {
        let (quick, within) = counts(0.002, 1.0, 1000);
        assert!((38..=42).contains(&quick) && within < 3, "{quick} {within}");
        let (quick, within) = counts(0.002, 1.0, 20);
        assert!(
            (38..=42).contains(&quick) && within > 200,
            "{quick} {within}"
        );
        // Here the delay is half of the cost.
        let (quick, within) = counts(0.25, 5.0, 1000);
        assert!(quick.abs_diff(within) < 3 && quick > 40, "{quick} {within}");
    }

    #[test]
    fn where_a_poll_is_sharp_few_scout_however_much_the_law_leaves_open() {
        let count = |known| {
            let (rates, mut due) = (Rates::sharp(known), Due::default());
            let scouts = (0..1000).filter_map(|_| due.next(rates));
            let within = scouts.filter(|it| *it == Scout::Within).count();
            (within, rates.all())
        };
        let (within, all) = count(1000);
        assert!(within < 5 && all < 0.05, "{within} {all}");
        assert!(count(50).0 > 50);
    }

    #[test]
    fn there_is_none_that_would_move_the_end_of_the_hold() {
        assert_eq!(scouted(&[1000, 9000], 8990), None);
    }
}
