//! The bend of the price: no more than it takes for a plan to be no worse than a fixed interval, in
//! delay and in polls.
use super::plan::Expected;
use crate::elementary::Elementary;

/// By this share a plan is to be better than the fixed interval: what the grid of wake-ups and the
/// errors of a law take from it.
const MARGIN: f64 = 0.1;

/// The price is bent by this factor at most, either way: where even that is not enough, a bend would
/// only go on without an effect.
const FARTHEST: f64 = 16.0;

/// A change of the price below this share is not worth another plan.
const NOTICED: f64 = 0.05;

/// The logarithm of a factor of the price. Zero is the price as it is given.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::polling) struct Bend(f64);

impl Bend {
    /// That of this logarithm.
    #[cfg(test)]
    pub(in crate::polling) const fn of(logarithm: f64) -> Self {
        Self(logarithm)
    }

    /// The factor.
    pub(in crate::polling) fn factor(self) -> f64 {
        self.0.exponential()
    }

    /// The next bend, after a plan made at this one; true if another plan is to be made of it.
    ///
    /// Where polls are many, delay rises and polls fall with the root of the price (Keller 1974),
    /// and never much faster than the price itself. So a price may rise at least by what is left of
    /// the delay, and fall by what is left of the polls: of these the nearest to the price as it is
    /// given is taken. Where both bounds cannot be kept they are broken alike. No plan has less than
    /// one poll, nor the `scouts` that it has to have: a bound below that binds nothing.
    pub(in crate::polling) fn after(
        self,
        plan: Expected,
        fixed: Expected,
        scouts: f64,
    ) -> (Self, bool) {
        let left = |fixed: f64, plan: f64| {
            let bound = fixed * (1.0 - MARGIN);
            (bound.max(f64::MIN_POSITIVE) / plan.max(f64::MIN_POSITIVE)).logarithm()
        };
        let fewest = 1.0 + scouts;
        let lowest = self.0 - left(fixed.polls, plan.polls);
        let highest = self.0 + left(fixed.delay, plan.delay);
        let next = if fixed.polls * (1.0 - MARGIN) < fewest {
            highest.min(0.0)
        } else if lowest <= highest {
            0.0_f64.clamp(lowest, highest)
        } else {
            0.5 * (lowest + highest)
        };
        let next = next.clamp(-FARTHEST.logarithm(), FARTHEST.logarithm());
        (Self(next), (next - self.0).abs() > NOTICED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXED: Expected = Expected {
        delay: 0.25,
        polls: 6.0,
    };

    /// What plans bring where polls are many, at a price of 50 ms times a factor.
    fn plan(limit: f64, factor: f64) -> Expected {
        let price = 0.05 * factor;
        let polls = (limit / price).sqrt();
        Expected {
            delay: limit / polls,
            polls,
        }
    }

    fn bent(limit: f64) -> Expected {
        let mut bend = Bend::default();
        for _ in 0..40 {
            (bend, _) = bend.after(plan(limit, bend.factor()), FIXED, 0.0);
        }
        plan(limit, bend.factor())
    }

    #[test]
    fn a_price_that_keeps_both_bounds_stays_as_it_is_given() {
        let limit = 0.9;
        assert_eq!(bent(limit), plan(limit, 1.0));
    }

    #[test]
    fn a_price_is_bent_just_so_far_that_the_bound_is_kept() {
        let late = bent(1.1);
        assert!((late.delay - 0.9 * FIXED.delay).abs() < 1e-3, "{late:?}");
        assert!(late.polls < FIXED.polls);
        let many = bent(0.02);
        assert_eq!(many, plan(0.02, 1.0));
    }

    #[test]
    fn bounds_that_cannot_both_be_kept_are_broken_alike() {
        let both = bent(2.0);
        let (delay, polls) = (both.delay / FIXED.delay, both.polls / FIXED.polls);
        assert!((delay - polls).abs() < 1e-3, "{delay}, {polls}");
    }

    /// An interval that finds quick tasks at its first poll has no fewer to offer.
    #[test]
    fn a_bound_that_no_plan_can_keep_binds_nothing() {
        let quick = Expected {
            delay: 0.05,
            polls: 1.6,
        };
        let fixed = Expected {
            delay: 0.2,
            polls: 1.1,
        };
        assert_eq!(Bend::default().after(quick, fixed, 0.1), (Bend(0.0), false));
    }

    #[test]
    fn a_price_that_moves_no_plan_is_not_bent_for_ever() {
        let mut bend = Bend::default();
        let dear = Expected {
            delay: 10.0,
            polls: 1.0,
        };
        for _ in 0..100 {
            (bend, _) = bend.after(dear, FIXED, 0.0);
        }
        assert!((bend.factor() * FARTHEST - 1.0).abs() < 1e-9, "{bend:?}");
        assert!(!bend.after(dear, FIXED, 0.0).1);
    }
}
