//! What exchanges told of the time of their tasks, and the law that makes it likely.
use std::collections::VecDeque;
use std::ops::Range;

use super::axis::Axis;
use super::law::Law;
use super::span::Span;
use crate::elementary::Elementary;

/// An outcome counts half as much once this many newer ones have come.
const HALF_LIFE: f64 = 500.0;

/// Older outcomes are dropped: together they would count less than a third of all.
pub(in crate::polling) const REMEMBERED: usize = 1024;

/// What the prior law counts where nothing was seen, in outcomes.
const PRIOR_AT_FIRST: f64 = 8.0;

/// What the prior law counts against many outcomes: enough that nothing is ever held to be impossible.
const PRIOR_AT_LAST: f64 = 1.0;

/// The weight of outcomes that halves what the prior counts beyond [`PRIOR_AT_LAST`].
const PRIOR_FADES: f64 = 20.0;

/// From this many outcomes on the prior is added in the last round only. In every round it would draw mass
/// to where the outcomes leave the time open: a first poll that finds every task done tells nothing of the
/// wait before it.
const MANY: usize = 40;

/// The narrowest bell that a law is smoothed with, in cells. The ends of outcomes are rounded to edges, so
/// that no law is known finer; a bell of this width spreads nothing.
const NARROWEST: f64 = 0.7;

/// An end within this share beyond the horizon still counts as within it: spans are stored rounded.
const ROUNDED: f64 = 1e-6;

/// The time of one task lies between two edges: it was not done at the first, and it was at the
/// second. One past the last edge says that it was never seen done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::polling) struct Observed {
    span: Span,
    after: u16,
    by: u16,
}

impl Observed {
    /// Rounds the two ends to edges. It keeps at least one cell.
    pub(in crate::polling) fn new(axis: &Axis, span: Span) -> Self {
        let never = Axis::last() + 1;
        let after = axis.nearest(span.after());
        // What ended beyond the horizon had not ended at it, and no more is told of what lies there.
        let horizon = axis.edges().last().copied().unwrap_or_default();
        let by = if span.by() <= horizon * (1.0 + ROUNDED) {
            axis.nearest(span.by())
        } else {
            never
        };
        Self {
            span,
            after: after.min(by.saturating_sub(1)),
            by: by.max(1),
        }
    }

    /// True if it may lie in any of these cells.
    fn may_lie_in(self, cells: &Range<usize>) -> bool {
        usize::from(self.after) <= cells.start && cells.end <= usize::from(self.by)
    }

    pub(in crate::polling) const fn span(self) -> Span {
        self.span
    }

    pub(in crate::polling) const fn after(self) -> u16 {
        self.after
    }

    pub(in crate::polling) const fn by(self) -> u16 {
        self.by
    }
}

/// The fewest outcomes by which tasks are held to take always the same time, or one of a few; and how many
/// those few are at most.
const AGREEING: usize = 20;
const MOST_PEAKS: usize = 3;

/// Times within this ratio are nearly the same, and beyond the other one they are not.
const NEARLY_THE_SAME: f64 = 1.1;
const APART: f64 = 1.1;

impl FromIterator<Observed> for Outcomes {
    fn from_iter<T: IntoIterator<Item = Observed>>(newest_first: T) -> Self {
        let latest = newest_first.into_iter().take(REMEMBERED).collect();
        Self { latest }
    }
}

/// The latest outcomes, the newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::polling) struct Outcomes {
    latest: VecDeque<Observed>,
}

impl Outcomes {
    pub(in crate::polling) fn push(&mut self, observed: Observed) {
        self.latest.push_front(observed);
        self.latest.truncate(REMEMBERED);
    }

    /// The newest first.
    pub(in crate::polling) fn iter(&self) -> impl Iterator<Item = Observed> {
        self.latest.iter().copied()
    }

    pub(in crate::polling) fn len(&self) -> usize {
        self.latest.len()
    }

    /// Drops all but the newest.
    pub(in crate::polling) fn keep(&mut self, newest: usize) {
        self.latest.truncate(newest);
    }

    /// Rounds all outcomes to the edges of another axis.
    pub(in crate::polling) fn move_to(&mut self, axis: &Axis) {
        for observed in &mut self.latest {
            *observed = Observed::new(axis, observed.span);
        }
    }

    /// The sum of what all outcomes count.
    pub(in crate::polling) fn weight(&self) -> f64 {
        let counted = weights().take(self.latest.len());
        counted.fold(0.0, |sum, weight| sum + weight)
    }

