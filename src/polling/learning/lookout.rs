//! Where a scout looks: between two polls of the plan.
use std::time::Duration;

use crate::polling::laws::axis::Axis;
use crate::polling::laws::law::Law;
use crate::polling::laws::outcomes::Outcomes;
use crate::polling::planning::plan;
use crate::polling::planning::step::Step;

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

    /// A time within a wait in which tasks end, with some of them on either side. The wait is drawn by how
    /// much each adds to the delay. `None` if the tasks of that wait end within an edge of each other: nothing
    /// more can be found. `shares` are drawn from zero up to one.
    pub(super) fn where_tasks_end(self, outcomes: &Outcomes, shares: [f64; 2]) -> Option<Duration> {
        let [in_which, where_in_it] = shares;
        // Uses the raw outcomes, not the smoothed law: smoothing and the prior put mass where no task
        // was seen to end, and scouting there finds nothing.
        let seen = outcomes.seen(self.law);
        let wait = self.wait_at(&seen, in_which);
        let ends = |step: Option<&Step>| {
            let time = step.map_or(Duration::ZERO, |step| step.at);
            seen.below_edge(self.axis.nearest(time.as_secs_f64()))
        };
        let before = wait.checked_sub(1);
        let low = ends(before.and_then(|before| self.plan.get(before)));
        let high = ends(self.plan.get(wait));
        let edge = |share: f64| seen.edge_at((high - low).mul_add(share, low));
        let (first, last) = (edge(0.1) + 1, edge(0.9));
        let drawn = edge(where_in_it);
        (first <= last).then(|| self.axis.time(drawn.clamp(first, last)))
    }

    /// The number, from zero on, of the wait in which the summed delay reaches this share under a law.
    fn wait_at(self, law: &Law, share: f64) -> usize {
        let instants = self.plan.iter().map(|step| step.at.as_secs_f64());
        let (instants, mut delays): (Vec<f64>, _) = (instants.collect(), Vec::new());
        let expected = plan::expected(self.axis, law, &instants, &mut delays);
        delays.partition_point(|&delay| delay < share * expected.delay)
    }
}
