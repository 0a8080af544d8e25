//! Jitter as a pure sequence: the same seed gives the same delays, so a run can be repeated.
use std::time::Duration;

use super::step::Step;

/// A sequence of factors around one, so that exchanges started together do not poll together.
#[derive(Clone, Debug)]
pub struct Jitter {
    state: u64,
}

impl Jitter {
    /// The sequence of a seed.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The span, made up to a tenth longer or shorter. A tenth is enough to spread a burst within
    /// a few polls and moves no single poll noticeably.
    pub fn spread(&mut self, span: Duration) -> Duration {
        let permille = 900 + u32::try_from(self.draw() % 201).unwrap_or_default();
        span.saturating_mul(permille) / 1000
    }

    /// The instant of a step, moved within its spread.
    pub(in crate::polling) fn around(&mut self, step: Step) -> Duration {
        let moved = step.spread.mul_f64(2.0 * self.share());
        (step.at + moved).saturating_sub(step.spread)
    }

    /// A number from zero up to one, without it.
    pub(in crate::polling) fn share(&mut self) -> f64 {
        let drawn = u32::try_from(self.draw() >> 32).unwrap_or_default();
        f64::from(drawn) / (f64::from(u32::MAX) + 1.0)
    }

    /// `SplitMix64` (Steele, Lea, Flood 2014): one addition and two multiplications a draw.
    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_stays_within_a_tenth_and_moves() {
        let mut jitter = Jitter::new(7);
        let spans: Vec<_> = (0..100)
            .map(|_| jitter.spread(Duration::from_secs(1)))
            .collect();
        assert!(
            spans
                .iter()
                .all(|span| (900..=1100).contains(&span.as_millis()))
        );
        assert!(spans.iter().any(|span| *span != spans[0]));
    }
}
