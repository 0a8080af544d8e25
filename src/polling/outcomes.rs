//! What exchanges told of the time of their tasks, and the law that makes it likely.
use std::collections::VecDeque;
use std::time::Duration;

use super::axis::Axis;
use super::law::Law;

/// An outcome counts half as much after so many more.
const HALF_LIFE: f64 = 500.0;

/// Older outcomes are dropped: together they would count less than a third of all.
pub(super) const REMEMBERED: usize = 1024;

/// What the prior law counts where nothing was seen, in outcomes.
const PRIOR_AT_FIRST: f64 = 8.0;

/// What it counts in the end: enough that nothing is ever held to be impossible.
const PRIOR_AT_LAST: f64 = 1.0;

/// Outcomes that halve what it counts beyond that.
const PRIOR_FADES: f64 = 20.0;

/// No law is known finer than this, in cells: the instants of polls are rounded to edges.
const NARROWEST: f64 = 1.5;

/// The time of one task lies between two edges: it was not done at the first, and it was at the
/// second. One past the last edge says that it was never seen done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Observed {
    after: u16,
    by: u16,
}

impl Observed {
    /// Rounds the two ends to edges; `None` is for what was never seen done. It keeps at least one
    /// cell.
    pub(super) fn new(axis: &Axis, after: Duration, by: Option<Duration>) -> Self {
        let never = Axis::last() + 1;
        let after = axis.nearest(after);
        let by = by.map_or(never, |by| axis.nearest(by));
        Self {
            after: after.min(by.saturating_sub(1)),
            by: by.max(1),
        }
    }

    /// Between two edges; `None` if the second is not after the first, or is none.
    pub(super) fn between(after: u16, by: u16) -> Option<Self> {
        (after < by && by <= Axis::last() + 1).then_some(Self { after, by })
    }

    pub(super) const fn after(self) -> u16 {
        self.after
    }

    pub(super) const fn by(self) -> u16 {
        self.by
    }
}

impl FromIterator<Observed> for Outcomes {
    fn from_iter<T: IntoIterator<Item = Observed>>(newest_first: T) -> Self {
        let latest = newest_first.into_iter().take(REMEMBERED).collect();
        Self { latest }
    }
}

/// The latest outcomes, the newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Outcomes {
    latest: VecDeque<Observed>,
}

impl Outcomes {
    pub(super) fn push(&mut self, observed: Observed) {
        self.latest.push_front(observed);
        self.latest.truncate(REMEMBERED);
    }

    /// The newest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = Observed> {
        self.latest.iter().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.latest.len()
    }

    /// Drops all but the newest.
    pub(super) fn keep(&mut self, newest: usize) {
        self.latest.truncate(newest);
    }

    /// Tells all of them on another axis.
    pub(super) fn move_to(&mut self, from: &Axis, to: &Axis) {
        let time = |edge: u16| {
            let seconds = from.edges().get(usize::from(edge))?;
            Some(Duration::from_secs_f64(*seconds))
        };
        for observed in &mut self.latest {
            let after = time(observed.after).unwrap_or_default();
            *observed = Observed::new(to, after, time(observed.by));
        }
    }

    /// What all of them count together.
    pub(super) fn weight(&self) -> f64 {
        let counted = weights().take(self.latest.len());
        counted.fold(0.0, |sum, weight| sum + weight)
    }

    /// The law of these outcomes and the prior, reached from `start`.
    ///
    /// Each round spreads an outcome over the cells of its interval as the law so far has it
    /// (self-consistency: Turnbull 1976); the last step spreads every mass over its neighbours, by
    /// as much as so few outcomes leave unknown (EMS: Silverman and others 1990).
    pub(super) fn law(&self, prior: &Law, start: &Law, rounds: u32) -> Law {
        let weight = self.weight();
        let fades = 1.0 + weight / PRIOR_FADES;
        let counts = PRIOR_AT_LAST + (PRIOR_AT_FIRST - PRIOR_AT_LAST) / fades;
        let mut law = start.clone();
        let mut rises = Vec::new();
        for _ in 0..rounds {
            self.rise(&law, &mut rises);
            law.refit(|cells| {
                take_densities(cells, &rises);
                for (cell, prior) in cells.iter_mut().zip(prior.mass()) {
                    *cell += prior * counts;
                }
            });
        }
        let width = bandwidth(&law, weight);
        law.smoothed(width.max(NARROWEST))
    }

    /// These outcomes alone, without the prior: each spread over its interval as the law has it.
    pub(super) fn seen(&self, law: &Law) -> Law {
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
    let fading = (-std::f64::consts::LN_2 / HALF_LIFE).exp();
    std::iter::successors(Some(1.0), move |weight| Some(weight * fading))
}

/// The width of the bell in cells, by Silverman's rule. The spread is that of the narrowest part
/// that holds a third of the mass, so that a law of two peaks is not smoothed as if it were one.
fn bandwidth(law: &Law, weight: f64) -> f64 {
    const SHARE: f64 = 0.3;
    /// How many standard deviations wide that part of a normal law is.
    const DEVIATIONS: f64 = 0.77;
    /// The rule's 1.06 is for outcomes that are known to the instant; these lie between two polls.
    const FACTOR: f64 = 1.3;
    let below = law.below();
    let mut narrowest = below.len();
    let mut end = 0;
    for (start, low) in below.iter().enumerate() {
        while below.get(end).is_some_and(|high| high - low < SHARE) {
            end += 1;
        }
        if end == below.len() {
            break;
        }
        narrowest = narrowest.min(end - start);
    }
    let deviation = f64::from(u32::try_from(narrowest).unwrap_or(u32::MAX)) / DEVIATIONS;
    FACTOR * deviation * weight.max(1.0).powf(-0.2)
}
