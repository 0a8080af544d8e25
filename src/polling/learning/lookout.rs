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
    /// Here it shows if tasks have become quick: in the middle of the first wait or, `farther`, of the
    /// longest before half of the tasks end. The first one may be short and for the rare ones.
    ///
    /// Before a sharp poll it is rather late in the wait, as long as that is not `doubted`: nothing else tells of
    /// what comes before the peak, and so it never seems to be much.
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

    /// A time within a wait, drawn by what each wait adds to the delay, that has tasks that end
    /// within the wait on either side of it. `None` where they end within an edge of each other: that
    /// is known already. `shares` are drawn from zero up to one.
    pub(super) fn where_tasks_end(self, outcomes: &Outcomes, shares: [f64; 2]) -> Option<Duration> {
        let [in_which, where_in_it] = shares;
        // As they were told, and not as the law is smoothed: what it has beyond the polls around
        // them was looked at before, and where only the prior has some there is nothing to be found.
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

    /// The number of the wait, from zero on, up to which this share of the delay is reached under a law.
    fn wait_at(self, law: &Law, share: f64) -> usize {
        let instants = self.plan.iter().map(|step| step.at.as_secs_f64());
        let (instants, mut delays): (Vec<f64>, _) = (instants.collect(), Vec::new());
        let expected = plan::expected(self.axis, law, &instants, &mut delays);
        delays.partition_point(|&delay| delay < share * expected.delay)
    }
}
