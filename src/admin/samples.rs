//! The last quarter of an hour of a few metrics, for the page's plots: a bounded ring in memory.
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::scrape::{Scrape, label_of};
use crate::timing::Moment;

/// How often a sample is taken. A peak that is shorter than this may be missed.
pub(super) const EVERY: Duration = Duration::from_secs(5);

/// What one column of a plot spans.
pub(super) const SLOT: Duration = Duration::from_secs(15);

/// Slots of "the last five minutes".
pub(super) const RECENT: usize = 20;

/// Columns of a plot: a quarter of an hour.
pub(super) const SLOTS: usize = 60;

/// What is kept of the exposition. Counters and buckets are kept as they stand at the end of a slot,
/// gauges as their highest in it. About 90 series, so that the whole ring takes some 45 KiB.
const WATCHED: [&str; 11] = [
    "holdline_held",
    "holdline_running",
    "holdline_undelivered",
    "holdline_in_doubt",
    "holdline_exchanges_total{",
    "holdline_exchange_seconds_bucket{",
    "holdline_detection_delay_seconds_bucket{",
    "holdline_upstream_answer_seconds_bucket{",
    "holdline_upstream_errors_total{",
    "holdline_polls_total{",
    "holdline_journal_commit_seconds_bucket{",
];

/// One column: which one since the start of the process, and its values by the series' number.
#[derive(Debug)]
struct Slot {
    number: u128,
    values: Vec<f64>,
}

/// The ring.
#[derive(Debug, Default)]
pub(super) struct Samples {
    /// The number of each series.
    series: BTreeMap<String, usize>,
    slots: VecDeque<Slot>,
}

/// What a histogram counted in one slot, by bucket; the bucket above the last bound comes last.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Counts(pub(super) Vec<f64>);

/// A histogram over the slots, each `None` where there is no sample.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Histogram {
    /// The upper bounds of the buckets but the last.
    pub(super) bounds: Vec<f64>,
    /// By slot, the oldest first.
    pub(super) slots: Vec<Option<Counts>>,
}

impl Samples {
    /// Takes a sample in.
    pub(super) fn take(&mut self, at: Moment, scrape: &Scrape) {
        let number = at.since_start().as_nanos() / SLOT.as_nanos();
        if self.slots.back().map(|slot| slot.number) != Some(number) {
            let values = vec![f64::NAN; self.series.len()];
            self.slots.push_back(Slot { number, values });
        }
        // One more than is shown: what was counted in the first one shown is told by the one before.
        while self.slots.len() > SLOTS + 1 {
            self.slots.pop_front();
        }
        let Some(slot) = self.slots.back_mut() else {
            return;
        };
        for start in WATCHED {
            for (series, value) in scrape.starting(start) {
                if !start.ends_with('{') && series != start {
                    continue;
                }
                let next = self.series.len();
                let index = match self.series.get(series) {
                    Some(index) => *index,
                    None => *self.series.entry(series.to_owned()).or_insert(next),
                };
                if slot.values.len() <= index {
                    slot.values.resize(index + 1, f64::NAN);
                }
                let is_counted = start.ends_with('{');
                if let Some(kept) = slot.values.get_mut(index) {
                    // `max` takes the other side of a value that is none.
                    *kept = if is_counted { value } else { kept.max(value) };
                }
            }
        }
    }

    /// The number of the newest slot, and those before it that are shown.
    fn shown(&self) -> impl Iterator<Item = (Option<&Slot>, Option<&Slot>)> {
        let newest = self.slots.back().map_or(0, |slot| slot.number);
        (0..SLOTS).rev().map(move |age| {
            let number = newest.checked_sub(age as u128);
            let here = self
                .slots
                .iter()
                .position(|slot| Some(slot.number) == number);
            let before = here.and_then(|index| self.slots.get(index.checked_sub(1)?));
            (here.and_then(|index| self.slots.get(index)), before)
        })
    }

    fn value(&self, slot: Option<&Slot>, series: &str) -> Option<f64> {
        let index = *self.series.get(series)?;
        let value = *slot?.values.get(index)?;
        (!value.is_nan()).then_some(value)
    }

