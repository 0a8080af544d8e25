//! Where a scout looks: between two polls of the plan.
use std::time::Duration;

use crate::elementary::Elementary as _;
use crate::polling::laws::axis::Axis;
use crate::polling::laws::law::Law;
use crate::polling::laws::outcomes::Outcomes;
use crate::polling::planning::plan;
use crate::polling::planning::step::Step;

/// The least part of the way to an end of a wait that a scout is moved by.
const LEAST: f64 = 0.001;

/// What a scout looks at.
#[derive(Clone, Copy)]
pub(super) struct Lookout<'a> {
    pub(super) axis: &'a Axis,
    pub(super) law: &'a Law,
    pub(super) plan: &'a [Step],
    /// No two polls are closer.
    pub(super) floor: Duration,
}

impl Lookout<'_> {
    /// Where a scout finds out that tasks have become quick: in the middle of the first wait or, `farther`,
    /// of the longest wait that begins before half of the tasks end. The first wait alone may be short, and
    /// made for a few rare tasks.
    ///
    /// Before a sharp poll the scout looks late in the wait, unless the law is `doubted`: only such a scout
    /// tells how many tasks end shortly before the peak.
    pub(super) fn where_none_should_end(self, farther: bool, doubted: bool) -> Duration {
        let half = self.axis.time(self.law.edge_at(0.5));
        let count = if farther { usize::MAX } else { 1 };
        let (mut from, mut longest) = (Duration::ZERO, (Duration::ZERO, Duration::ZERO));
        for step in self.plan.iter().take(count) {
            if from > half {
                break;
            }
            let wait = step.at.saturating_sub(from);
            let late = (wait * 19 / 20).min(wait.saturating_sub(self.floor));
            let within = if step.is_sharp && !doubted {
                late.max(wait / 2)
            } else {
                wait / 2
            };
            longest = longest.max((wait, from + within));
            from = step.at;
        }
        longest.1
    }

    /// A time within a wait in which tasks end: where they seem to end, or at some distance from there. The wait
    /// is drawn by how much each adds to the delay. `None` if there is nothing to be found. `shares` are drawn
    /// from zero up to one.
    ///
    /// Only scouts tell where within a wait tasks end, and a law that is fitted to a few of them may have all
    /// of it in the wrong place. If scouts looked there alone, the law would stay as it is.
    pub(super) fn where_tasks_end(self, outcomes: &Outcomes, shares: [f64; 3]) -> Option<Duration> {
        let [in_which, where_in_it, how_far] = shares;
        // Uses the raw outcomes, not the smoothed law: smoothing and the prior put mass where no task
        // was seen to end, and scouting there finds nothing.
        let seen = outcomes.seen(self.law);
        let wait = self.wait_at(&seen, in_which);
        let time = |step: Option<&Step>| step.map_or(Duration::ZERO, |step| step.at);
        let before = wait.checked_sub(1);
        let from = time(before.and_then(|before| self.plan.get(before)));
        let to = time(self.plan.get(wait));
        let edge_of = |time: Duration| self.axis.nearest(time.as_secs_f64());
        let [low, high] = [from, to].map(|time| seen.below_edge(edge_of(time)));
        let edge = |share: f64| seen.edge_at((high - low).mul_add(share, low));
        let (first, last) = (edge(0.1) + 1, edge(0.9));
        let is_known = last < first;
        let drawn = edge(where_in_it);
        let seems = if is_known {
            drawn
        } else {
            drawn.clamp(first, last)
        };
        let looks = edge_of(beside(self.axis.time(seems), from, to, how_far));
        let is_within = (edge_of(from) + 1..edge_of(to)).contains(&looks);
        // Where the tasks seem to end within an edge of each other, only an earlier time is worth a look.
        let is_news = !is_known || usize::from(looks) < seems;
        (is_within && is_news).then(|| self.axis.time(looks.into()))
    }

    /// The number, from zero on, of the wait in which the summed delay reaches this share under a law. Half of the
    /// delay is counted as if the tasks of each wait ended evenly in it.
    fn wait_at(self, law: &Law, share: f64) -> usize {
        let instants = self.plan.iter().map(|step| step.at.as_secs_f64());
        let (instants, mut delays): (Vec<f64>, _) = (instants.collect(), Vec::new());
        plan::expected(self.axis, law, &instants, &mut delays);
        let (mut evenly, mut from, mut below) = (0.0, 0.0, 0.0);
        for (delay, &at) in delays.iter_mut().zip(&instants) {
            let found = law.below_edge(self.axis.nearest(at));
            evenly += 0.5 * (found - below) * (at - from);
            *delay += evenly;
            (from, below) = (at, found);
        }
        let all = delays.last().copied().unwrap_or_default();
        delays.partition_point(|&delay| delay < share * all)
    }
}

/// A time before or after `middle`, as far as one end of the wait or any part of that, down to a thousandth:
/// each order of the distance is as likely. `share` is drawn from zero up to one.
fn beside(middle: Duration, from: Duration, to: Duration, share: f64) -> Duration {
    let part = |share: f64| LEAST.to_power(share);
    if share < 0.5 {
        middle.saturating_sub(middle.saturating_sub(from).mul_f64(part(2.0 * share)))
    } else {
        middle + to.saturating_sub(middle).mul_f64(part(2.0 * share - 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scout_is_moved_by_any_part_of_the_way_to_either_end_of_its_wait() {
        let [from, middle, to] = [1_000, 9_000, 10_000].map(Duration::from_millis);
        let moved = |share| beside(middle, from, to, share).as_millis();
        assert_eq!([0.0, 0.499_999].map(moved), [1_000, 8_991]);
        assert_eq!([0.5, 0.999_999].map(moved), [10_000, 9_001]);
        assert!((8_700..8_800).contains(&moved(0.25)), "{}", moved(0.25));
        for (middle, share) in [(from, 0.2), (to, 0.7)] {
            assert_eq!(beside(middle, from, to, share), middle);
        }
    }
}
