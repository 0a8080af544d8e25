//! Where a narrow law lies, for an axis that is closer there.
use super::axis::Axis;
use super::law::Law;
use crate::elementary::Elementary;

/// The share of a law on either side of what is looked at.
const BESIDE: f64 = 0.2;

/// A law is narrow if the rest of it lies within this ratio, as its logarithm. What is wider has cells
/// enough on any axis.
const NARROW: f64 = 0.03;

/// A focus reaches so many times as far as the rest of the law is wide.
const REACH: f64 = 6.0;

/// It reaches at least so far either way, by ratio: half of the cells are then a hundred thousandth of
/// the time wide, and a law that moves a little stays within.
const LEAST: f64 = 0.005;

/// A focus that reaches farther than it has to is kept up to this factor.
const SPARE: f64 = 4.0;

/// A part of time, by its middle in seconds and how far it reaches either way by ratio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::polling) struct Focus {
    middle: f64,
    reach: f64,
}

impl Focus {
    pub(in crate::polling) const fn around(middle: f64, reach: f64) -> Self {
        Self { middle, reach }
    }

    /// The focus that a law asks for, if it is narrow: the one that its axis has, as long as it fits.
    pub(in crate::polling) fn of(law: &Law, axis: &Axis) -> Option<Self> {
        let low = law.quantile(axis, BESIDE)?;
        let high = law.quantile(axis, 1.0 - BESIDE)?;
        let middle = (low * high).sqrt();
        let width = (high / low).logarithm();
        if middle <= 0.0 || width > NARROW {
            return None;
        }
        let wanted = Self::around(middle, (REACH * width).max(LEAST));
        let fits = |focus: &Self| {
            let off = (middle / focus.middle).logarithm().abs() + 0.5 * width;
            off < 0.5 * focus.reach && focus.reach <= SPARE * wanted.reach
        };
        axis.focus().filter(fits).or(Some(wanted))
    }

    /// The logarithm of the ratio of its two ends.
    pub(super) const fn ratio(self) -> f64 {
        2.0 * self.reach
    }

    /// Its two ends in seconds, both between the two given ones and apart.
    pub(in crate::polling) fn within(self, first: f64, last: f64) -> (f64, f64) {
        let far = self.reach.exponential();
        let middle = self.middle.clamp(first * far * far, last / far / far);
        (middle / far, middle * far)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The law of tasks that end evenly between two times.
    fn even(axis: &Axis, from: f64, to: f64) -> Law {
        let mut mass = vec![0.0; usize::from(Axis::last()) + 1];
        let cells = usize::from(axis.nearest(from))..usize::from(axis.nearest(to));
        for cell in &mut mass[cells] {
            *cell = 1.0;
        }
        Law::new(mass)
    }

    #[test]
    fn a_narrow_law_has_a_focus_which_stays_as_long_as_it_fits() {
        let horizon = Duration::from_mins(5);
        let wide = Axis::new(horizon, None);
        assert_eq!(Focus::of(&even(&wide, 1.0, 3.0), &wide), None);
        let first = Focus::of(&even(&wide, 1.99, 2.01), &wide).unwrap();
        let axis = Axis::new(horizon, Some(first));
        assert_eq!(Focus::of(&even(&axis, 1.995, 2.005), &axis), Some(first));
        let moved = Focus::of(&even(&axis, 2.045, 2.055), &axis).unwrap();
        assert!((moved.middle - 2.05).abs() < 0.01, "{moved:?}");
        let narrower = Focus::of(&even(&axis, 1.9999, 2.0), &axis).unwrap();
        assert!(narrower.reach < first.reach, "{narrower:?}");
        assert_eq!(Focus::of(&even(&axis, 1.0, 3.0), &axis), None);
    }
}