    /// The highest value of a gauge in each slot, the oldest first.
    pub(super) fn levels(&self, series: &str) -> Vec<Option<f64>> {
        let slots = self.shown();
        slots.map(|(slot, _)| self.value(slot, series)).collect()
    }

    /// What a counter counted in each slot. It began at zero with the process.
    pub(super) fn increases(&self, series: &str) -> Vec<Option<f64>> {
        let increase = |(slot, before): (Option<&Slot>, Option<&Slot>)| {
            let now = self.value(Some(slot?), series).unwrap_or_default();
            let then = self.value(before, series).unwrap_or_default();
            Some((now - then).max(0.0))
        };
        self.shown().map(increase).collect()
    }

    /// What every series of a family counted in each slot.
    pub(super) fn increases_of_all(&self, family: &str) -> Vec<Option<f64>> {
        let names = self.series.keys().filter(|name| {
            name.strip_prefix(family)
                .is_some_and(|rest| rest.starts_with('{'))
        });
        let all: Vec<Vec<Option<f64>>> = names.map(|name| self.increases(name)).collect();
        let slots = self.shown().enumerate();
        slots
            .map(|(index, (slot, _))| {
                slot?;
                let slot = all.iter().filter_map(|one| *one.get(index)?);
                Some(slot.sum())
            })
            .collect()
    }

    /// What a histogram counted in each slot.
    pub(super) fn histogram(&self, family: &str) -> Histogram {
        let start = format!("{family}_bucket{{");
        let mut buckets: Vec<(f64, Vec<Option<f64>>)> = self
            .series
            .keys()
            .filter(|series| series.starts_with(&start))
            .filter_map(|series| Some((bound(label_of(series, "le")?)?, self.increases(series))))
            .collect();
        buckets.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let slots = (0..SLOTS).map(|slot| {
            let mut below = 0.0;
            let counts = buckets.iter().map(|(_, increases)| {
                let upto = (*increases.get(slot)?)?;
                let within = upto - below;
                below = upto;
                Some(within)
            });
            let counts: Option<Vec<f64>> = counts.collect();
            counts.filter(|counts| !counts.is_empty()).map(Counts)
        });
        Histogram {
            slots: slots.collect(),
            bounds: buckets
                .iter()
                .map(|(bound, _)| *bound)
                .filter(|bound| bound.is_finite())
                .collect(),
        }
    }
}

fn bound(text: &str) -> Option<f64> {
    if text == "+Inf" {
        Some(f64::INFINITY)
    } else {
        text.parse().ok()
    }
}

/// A quantile of a histogram: the bound is only known to be passed where it lies above the last one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Quantile {
    /// About so much.
    About(f64),
    /// More than so much.
    Above(f64),
}

impl Quantile {
    /// The number alone, for a line of a plot.
    pub(super) const fn number(self) -> f64 {
        match self {
            Self::About(number) | Self::Above(number) => number,
        }
    }
}

impl Counts {
    /// How many there are.
    pub(super) fn total(&self) -> f64 {
        self.0.iter().sum()
    }

    /// A quantile, with what is in a bucket spread evenly over it.
    pub(super) fn quantile(&self, bounds: &[f64], share: f64) -> Option<Quantile> {
        let total = self.total();
        if total <= 0.0 {
            return None;
        }
        let mut left = total * share;
        let mut from = 0.0;
        for (count, bound) in self.0.iter().zip(bounds) {
            if left <= *count && *count > 0.0 {
                return Some(Quantile::About(from + (bound - from) * left / count));
            }
            left -= count;
            from = *bound;
        }
        Some(Quantile::Above(from))
    }
}

impl Histogram {
    /// What was counted in the last `slots` slots.
    pub(super) fn last(&self, slots: usize) -> Counts {
        let mut sum = vec![0.0; self.bounds.len() + 1];
        for counts in self.slots.iter().rev().take(slots).flatten() {
            for (all, one) in sum.iter_mut().zip(&counts.0) {
                *all += one;
            }
        }
        Counts(sum)
    }

