//! Lines that strangers may cause as often as they like: one in a while, which counts the others.
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::timing::Moment;

/// How long after one such line the next may follow.
const PERIOD: Duration = Duration::from_secs(10);

/// One kind of line.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    told: Option<Moment>,
    untold: u64,
}

impl Seldom {
    /// Whether a line may be written now; then, how many were not since the last one.
    pub fn may_tell(&self, now: Moment) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.told.is_some_and(|told| now.since(told) < PERIOD) {
            state.untold += 1;
            return None;
        }
        state.told = Some(now);
        Some(std::mem::take(&mut state.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_written_in_a_while_and_counts_those_that_were_not() {
        let seldom = Seldom::default();
        let at = |seconds| seldom.may_tell(Moment::START + Duration::from_secs(seconds));
        assert_eq!(at(0), Some(0));
        assert_eq!((at(1), at(9)), (None, None));
        assert_eq!(at(10), Some(2));
        assert_eq!(at(25), Some(0));
    }
}
