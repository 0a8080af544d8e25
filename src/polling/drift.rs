//! The guard against a law that no longer holds: a sum of surprises, over outcomes in a row.

/// How surely the law has moved before it is dropped: a false alarm comes once in e^9 outcomes or
/// more rarely (Page 1954; Lorden 1971).
const ALARM: f64 = 9.0;

/// From here on the next exchange looks where the plan does not: one outcome where there should be
/// none reaches it, the chance of those that fit seldom does.
const SUSPICION: f64 = 2.5;

/// The alternative: the share of the law below an outcome is not even, but follows this power.
const POWER: f64 = 0.3;

/// Two sums, one for tasks that are quicker than the law says, one for slower ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Drift {
    quicker: Run,
    slower: Run,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Run {
    sum: f64,
    outcomes: usize,
}

impl Run {
    /// The log of how much likelier the alternative makes an outcome whose share of the law lies
    /// between the two.
    fn add(&mut self, low: f64, high: f64) {
        let even = (high - low).max(1e-9);
        let moved = high.powf(POWER) - low.max(0.0).powf(POWER);
        self.sum += (moved.max(1e-9) / even).ln();
        self.outcomes += 1;
        if self.sum <= 0.0 {
            *self = Self::default();
        }
    }
}

impl Drift {
    /// Takes the shares of the law below the two ends of an outcome. `Some` tells an alarm, and how
    /// many of the latest outcomes led to it.
    pub(super) fn add(&mut self, low: f64, high: f64) -> Option<usize> {
        self.quicker.add(low, high);
        self.slower.add(1.0 - high, 1.0 - low);
        let alarmed = [&self.quicker, &self.slower]
            .into_iter()
            .find(|run| run.sum >= ALARM);
        let outcomes = alarmed.map(|run| run.outcomes);
        if outcomes.is_some() {
            *self = Self::default();
        }
        outcomes
    }

    /// True while outcomes are quicker than they should be: polls that find them at once do not
    /// tell by how much.
    pub(super) fn is_suspicious(&self) -> bool {
        self.quicker.sum >= SUSPICION
    }
}