    /// A quantile of the last `slots` slots.
    pub(super) fn quantile(&self, slots: usize, share: f64) -> Option<Quantile> {
        self.last(slots).quantile(&self.bounds, share)
    }

    /// A quantile of each slot.
    pub(super) fn quantiles(&self, share: f64) -> Vec<Option<f64>> {
        let quantile = |counts: &Option<Counts>| {
            let counts = counts.as_ref()?;
            Some(counts.quantile(&self.bounds, share)?.number())
        };
        self.slots.iter().map(quantile).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples of one metric in consecutive slots.
    fn sampled(texts: &[&str]) -> Samples {
        let mut samples = Samples::default();
        for (slot, text) in (0..).zip(texts) {
            let lines = text.lines().map(|line| {
                let (series, value) = line.rsplit_once(' ').unwrap();
                (series.to_owned(), value.parse().unwrap())
            });
            let scrape: Scrape = lines.collect();
            samples.take(Moment::START + SLOT * slot, &scrape);
        }
        samples
    }

    fn last<T: Clone>(all: &[T], count: usize) -> Vec<T> {
        all[all.len() - count..].to_vec()
    }

    #[test]
    fn a_slot_has_the_highest_of_a_gauge_and_the_increase_of_a_counter() {
        let mut samples = sampled(&["holdline_held 2", "holdline_held 5"]);
        let later = Scrape::from_iter([
            ("holdline_held".to_owned(), 3.0),
            (
                "holdline_exchanges_total{outcome=\"completed\"}".to_owned(),
                4.0,
            ),
        ]);
        samples.take(Moment::START + SLOT + EVERY, &later);
        assert_eq!(
            last(&samples.levels("holdline_held"), 3),
            [None, Some(2.0), Some(5.0)]
        );
        let completed = "holdline_exchanges_total{outcome=\"completed\"}";
        assert_eq!(
            last(&samples.increases(completed), 3),
            [None, Some(0.0), Some(4.0)]
        );
        assert_eq!(
            last(&samples.increases_of_all("holdline_exchanges_total"), 2),
            [Some(0.0), Some(4.0)]
        );
    }

    #[test]
    fn the_ring_is_bounded_and_counts_on_after_it_is_full() {
        let counted = |count: u32| {
            let series = "holdline_exchanges_total{outcome=\"completed\"}";
            Scrape::from_iter([(series.to_owned(), f64::from(count))])
        };
        let mut samples = Samples::default();
        for slot in 0..200 {
            samples.take(Moment::START + SLOT * slot, &counted(slot + 1));
        }
        assert_eq!(samples.slots.len(), SLOTS + 1);
        let increases = samples.increases("holdline_exchanges_total{outcome=\"completed\"}");
        assert_eq!(increases, vec![Some(1.0); SLOTS]);
    }

    #[test]
    fn a_time_in_which_nothing_was_sampled_is_a_gap() {
        let mut samples = sampled(&["holdline_held 2"]);
        let held = Scrape::from_iter([("holdline_held".to_owned(), 1.0)]);
        samples.take(Moment::START + SLOT * 3, &held);
        assert_eq!(
            last(&samples.levels("holdline_held"), 4),
            [Some(2.0), None, None, Some(1.0)]
        );
    }

    #[test]
    fn a_quantile_lies_within_its_bucket_or_above_the_last_bound() {
        let bucket = |le: &str, count: u32| {
            format!("holdline_exchange_seconds_bucket{{le=\"{le}\"}} {count}\n")
        };
        let text = [bucket("1.0", 0), bucket("2.0", 8), bucket("+Inf", 10)].concat();
        let histogram = sampled(&[&text]).histogram("holdline_exchange_seconds");
        assert_eq!(histogram.bounds, [1.0, 2.0]);
        assert_eq!(histogram.last(1), Counts(vec![0.0, 8.0, 2.0]));
        assert_eq!(histogram.quantile(1, 0.4), Some(Quantile::About(1.5)));
        assert_eq!(histogram.quantile(1, 0.95), Some(Quantile::Above(2.0)));
        assert_eq!(Histogram::default().quantile(1, 0.5), None);
    }
}
