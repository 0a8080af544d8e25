//! What strangers can bring about at will is told in the log once in a while.
use std::time::Duration;

use crate::timing::Moment;

/// At most one line of a kind is logged in this span.
const PERIOD: Duration = Duration::from_secs(10);

/// When a kind of event was told, and how often it was not.
#[derive(Debug, Default)]
pub(super) struct Seldom {
    told: Option<Moment>,
    untold: u64,
}

impl Seldom {
    /// Some if the event may be told now: how many went untold since the last one that was.
    pub(super) fn may_tell(&mut self, now: Moment) -> Option<u64> {
        if self.told.is_some_and(|told| now.since(told) < PERIOD) {
            self.untold += 1;
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_event_in_a_while_is_told_with_the_number_of_those_that_were_not() {
        let at = |seconds| Moment::after_start(Duration::from_secs(seconds));
        let mut seldom = Seldom::default();
        assert_eq!(seldom.may_tell(at(1)), Some(0));
        assert_eq!(seldom.may_tell(at(2)), None);
        assert_eq!(seldom.may_tell(at(10)), None);
        assert_eq!(seldom.may_tell(at(11)), Some(2));
        assert_eq!(seldom.may_tell(at(30)), Some(0));
    }
}
