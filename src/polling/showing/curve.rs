//! The curve of what is possible under a law: the least delay for so many polls.
use crate::elementary::Elementary;
use crate::polling::laws::axis::Axis;
use crate::polling::laws::law::Law;
use crate::polling::planning::plan::{self, Expected};
use crate::polling::planning::rules::Rules;

/// The ends of the prices that the curve is drawn for, in seconds, and how many there are.
const CHEAPEST: f64 = 0.001;
const DEAREST: f64 = 5.0;
const PRICES: u16 = 13;

/// The curve ends at so many polls. A plan's points of time are few against more of them, and what it
/// then brings is no longer the least.
const MANY: f64 = 30.0;

/// What the best plan for one price brings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Optimum {
    pub(super) price: f64,
    pub(super) brings: Expected,
}

/// The corners of the curve, the dearest price first: polls rise and delay falls. Among the prices is
/// `in_force`, so that its plan stands on the curve.
///
/// Each is a minimum of delay and priced polls, so that no schedule within the rules lies below
/// the line through a corner that falls by its price, but for the grid that plans choose among. It
/// takes a dozen times as long as one plan.
pub(super) fn corners(axis: &Axis, law: &Law, rules: &Rules, in_force: f64) -> Vec<Optimum> {
    let step = (DEAREST / CHEAPEST).logarithm() / f64::from(PRICES - 1);
    let spaced = (0..PRICES).map(|place| DEAREST * (-step * f64::from(place)).exponential());
    let mut prices: Vec<f64> = spaced.chain([in_force]).collect();
    prices.sort_by(|one, other| other.total_cmp(one));
    let mut corners: Vec<Optimum> = Vec::new();
    for price in prices {
        let instants = plan::optimal(axis, law, rules.terms(price));
        let brings = plan::expected(axis, law, &instants, &mut Vec::new());
        if brings.polls > MANY && price < in_force {
            break;
        }
        let is_farther = |last: &Optimum| {
            brings.polls > last.brings.polls + 1e-9 && brings.delay < last.brings.delay - 1e-9
        };
        // Two prices may have the same plan.
        if corners.last().is_none_or(is_farther) {
            corners.push(Optimum { price, brings });
        }
    }
    corners
}
