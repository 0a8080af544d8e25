//! The axis of time that a law is told on: edges from zero to the horizon, spaced by a ratio.
use std::time::Duration;

/// The first edge after zero. A task that is quicker is found by the first poll anyway.
const FIRST: f64 = 0.05;

/// Cells between the first edge and the horizon. Over five minutes a cell is 0.2 % of its time
/// wide: finer than the turns of the runtime let a task of two seconds be told.
const CELLS: u16 = 4096;

/// Edges of time in seconds: 0, then from 50 ms to the horizon by a constant ratio. Cell `k` lies
/// between the edges `k - 1` and `k`; beyond the last edge there is one more, without an end.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    edges: Vec<f64>,
    ratio: f64,
}

impl Axis {
    /// The axis up to a horizon; one below twice the first edge is taken for that.
    pub(super) fn new(horizon: Duration) -> Self {
        let ratio = (horizon.as_secs_f64() / FIRST).max(2.0).ln() / f64::from(CELLS);
        let spaced = (0..=CELLS).map(|cell| FIRST * (ratio * f64::from(cell)).exp());
        Self {
            edges: std::iter::once(0.0).chain(spaced).collect(),
            ratio,
        }
    }

    /// The edges in seconds, rising.
    pub(super) fn edges(&self) -> &[f64] {
        &self.edges
    }

    /// The last edge's time.
    pub(super) fn horizon(&self) -> Duration {
        self.time(self.edges.len())
    }

    /// The time of an edge; one past the last is taken for the last.
    pub(super) fn time(&self, edge: usize) -> Duration {
        let seconds = self.edges.get(edge).or(self.edges.last());
        Duration::from_secs_f64(seconds.copied().unwrap_or_default())
    }

    /// The logarithm of the ratio of two neighbouring edges.
    pub(super) const fn ratio(&self) -> f64 {
        self.ratio
    }

    /// The last edge.
    pub(super) const fn last() -> u16 {
        CELLS + 1
    }

    /// The edge that is nearest to a time by ratio.
    ///
    /// Both ends of an interval are rounded alike, so that the intervals before and after a poll
    /// have no cell in common: one that lay in both would draw the mass of both.
    pub(super) fn nearest(&self, time: Duration) -> u16 {
        let seconds = time.as_secs_f64();
        if seconds < FIRST / 2.0 {
            return 0;
        }
        let cell = ((seconds / FIRST).ln() / self.ratio).round();
        1 + whole(cell.clamp(0.0, f64::from(CELLS)))
    }
}

/// The whole part of a number that is known to be small and not negative.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "callers give numbers within the range, and a cast of floats saturates"
)]
pub(super) const fn whole(value: f64) -> u16 {
    value as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_rise_to_the_horizon_and_each_is_its_own_neighbour() {
        let axis = Axis::new(Duration::from_mins(5));
        assert!(axis.edges().windows(2).all(|pair| pair[0] < pair[1]));
        assert!((axis.edges().last().unwrap() - 300.0).abs() < 1e-6);
        for (edge, time) in axis.edges().iter().enumerate() {
            let nearest = axis.nearest(Duration::from_secs_f64(*time));
            assert_eq!(usize::from(nearest), edge);
        }
        assert_eq!(axis.nearest(Duration::MAX), Axis::last());
        assert_eq!(axis.nearest(Duration::ZERO), 0);
    }
}