    /// The law of these outcomes and the prior, reached from `start`.
    ///
    /// Each round spreads an outcome over the cells of its interval as the law so far has it
    /// (self-consistency: Turnbull 1976); the last step spreads every mass over its neighbours, by
    /// as much as so few outcomes leave unknown (EMS: Silverman and others 1990).
    pub(in crate::polling) fn law(
        &self,
        axis: &Axis,
        prior: &Law,
        start: &Law,
        rounds: usize,
    ) -> Law {
        let weight = self.weight();
        let fades = 1.0 + weight / PRIOR_FADES;
        let counts = PRIOR_AT_LAST + (PRIOR_AT_FIRST - PRIOR_AT_LAST) / fades;
        let mut law = start.clone();
        let mut rises = Vec::new();
        let believe = |cells: &mut [f64]| {
            for (cell, prior) in cells.iter_mut().zip(prior.mass()) {
                *cell += prior * counts;
            }
        };
        for round in 1..=rounds {
            self.rise(&law, &mut rises);
            law.refit(|cells| {
                take_densities(cells, &rises);
                if round == rounds || self.len() < MANY {
                    believe(cells);
                }
            });
        }
        if let Some(peaks) = self.agreed(axis) {
            law.refit(|cells| {
                confine(cells, &peaks);
                believe(cells);
            });
            return law.smoothed(NARROWEST, axis);
        }
        let width = bandwidth(axis, &law, weight);
        law.smoothed(width.max(NARROWEST), axis)
    }

    /// The peaks of a law whose tasks always take one of a few times: each outcome may lie in one of the
    /// peaks, so that it is likeliest that all do. Rounds alone would come to that too slowly for a law that
    /// is known to a few milliseconds. `None` if some outcome cannot lie in a peak, or if a peak is wide or
    /// near another.
    fn agreed(&self, axis: &Axis) -> Option<Vec<Peak>> {
        let all: Vec<(Observed, f64)> = self.iter().zip(weights()).collect();
        let (mut left, mut peaks) = (all, Vec::new());
        if left.len() < AGREEING {
            return None;
        }
        while !left.is_empty() {
            let peak = Peak::of(&left);
            let before = left.len();
            left.retain(|(it, _)| !it.may_lie_in(&peak.within));
            let is_known = peak.is_narrow(axis) || before - left.len() < AGREEING;
            let mut others = peaks.iter();
            if !is_known || peaks.len() == MOST_PEAKS || others.any(|it| peak.is_near(it, axis)) {
                return None;
            }
            peaks.push(peak);
        }
        Some(peaks)
    }

    /// The law of the outcomes alone, without the prior: each is spread over its interval as `law` has it.
    pub(in crate::polling) fn seen(&self, law: &Law) -> Law {
        let mut rises = Vec::new();
        self.rise(law, &mut rises);
        let mut seen = law.clone();
        seen.refit(|cells| take_densities(cells, &rises));
        seen
    }

    /// Where the weight that falls on a share of the law's mass rises, by cell, and by how much.
    fn rise(&self, law: &Law, rises: &mut Vec<f64>) {
        rises.clear();
        rises.resize(law.mass().len() + 1, 0.0);
        for (observed, weight) in self.latest.iter().zip(weights()) {
            let mass = law.below_edge(observed.by) - law.below_edge(observed.after);
            let density = weight / mass.max(f64::MIN_POSITIVE);
            for (edge, rise) in [(observed.after, density), (observed.by, -density)] {
                if let Some(place) = rises.get_mut(usize::from(edge)) {
                    *place += rise;
                }
            }
        }
    }
}

/// Cells that many outcomes may lie in, and what these count.
#[derive(Debug)]
struct Peak {
    within: Range<usize>,
    weight: f64,
}

impl Peak {
    /// The cells that most of these may lie in.
    fn of(outcomes: &[(Observed, f64)]) -> Self {
        /// Sums of weights that differ by less are the same.
        const ALIKE: f64 = 1e-6;
        let mut rises = vec![0.0; usize::from(Axis::last()) + 2];
        for (observed, weight) in outcomes {
            for (edge, rise) in [(observed.after, *weight), (observed.by, -weight)] {
                if let Some(place) = rises.get_mut(usize::from(edge)) {
                    *place += rise;
                }
            }
        }
        let (mut depth, mut peak) = (
            0.0,
            Self {
                within: 0..0,
                weight: 0.0,
            },
        );
        for (cell, rise) in rises.iter().enumerate() {
            depth += rise;
            if depth > peak.weight + ALIKE {
                peak = Self {
                    within: cell..cell + 1,
                    weight: depth,
                };
            } else if depth > peak.weight - ALIKE && peak.within.end == cell {
                peak.within.end = cell + 1;
            }
        }
        peak
    }

