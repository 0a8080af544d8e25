//! The plan in force: made of a law at the price that is given, which is bent where the rules ask for
//! it.
use std::sync::Arc;
use std::time::Duration;

use super::known::Known;
use super::scout::{MOVED, Rates};
use crate::polling::planning::bend::Bend;
use crate::polling::planning::cold::cold;
use crate::polling::planning::plan::{self, Expected};
use crate::polling::planning::rules::Rules;
use crate::polling::planning::step::Step;
use crate::timing::GRID;

/// A poll that fewer tasks than this share come to is not worth a turn of its own.
const RARE: f64 = 0.05;

/// Plans that are made at most while the price is bent; the next outcomes go on from there.
const BENDS: usize = 3;

/// What a plan is made of.
#[derive(Clone, Copy)]
pub(super) struct Basis<'a> {
    pub(super) rules: &'a Rules,
    pub(super) known: &'a Known,
}

/// The plan in force.
#[derive(Clone, Debug)]
pub(super) struct PlanInForce {
    /// The price of the rules.
    base: Duration,
    /// The price that is given: that of the rules, or more while a budget binds or the gateway pushes back.
    given: Duration,
    /// What makes the price in force of the two.
    bend: Bend,
    is_cold: bool,
    steps: Arc<[Step]>,
    expected: Expected,
    /// The product of delay and polls that no schedule goes below where polls are many.
    limit: f64,
}

impl PlanInForce {
    /// None yet.
    pub(super) fn nothing(rules: &Rules) -> Self {
        Self {
            base: rules.price,
            given: rules.price,
            bend: Bend::default(),
            is_cold: true,
            steps: Arc::new([]),
            expected: Expected::default(),
            limit: 0.0,
        }
    }

    /// Makes the plan, and others while the price has to be bent for it: that of who knows nothing if
    /// it `is_cold`. A budget that binds has the last word: while it does the bend stays as it is.
    pub(super) fn make(&mut self, basis: Basis<'_>, is_cold: bool) {
        self.is_cold = is_cold;
        let Basis { rules, known } = basis;
        let (axis, law) = (known.axis(), known.law());
        self.limit = plan::limit(axis, law);
        self.remake(basis);
        let interval = match rules.no_worse_than {
            Some(interval) if !self.is_cold && self.given <= self.base => interval,
            Some(_) | None => return,
        };
        let seen = known.outcomes().seen(law);
        let horizon = rules.horizon.as_secs_f64();
        let Some(fixed) = plan::every(axis, &seen, interval.as_secs_f64(), horizon) else {
            return;
        };
        for _ in 0..BENDS {
            let steps = self.steps.iter().map(|step| step.at.as_secs_f64());
            let instants: Vec<f64> = steps.collect();
            let plan = plan::expected(axis, &seen, &instants, &mut Vec::new());
            let scouts = self.scouts(known.outcomes().len()).all();
            let plan = Expected {
                polls: plan.polls + scouts,
                ..plan
            };
            let (bend, is_noticed) = self.bend.after(plan, fixed, scouts);
            if !is_noticed {
                return;
            }
            self.bend = bend;
            self.remake(basis);
        }
    }

    /// Makes the plan at another price that is given, if it is another.
    pub(super) fn give(&mut self, price: Duration, basis: Basis<'_>) {
        if self.given != price {
            self.given = price;
            self.remake(basis);
        }
    }

    /// Makes the plan by other rules.
    pub(super) fn follow(&mut self, price: Duration, basis: Basis<'_>) {
        (self.given, self.bend) = (price, Bend::default());
        self.make(basis, self.is_cold);
    }

    fn remake(&mut self, basis: Basis<'_>) {
        let Basis { rules, known } = basis;
        let (axis, law) = (known.axis(), known.law());
        self.base = rules.price;
        let terms = rules.terms(self.price().as_secs_f64());
        let instants = if self.is_cold {
            let dearer = self.given.as_secs_f64() / rules.price.as_secs_f64();
            cold(terms, dearer)
        } else {
            plan::optimal(axis, law, terms)
        };
        self.expected = plan::expected(axis, law, &instants, &mut Vec::new());
        self.steps = steps(&instants, known);
    }

