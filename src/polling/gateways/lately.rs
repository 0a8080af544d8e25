//! What polls really brought lately: the mean over the latest exchanges of a route.
use std::time::Duration;

use crate::elementary::Elementary;
use crate::polling::planning::plan::Expected;

/// An exchange counts half as much after so many more.
const HALF_LIFE: f64 = 100.0;

/// The means of the latest exchanges, fading.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::polling) struct Lately {
    exchanges: u64,
    weight: f64,
    sums: Expected,
}

impl Lately {
    /// A result was found by the last of so many polls, and had waited so long, as is estimated.
    pub(in crate::polling) fn found(&mut self, polls: u32, waited: Duration) {
        let fading = (-std::f64::consts::LN_2 / HALF_LIFE).exponential();
        self.exchanges += 1;
        self.weight = self.weight.mul_add(fading, 1.0);
        self.sums = Expected {
            delay: self.sums.delay.mul_add(fading, waited.as_secs_f64()),
            polls: self.sums.polls.mul_add(fading, f64::from(polls)),
        };
    }

    /// Exchanges whose results were found since the start.
    pub(in crate::polling) const fn exchanges(&self) -> u64 {
        self.exchanges
    }

    /// The means; `None` before the first.
    pub(in crate::polling) fn means(&self) -> Option<Expected> {
        (self.exchanges > 0).then(|| Expected {
            delay: self.sums.delay / self.weight,
            polls: self.sums.polls / self.weight,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_exchanges_count_most() {
        let mut lately = Lately::default();
        assert_eq!(lately.means(), None);
        for _ in 0..1000 {
            lately.found(2, Duration::from_millis(100));
        }
        for _ in 0..100 {
            lately.found(6, Duration::from_millis(300));
        }
        let means = lately.means().unwrap();
        assert!((means.polls - 4.0).abs() < 0.01, "{means:?}");
        assert!((means.delay - 0.2).abs() < 0.001, "{means:?}");
        assert_eq!(lately.exchanges(), 1100);
    }
}