    fn ends(&self, axis: &Axis) -> (f64, f64) {
        let time = |edge: usize| axis.time(edge).as_secs_f64();
        (time(self.within.start), time(self.within.end))
    }

    /// True if it is known to be narrow.
    fn is_narrow(&self, axis: &Axis) -> bool {
        let (from, to) = self.ends(axis);
        to <= from * NEARLY_THE_SAME
    }

    /// True if one of the two may be but the edge of the other.
    fn is_near(&self, other: &Self, axis: &Axis) -> bool {
        let ((from, to), (start, end)) = (self.ends(axis), other.ends(axis));
        from < end * APART && start < to * APART
    }
}

/// Leaves nothing but the peaks.
fn confine(cells: &mut [f64], peaks: &[Peak]) {
    let mut confined = vec![0.0; cells.len()];
    for Peak { within, weight } in peaks {
        let inside: f64 = cells.get(within.clone()).unwrap_or_default().iter().sum();
        let scale = weight / inside.max(f64::MIN_POSITIVE);
        let places = confined.iter_mut().zip(cells.iter()).enumerate();
        for (_, (confined, cell)) in places.skip(within.start).take(within.len()) {
            *confined = cell * scale;
        }
    }
    cells.copy_from_slice(&confined);
}

/// Makes of each cell's mass the weight that falls into it.
fn take_densities(cells: &mut [f64], rises: &[f64]) {
    let mut density = 0.0;
    for (cell, rise) in cells.iter_mut().zip(rises) {
        density += rise;
        *cell = (*cell * density).max(0.0);
    }
}

/// What each outcome counts, from the newest on.
fn weights() -> impl Iterator<Item = f64> {
    let fading = (-std::f64::consts::LN_2 / HALF_LIFE).exponential();
    std::iter::successors(Some(1.0), move |weight| Some(weight * fading))
}

/// The width of the bell in cells, by Silverman's rule. The spread is that of the narrowest parts
/// that hold a third of the mass and nearly half, so that a law of a few spikes is not smoothed as if the highest
/// were all; and the mass is that of one peak, so that a law of two is not smoothed as if they were one.
fn bandwidth(axis: &Axis, law: &Law, weight: f64) -> f64 {
    /// Shares of the mass, and how many standard deviations wide those parts of a normal law are.
    const PARTS: [(f64, f64); 2] = [(THIRD, 0.77), (0.45, 1.2)];
    /// The rule's 1.06 is for outcomes that are known to the instant; these lie between two polls.
    const FACTOR: f64 = 1.3;
    let peak = peak(axis, law);
    let deviations = PARTS.map(|(share, deviations)| {
        let cells = narrowest(law, share * peak).len();
        f64::from(u32::try_from(cells).unwrap_or(u32::MAX)) / deviations
    });
    let deviation = deviations.iter().product::<f64>().sqrt();
    FACTOR * deviation * (weight * peak).max(1.0).to_power(-0.2)
}

/// About a third of a mass: the narrowest part that holds so much lies within one peak.
const THIRD: f64 = 0.3;

/// The mass around the narrowest third of all that ends within the horizon, up to a gap on either side.
fn peak(axis: &Axis, law: &Law) -> f64 {
    /// A gap has its end at so many times its beginning. The few outcomes of a law that has one peak may
    /// leave narrower ones.
    const RATIO: f64 = 1.5;
    /// The most mass in it: what the prior and smoothing put there.
    const EMPTY: f64 = 0.02;
    let part = narrowest(law, THIRD * law.below_edge(Axis::last()));
    let time = |edge: usize| axis.time(edge).as_secs_f64();
    let below = |time: f64| law.below_edge(axis.nearest(time));
    let (mut start, mut end) = (time(part.start), time(part.end));
    while below(start) - below(start / RATIO) > EMPTY {
        start /= RATIO;
    }
    while below(end * RATIO) - below(end) > EMPTY {
        end *= RATIO;
    }
    below(end) - below(start)
}

