//! A law of the time that a task takes, as a distribution over the cells of an axis.
use std::ops::Range;

use super::axis::{Axis, whole};
use crate::elementary::Elementary;

/// The mass of each cell; the sum is one.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::polling) struct Law {
    mass: Vec<f64>,
    /// The mass below each edge; one more at the end for what lies beyond the horizon.
    below: Vec<f64>,
    /// The width in cells of the bell that it was smoothed with.
    width: f64,
}

impl Law {
    /// The law of these masses, made to sum to one.
    pub(in crate::polling) fn new(mass: Vec<f64>) -> Self {
        let mut law = Self {
            below: Vec::with_capacity(mass.len() + 1),
            mass,
            width: 0.0,
        };
        law.normalize();
        law
    }

    /// Another law in the place of this one: the masses are those that `change` makes of its own.
    pub(super) fn refit(&mut self, change: impl FnOnce(&mut [f64])) {
        change(&mut self.mass);
        self.width = 0.0;
        self.normalize();
    }

    fn normalize(&mut self) {
        let sum: f64 = self.mass.iter().sum();
        let scale = if sum > 0.0 { sum.recip() } else { 0.0 };
        for cell in &mut self.mass {
            *cell *= scale;
        }
        cumulate(&self.mass, &mut self.below);
    }

    /// What is believed before anything was seen: payments take seconds, most of them, and a few
    /// take any time. Half is log-normal around 2 s, half is spread evenly by ratio.
    pub(in crate::polling) fn prior(axis: &Axis) -> Self {
        const MEDIAN: f64 = 2.0;
        const SIGMA: f64 = 0.9;
        /// What lies before the first edge, or beyond the last one, counts as much as this ratio.
        const BESIDE: f64 = 0.0025;
        let bell = |seconds: f64| {
            let deviation = (seconds / MEDIAN).logarithm() / SIGMA;
            (-0.5 * deviation * deviation).exponential()
        };
        let cells = axis.edges().windows(2).map(|edges| match *edges {
            [from, to] if from > 0.0 => (to, (to / from).logarithm()),
            [_, to] => (to, BESIDE),
            _ => (0.0, 0.0),
        });
        let cells: Vec<(f64, f64)> = cells.collect();
        let bells = cells.iter().map(|&(edge, width)| bell(edge) * width);
        let (bells, all): (f64, f64) = (bells.sum(), cells.iter().map(|(_, width)| width).sum());
        let part = |&(edge, width): &(f64, f64)| width * (bell(edge) / bells + 1.0 / all);
        let beyond = BESIDE / all;
        Self::new(cells.iter().map(part).chain([beyond]).collect())
    }

    /// The masses of the cells.
    pub(in crate::polling) fn mass(&self) -> &[f64] {
        &self.mass
    }

    /// The mass below each edge.
    pub(in crate::polling) fn below(&self) -> &[f64] {
        &self.below
    }

    /// The mass below one edge.
    pub(in crate::polling) fn below_edge(&self, edge: u16) -> f64 {
        self.below.get(usize::from(edge)).copied().unwrap_or(1.0)
    }

    /// The last edge that has no more than this mass below it.
    pub(in crate::polling) fn edge_at(&self, mass: f64) -> usize {
        let above = self.below.partition_point(|&below| below <= mass);
        above.saturating_sub(1)
    }

    /// The time in seconds below which a share of the mass lies; `None` if that is beyond the horizon.
    pub(in crate::polling) fn quantile(&self, axis: &Axis, share: f64) -> Option<f64> {
        let above = self.below.partition_point(|&below| below < share).max(1);
        let (from, to) = (axis.edges().get(above - 1)?, axis.edges().get(above)?);
        let (low, high) = (self.below.get(above - 1)?, self.below.get(above)?);
        let part = (share - low) / (high - low).max(f64::MIN_POSITIVE);
        Some((to - from).mul_add(part.clamp(0.0, 1.0), *from))
    }

    /// The width in cells of the bell that it was smoothed with: finer than that it is not known.
    pub(in crate::polling) const fn width(&self) -> f64 {
        self.width
    }

    /// This law with each mass spread over its neighbours by a bell of about `width` cells. A little of each
    /// mass ([`LENT`]) is also spread over wider and wider parts, up to the leeway of the axis: if a task that
    /// is nearly certain ends just past the poll that should find it, nothing tells by how much. Outside the
    /// focus of the axis, where cells are wider, both reach over fewer cells, so that they are as wide by
    /// ratio.
    pub(in crate::polling) fn smoothed(&self, width: f64, axis: &Axis) -> Self {
        // A box of half-width h has the variance h(h + 1) / 3; three of them have nearly the shape
        // of a bell.
        let half = |width: f64| {
            let half = (width * width + 0.25).sqrt() - 0.5;
            usize::from(whole(half.round()))
        };
        let (fine, coarser) = axis.fine();
        let halves = Reach {
            within: half(width),
            beyond: half(width / coarser),
            fine: fine.clone(),
        };
        let mut sums = Vec::with_capacity(self.below.len());
        let mut smoothed = self.clone();
        smoothed.refit(|mass| {
            for _ in 0..3 {
                spread_evenly(mass, &halves, 1.0, &mut sums);
            }
            let leeways = std::iter::successors(Some(1), |leeway| Some(leeway * 4));
            for leeway in leeways.take_while(|leeway| *leeway <= axis.leeway()) {
                let beyond = whole(f64::from(leeway) / coarser).max(1);
                let reach = Reach {
                    within: leeway.into(),
                    beyond: beyond.into(),
                    fine: fine.clone(),
                };
                spread_evenly(mass, &reach, LENT, &mut sums);
            }
        });
        smoothed.width = width;
        smoothed
    }
}

/// The share of a mass that is lent at each width. With less, a task that ends just past an edge would be
/// sought anywhere beyond; with more, a poll at that edge would have another close behind it.
const LENT: f64 = 0.01;

/// How many cells a mass is spread over, either way.
struct Reach {
    /// In the `fine` cells.
    within: usize,
    beyond: usize,
    fine: Range<usize>,
}

/// Puts the sums up to each place into `sums`, with zero before the first.
fn cumulate(values: &[f64], sums: &mut Vec<f64>) {
    sums.clear();
    sums.reserve(values.len() + 1);
    let mut sum = 0.0;
    sums.push(sum);
    for value in values {
        sum += value;
        sums.push(sum);
    }
}

/// Spreads a share of each value evenly over itself and its neighbours within reach on either side; what
/// would leave at an end stays there. `sums` is room to work in.
fn spread_evenly(values: &mut [f64], reach: &Reach, share: f64, sums: &mut Vec<f64>) {
    cumulate(values, sums);
    let last = values.len();
    let at = |place: usize| sums.get(place.min(last)).copied().unwrap_or_default();
    let width = |half: usize| f64::from(u32::try_from(2 * half + 1).unwrap_or(u32::MAX));
    let widths = (width(reach.within), width(reach.beyond));
    for (place, value) in values.iter_mut().enumerate() {
        let (half, width) = if reach.fine.contains(&place) {
            (reach.within, widths.0)
        } else {
            (reach.beyond, widths.1)
        };
        let around = (at(place + half + 1) - at(place.saturating_sub(half))) / width;
        *value = share.mul_add(around - *value, *value);
    }
}
