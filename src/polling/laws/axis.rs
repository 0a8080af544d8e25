//! The axis of time that a law is told on: edges from zero to the horizon, closer where a law is narrow.
use std::ops::Range;
use std::time::Duration;

use super::focus::Focus;
use crate::elementary::Elementary;

/// The first edge after zero. A task that is quicker is found by the first poll anyway.
const FIRST: f64 = 0.01;

/// Cells between the first edge and the horizon. Over five minutes a cell is 0.25 % of its time wide.
const CELLS: u16 = 4096;

/// How many of them lie where the axis has a focus.
const FOCUSED: u16 = CELLS / 2;

/// A cell outside of a focus is about so wide by ratio: no law is held to be certain within less, however
/// closely it was seen.
const LEEWAY: f64 = 0.002;

/// Edges of time in seconds: 0, then from the first to the horizon by a constant ratio, but for a part
/// where they are closer. Cell `k` lies between the edges `k` and `k + 1`; beyond the last edge there is
/// one more, without an end.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::polling) struct Axis {
    edges: Vec<f64>,
    focus: Option<Focus>,
    /// The cells below the focus.
    below: u16,
}

impl Axis {
    /// The axis up to a horizon, with half of its cells in a focus if there is one. A horizon below twice the
    /// first edge is taken for that.
    pub(in crate::polling) fn new(horizon: Duration, focus: Option<Focus>) -> Self {
        let last = horizon.as_secs_f64().max(2.0 * FIRST);
        let mut edges = vec![0.0, FIRST];
        let mut cells_below = 0;
        match focus {
            None => extend(&mut edges, last, CELLS),
            Some(focus) => {
                let (from, to) = focus.within(FIRST, last);
                let below = (from / FIRST).logarithm();
                let around = below + (last / to).logarithm();
                let others = f64::from(CELLS - FOCUSED);
                let below = whole((others * below / around).round()).clamp(1, CELLS - FOCUSED - 1);
                extend(&mut edges, from, below);
                extend(&mut edges, to, FOCUSED);
                extend(&mut edges, last, CELLS - FOCUSED - below);
                cells_below = below + 1;
            }
        }
        Self {
            edges,
            focus,
            below: cells_below,
        }
    }

    /// Where its edges are closer.
    pub(in crate::polling) const fn focus(&self) -> Option<Focus> {
        self.focus
    }

    /// The edges in seconds, rising.
    pub(in crate::polling) fn edges(&self) -> &[f64] {
        &self.edges
    }

    /// The time of an edge; one past the last is taken for the last.
    pub(in crate::polling) fn time(&self, edge: usize) -> Duration {
        let seconds = self.edges.get(edge).or(self.edges.last());
        Duration::from_secs_f64(seconds.copied().unwrap_or_default())
    }

    /// How many cells away a task may end where a law is nearly certain, for all that is known: one,
    /// unless cells are closer than that.
    pub(super) fn leeway(&self) -> u16 {
        let cell = self
            .focus
            .map_or(LEEWAY, |focus| focus.ratio() / f64::from(FOCUSED));
        whole(LEEWAY / cell).max(1)
    }

    /// The cells of the focus, or all where there is none, and how many times as wide by ratio as one of
    /// them another is.
    pub(super) fn fine(&self) -> (Range<usize>, f64) {
        let (first, last) = (usize::from(self.below), usize::from(FOCUSED));
        let ratio = |edge: usize| match self.edges.get(edge..edge + 2) {
            Some(&[from, to]) => (to / from).logarithm(),
            Some(_) | None => 1.0,
        };
        match self.focus {
            None => (0..self.edges.len(), 1.0),
            Some(_) => (first..first + last, ratio(1) / ratio(first)),
        }
    }

    /// How wide a cell is around a time in seconds.
    pub(in crate::polling) fn width_at(&self, seconds: f64) -> f64 {
        let above = self.edges.partition_point(|&edge| edge < seconds);
        let to = above.clamp(1, usize::from(Self::last()));
        let edge = |edge: usize| self.edges.get(edge).copied().unwrap_or_default();
        edge(to) - edge(to - 1)
    }

    /// The last edge.
    pub(in crate::polling) const fn last() -> u16 {
        CELLS + 1
    }

    /// The edge that is nearest to a time by ratio.
    ///
    /// Both ends of an interval are rounded alike, so that the intervals before and after a poll
    /// have no cell in common: one that lay in both would draw the mass of both.
    pub(in crate::polling) fn nearest(&self, seconds: f64) -> u16 {
        let above = self.edges.partition_point(|&edge| edge < seconds);
        let edge = |edge: usize| self.edges.get(edge).copied();
        let nearest = match (above.checked_sub(1).and_then(edge), edge(above)) {
            (Some(0.0), Some(high)) if seconds < 0.5 * high => above - 1,
            (Some(low), Some(high)) if seconds * seconds < low * high => above - 1,
            (_, Some(_)) => above,
            (_, None) => self.edges.len() - 1,
        };
        u16::try_from(nearest).unwrap_or(u16::MAX)
    }
}

/// Appends the edges of `cells` more cells, by a constant ratio, the last of them at `to`.
fn extend(edges: &mut Vec<f64>, to: f64, cells: u16) {
    let from = edges.last().copied().unwrap_or(FIRST);
    let ratio = (to / from).logarithm() / f64::from(cells);
    edges.extend((1..=cells).map(|cell| from * (ratio * f64::from(cell)).exponential()));
}

/// The whole part of a number that is known to be small and not negative.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "callers give numbers within the range, and a cast of floats saturates"
)]
pub(in crate::polling) const fn whole(value: f64) -> u16 {
    value as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_rise_to_the_horizon_and_each_is_its_own_neighbour() {
        let horizon = Duration::from_mins(5);
        let narrow = Focus::around(2.0, 0.01);
        for axis in [Axis::new(horizon, None), Axis::new(horizon, Some(narrow))] {
            assert_eq!(axis.edges().len(), usize::from(Axis::last()) + 1);
            assert!(axis.edges().windows(2).all(|pair| pair[0] < pair[1]));
            assert!((axis.edges().last().unwrap() - 300.0).abs() < 1e-6);
            for (edge, time) in axis.edges().iter().enumerate() {
                assert_eq!(usize::from(axis.nearest(*time)), edge);
            }
            assert_eq!(axis.nearest(f64::INFINITY), Axis::last());
            assert_eq!(axis.nearest(0.0), 0);
        }
    }

    #[test]
    fn a_focus_has_cells_that_no_clock_tells_apart_wherever_it_lies() {
        let horizon = Duration::from_mins(5);
        for seconds in [0.0, 0.02, 2.0, 90.0, 297.0, 400.0] {
            let axis = Axis::new(horizon, Some(Focus::around(seconds, 0.005)));
            assert!(axis.edges().windows(2).all(|pair| pair[0] < pair[1]));
            let within = seconds.clamp(0.0101, 297.0);
            let width = axis.width_at(within);
            assert!(width < 1e-5 * within, "{width} s at {seconds} s");
        }
    }
}
