//! The guard against a law that no longer holds: a sum of surprises, over outcomes in a row.
use std::time::Duration;

use crate::elementary::Elementary;
use crate::timing::Moment;

/// How surely the law has moved before it is dropped: a false alarm comes once in e^9 outcomes or
/// more rarely (Page 1954; Lorden 1971).
const ALARM: f64 = 9.0;

/// From this sum on the next exchanges look where the plan does not. One outcome where the law has none is
/// enough for it; outcomes that fit the law reach it seldom.
const SUSPICION: f64 = 2.5;

/// The alternative: the share of the law below an outcome is not even, but follows this power.
const POWER: f64 = 0.3;

/// What every outcome takes from the sum of a run: a law is smoother than what it was made of, so that
/// the outcomes of a narrow one lie a little too well, which must not add up.
const ALLOWED: f64 = 0.03;

/// The most exchanges that carry a mark at a time. Of exchanges that began together the quickest end first,
/// which looks like a law that has moved; the quickest of so few raise no alarm.
const HEARD: usize = 8;

/// A marked exchange keeps its place for the time within which this share of tasks ends.
pub(super) const NEARLY_ALL: f64 = 0.95;

/// Whether the outcome of an exchange counts for the guard. That is decided when the exchange begins: at its
/// end it would be the quick ones that are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(Option<Moment>);

impl Mark {
    /// The mark of an exchange whose outcome does not count.
    pub const NONE: Self = Self(None);
}

/// Three sums: for tasks that are quicker than the law says, for slower ones, and for tasks that end where
/// the law has none and the prior has some.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Drift {
    quicker: Run,
    slower: Run,
    elsewhere: Run,
    /// When the marked exchanges began that have not ended.
    marked: Vec<Moment>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Run {
    sum: f64,
    outcomes: usize,
}

impl Run {
    /// Takes an outcome by the law's shares at its two ends. Where the law holds these are spread evenly; the
    /// alternative is that they follow [`POWER`].
    fn skewed(&mut self, low: f64, high: f64) {
        let moved = high.to_power(POWER) - low.max(0.0).to_power(POWER);
        self.add(moved, high - low);
    }

    /// Takes an outcome by how likely the alternative and the law make it.
    fn add(&mut self, alternative: f64, law: f64) {
        self.sum += (alternative.max(1e-9) / law.max(1e-9)).logarithm() - ALLOWED;
        self.outcomes += 1;
        if self.sum <= 0.0 {
            *self = Self::default();
        }
    }

    /// Counts an outcome that is not added to the sum.
    fn pass(&mut self) {
        self.outcomes += usize::from(self.sum > 0.0);
    }
}

impl Drift {
    /// The mark of an exchange that begins now. `usual`: the time within which nearly all exchanges end. A
    /// marked one that has not ended by then leaves its place to another, since it may never end; if it does,
    /// its outcome counts all the same.
    pub(super) fn mark(&mut self, now: Moment, usual: Duration) -> Mark {
        self.marked.retain(|&began| now < began + usual);
        let is_marked = self.marked.len() < HEARD;
        self.marked.extend(is_marked.then_some(now));
        Mark(is_marked.then_some(now))
    }

    /// Notes that an exchange has ended; true if its outcome is to be added. If not, the runs only count it.
    pub(super) fn hears(&mut self, mark: Mark) -> bool {
        let Some(began) = mark.0 else {
            for run in [&mut self.quicker, &mut self.slower, &mut self.elsewhere] {
                run.pass();
            }
            return false;
        };
        if let Some(place) = self.marked.iter().position(|it| *it == began) {
            self.marked.swap_remove(place);
        }
        true
    }

    /// Adds an outcome: the law's shares below its two ends, and the prior's share between them. `Some` is an
    /// alarm, with how many of the latest outcomes led to it.
    pub(super) fn add(&mut self, low: f64, high: f64, prior: f64) -> Option<usize> {
        self.quicker.skewed(low, high);
        self.slower.skewed(1.0 - high, 1.0 - low);
        self.elsewhere.add(prior, high - low);
        let alarmed = [&self.quicker, &self.slower, &self.elsewhere]
            .into_iter()
            .find(|run| run.sum >= ALARM);
        let outcomes = alarmed.map(|run| run.outcomes);
        if outcomes.is_some() {
            *self = Self::default();
        }
        outcomes
    }

    /// True while tasks end sooner than the law says. A poll that finds them done does not tell by how much.
    pub(super) fn is_suspicious(&self) -> bool {
        self.quicker.sum >= SUSPICION
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Outcomes of these shares, one after another, until the alarm.
    fn alarmed(mut outcomes: impl Iterator<Item = (f64, f64, f64)>) -> Option<usize> {
        let mut drift = Drift::default();
        outcomes.find_map(|(low, high, prior)| drift.add(low, high, prior))
    }

    #[test]
    fn outcomes_as_the_law_has_them_are_no_surprise() {
        let even = (0..1000).map(|outcome| {
            let low = f64::from(outcome * 7 % 20) / 20.0;
            (low, low + 0.05, 0.05)
        });
        assert_eq!(alarmed(even), None);
    }

    #[test]
    fn what_a_single_poll_finds_never_tells_that_tasks_are_quicker() {
        assert_eq!(alarmed(std::iter::repeat_n((0.0, 0.97, 0.5), 5000)), None);
    }

    #[test]
    fn tasks_that_end_where_the_law_has_none_are_told_by_the_prior() {
        // Between two peaks: an even share, and neither quick nor slow.
        assert_eq!(alarmed(std::iter::repeat_n((0.5, 0.501, 0.2), 9)), Some(2));
    }
}