    /// What one poll is worth in delay now.
    pub(super) fn price(&self) -> Duration {
        in_force(self.base, self.given, self.bend)
    }

    /// What one poll would be worth in delay if the price `given` were in force.
    pub(super) fn price_at(&self, rules: &Rules, given: Duration) -> Duration {
        in_force(rules.price, given, self.bend)
    }

    /// True while the plan is that of who knows nothing.
    pub(super) const fn is_cold(&self) -> bool {
        self.is_cold
    }

    /// Its polls.
    pub(super) const fn steps(&self) -> &Arc<[Step]> {
        &self.steps
    }

    /// What it is expected to bring.
    pub(super) const fn expected(&self) -> Expected {
        self.expected
    }

    /// The shares of exchanges that scout, where so many outcomes are known.
    pub(super) fn scouts(&self, known: usize) -> Rates {
        if self.steps.iter().any(|step| step.is_sharp) {
            Rates::sharp(known)
        } else {
            Rates::of(self.expected, self.price(), known)
        }
    }

    /// The product of delay and polls that no schedule goes below where polls are many.
    pub(super) const fn limit(&self) -> f64 {
        self.limit
    }
}

/// The price in force: the `base` one bent, or what is given where that is more. A price that a bend has
/// raised must not fall as soon as polls are to be fewer.
fn in_force(base: Duration, given: Duration, bend: Bend) -> Duration {
    let bent = base.mul_f64(bend.factor());
    if given > base { given.max(bent) } else { bent }
}

/// Each instant with how far it may be moved: not so far that the plan suffers, nor farther than the law
/// is smoothed.
fn steps(instants: &[f64], known: &Known) -> Arc<[Step]> {
    let blur = 0.5 * known.law().width();
    let befores = std::iter::once(&0.0).chain(instants);
    let afters = instants.iter().skip(1).chain([&f64::INFINITY]);
    let sharp = sharp(instants, known);
    let steps = instants.iter().zip(sharp).zip(befores.zip(afters));
    steps
        .map(|((at, is_sharp), (before, after))| {
            let wait = (at - before).min(after - at);
            Step {
                at: Duration::from_secs_f64(*at),
                spread: Duration::from_secs_f64(
                    (MOVED * wait).min(blur * known.axis().width_at(*at)),
                ),
                is_sharp,
            }
        })
        .collect()
}

/// Which polls are sharp: those that find at least half of the tasks that come to them within two steps of
/// the grid of wake-ups after their end.
fn sharp(instants: &[f64], known: &Known) -> impl Iterator<Item = bool> {
    let soon = 2.0 * GRID.as_secs_f64();
    let (axis, law) = (known.axis(), known.law());
    let below = move |time: f64| law.below_edge(axis.nearest(time));
    let befores = std::iter::once(&0.0).chain(instants);
    instants.iter().zip(befores).map(move |(&at, &before)| {
        let left = 1.0 - below(before);
        let soon = below(at) - below(before.max(at - soon));
        left > RARE && soon > 0.5 * left
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::elementary::Elementary;

    proptest! {
        /// However far it is bent, and by whatever a budget or a pushback raises it.
        #[test]
        fn the_price_in_force_never_falls_where_the_given_one_rises(
            base in 1_u64..5_000,
            power in -2.8_f64..2.8,
            raised in proptest::collection::vec(1.0_f64..3.0, 1..8),
        ) {
            let base = Duration::from_millis(base);
            let bend = Bend::of(power);
            let bent = base.mul_f64(power.exponential());
            let (mut given, mut before) = (base, in_force(base, base, bend));
            prop_assert!(before.abs_diff(bent) < Duration::from_micros(1));
            for factor in raised {
                given = given.mul_f64(factor);
                let price = in_force(base, given, bend);
                prop_assert!(price >= before);
                prop_assert!(given == base || price >= given);
                before = price;
            }
        }
    }
}