/// The narrowest cells within the horizon that hold a share of the mass; all of them, where they hold less.
fn narrowest(law: &Law, share: f64) -> Range<usize> {
    let last = usize::from(Axis::last());
    let below = law.below().get(..=last).unwrap_or_default();
    let mut narrowest = 0..last;
    let mut end = 0;
    for (start, low) in below.iter().enumerate() {
        end = end.max(start);
        while below.get(end).is_some_and(|high| high - low < share) {
            end += 1;
        }
        if end == below.len() {
            break;
        }
        if end - start < narrowest.len() {
            narrowest = start..end;
        }
    }
    narrowest
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_ended_after_the_hold_was_not_seen_done_within_it() {
        let axis = Axis::new(Duration::from_secs(28), None);
        let by = |by: Option<u64>| {
            let span = Span::new(Duration::from_secs(20), by.map(Duration::from_secs));
            Observed::new(&axis, span).by()
        };
        assert_eq!(by(Some(40)), by(None));
        assert_ne!(by(Some(28)), by(None));
    }

    #[test]
    fn outcomes_that_no_longer_end_within_the_hold_are_kept_as_such() {
        let (long, short) = (Duration::from_mins(5), Duration::from_secs(28));
        let (long, short) = (Axis::new(long, None), Axis::new(short, None));
        let mut outcomes = Outcomes::default();
        let by = Some(Duration::from_secs(41));
        let span = Span::new(Duration::from_secs(39), by);
        outcomes.push(Observed::new(&long, span));
        outcomes.move_to(&short);
        let observed = outcomes.iter().next().map(|it| (it.after(), it.by()));
        assert_eq!(observed, Some((Axis::last(), Axis::last() + 1)));
    }

    /// The law of these intervals, in seconds.
    fn law_of(intervals: impl IntoIterator<Item = (f64, f64)>) -> (Axis, Law) {
        let axis = Axis::new(Duration::from_mins(5), None);
        let prior = Law::prior(&axis);
        let seconds = Duration::from_secs_f64;
        let observed = intervals
            .into_iter()
            .map(|(after, by)| Span::new(seconds(after), Some(seconds(by))))
            .map(|span| Observed::new(&axis, span));
        let outcomes: Outcomes = observed.collect();
        let law = outcomes.law(&axis, &prior, &prior, 300);
        (axis, law)
    }

    /// Two of them know better than the rest, and all may be right.
    #[test]
    fn where_all_outcomes_agree_the_law_is_as_narrow_as_they_are_together() {
        let polls = (0..98).map(|_| (1.5, 2.05));
        let scouts = [(0.0, 2.005), (1.99, 2.1)];
        let share = |(axis, law): &(Axis, Law), from: f64, to: f64| {
            let edge = |seconds| axis.nearest(seconds);
            law.below_edge(edge(to)) - law.below_edge(edge(from))
        };
        let agreed = law_of(polls.clone().chain(scouts));
        assert!(share(&agreed, 1.98, 2.015) > 0.95, "{agreed:?}");
        // A third one says otherwise, and is heard.
        let torn = law_of(polls.chain(scouts).chain([(2.06, 2.3)]));
        assert!(share(&torn, 2.06, 2.3) > 5.0 * share(&agreed, 2.06, 2.3));
    }

    /// The bell for 100 outcomes of a law that has so much mass in these cells.
    fn bell(mass: impl IntoIterator<Item = (usize, f64)>) -> f64 {
        let mut cells = vec![0.0; usize::from(Axis::last()) + 1];
        for (cell, share) in mass {
            cells[cell] += share;
        }
        let axis = Axis::new(Duration::from_mins(5), None);
        bandwidth(&axis, &Law::new(cells), 100.0)
    }

    /// What two polls cannot tell apart is not held to be known: a law of three spikes is smoothed.
    #[test]
    fn a_law_of_a_few_spikes_is_smoothed_by_how_far_they_lie_apart() {
        assert!(bell([(1_000, 1.0)]) < NARROWEST);
        assert!(bell([(1_000, 0.34), (1_030, 0.33), (1_060, 0.33)]) > 2.0);
    }

    /// Other tasks that take ten times as long, or are not seen to end, tell nothing of how wide a peak is; its own
    /// gaps do not end it.
    #[test]
    fn a_law_of_two_peaks_is_smoothed_by_the_width_of_the_higher() {
        let peak = |middle: usize, share: f64| {
            let cells = (middle - 40..=middle + 40).step_by(20);
            cells.map(move |cell| (cell, share / 5.0))
        };
        let never = (usize::from(Axis::last()), 0.4);
        let alone = bell(peak(1_500, 1.0));
        let higher = bell(peak(1_500, 0.6).chain(peak(2_400, 0.4)));
        let unended = bell(peak(1_500, 0.6).chain([never]));
        for bell in [higher, unended] {
            assert!((0.9..1.2).contains(&(bell / alone)), "{bell} {alone}");
        }
    }
}
