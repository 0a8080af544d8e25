//! A logarithmic ruler for plots: where a value stands between two ends, and which are marked.
use crate::elementary::Elementary;

/// Ends beyond which nothing of a plot of ours lies; they keep a broken value from making marks
/// without an end.
const SMALLEST: f64 = 1e-6;
const LARGEST: f64 = 1e9;

/// A ruler between two positive ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ruler {
    low: f64,
    high: f64,
}

impl Ruler {
    /// The ruler that just has all of these on it, and spans at least a factor of `least`.
    pub fn around(values: impl IntoIterator<Item = f64>, least: f64) -> Self {
        let sound = |value: &f64| (SMALLEST..=LARGEST).contains(value);
        let ends = values.into_iter().filter(sound);
        let (low, high) = ends.fold((f64::INFINITY, 0.0_f64), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        if low > high {
            return Self {
                low: 1.0,
                high: least,
            };
        }
        let lacking = (least / (high / low)).max(1.0).sqrt();
        Self {
            low: low / lacking,
            high: high * lacking,
        }
    }

    /// This ruler, longer by a factor at each end.
    #[must_use]
    pub fn longer(self, factor: f64) -> Self {
        Self {
            low: self.low / factor,
            high: self.high * factor,
        }
    }

    /// Where a value stands: 0 at the low end, 1 at the high one; what lies outside stands at an end.
    pub fn place(self, value: f64) -> f64 {
        let whole = (self.high / self.low).logarithm();
        ((value / self.low).max(f64::MIN_POSITIVE).logarithm() / whole).clamp(0.0, 1.0)
    }

    /// True if a value is on it.
    pub fn holds(self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// The value at a place.
    pub fn value(self, place: f64) -> f64 {
        self.low * (self.high / self.low).to_power(place)
    }

    /// Round values on it, rising: 1, 2 and 5 times powers of ten, or fewer of them, so that there
    /// are at most `most`.
    pub fn marks(self, most: usize) -> Vec<f64> {
        let sets: [&[f64]; 3] = [&[1.0, 2.0, 5.0], &[1.0, 3.0], &[1.0]];
        let all = sets.map(|steps| self.multiples(steps));
        let fewest = all.last().cloned().unwrap_or_default();
        let fits = all.into_iter().find(|marks| marks.len() <= most);
        fits.unwrap_or_else(|| {
            let every = fewest.len().div_ceil(most.max(1));
            fewest.into_iter().step_by(every).collect()
        })
    }

    fn multiples(self, steps: &[f64]) -> Vec<f64> {
        let decades = std::iter::successors(Some(1e-6), |power| Some(power * 10.0));
        let decades = decades.take_while(|power| *power <= self.high);
        let all = decades.flat_map(|power| steps.iter().map(move |step| power * step));
        // Ends that were computed may lie a hair off the mark.
        let (low, high) = (self.low * (1.0 - 1e-9), self.high * (1.0 + 1e-9));
        all.filter(|mark| (low..=high).contains(mark)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_even_by_ratio_and_lead_back_to_their_values() {
        let ruler = Ruler::around([1.0, 100.0, 10.0], 2.0);
        let places = [0.1, 1.0, 10.0, 100.0, 1e3].map(|value| ruler.place(value));
        let expected = [0.0, 0.0, 0.5, 1.0, 1.0];
        let mut pairs = places.into_iter().zip(expected);
        assert!(
            pairs.all(|(one, other): (f64, f64)| (one - other).abs() < 1e-12),
            "{places:?}"
        );
        assert!((ruler.value(0.5) - 10.0).abs() < 1e-9);
        assert!(ruler.holds(100.0) && !ruler.holds(101.0));
    }

    #[test]
    fn marks_are_round_and_few() {
        let marks = |low, high, most| {
            let marks = Ruler::around([low, high], 1.0).marks(most);
            let words: Vec<String> = marks.iter().map(|it| format!("{it:.4}")).collect();
            words.join(" ").replace(".0000", "")
        };
        assert_eq!(marks(0.9, 12.0, 6), "1 2 5 10");
        assert_eq!(marks(1.0, 100.0, 5), "1 3 10 30 100");
        assert_eq!(marks(1.0, 1e6, 7), "1 10 100 1000 10000 100000 1000000");
        assert_eq!(marks(1.0, 1e6, 3), "1 1000 1000000");
    }

    #[test]
    fn nothing_and_nonsense_make_a_ruler_too() {
        for values in [&[][..], &[f64::NAN, 0.0, -1.0, f64::INFINITY], &[3.0]] {
            let ruler = Ruler::around(values.iter().copied(), 4.0);
            for strange in [f64::NAN, f64::NEG_INFINITY, f64::INFINITY, 0.0, 2.0] {
                assert!((0.0..=1.0).contains(&ruler.place(strange)), "{strange}");
            }
            assert!(ruler.marks(5).len() <= 5 && !ruler.marks(5).is_empty());
        }
    }
}
