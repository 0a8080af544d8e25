//! What the log tells of a flight no more than once, since it may happen with every poll or search.
use std::sync::atomic::{AtomicU8, Ordering};

/// Something that is told once.
#[derive(Clone, Copy, Debug)]
pub(in crate::exchange) enum Once {
    /// A poll brought a 200 that tells nothing.
    Mute = 1,
    /// A poll brought a 200 of no known shape.
    Odd = 2,
    /// Its polls bring nothing.
    InVain = 4,
    /// Its polls bring more than is read.
    TooLarge = 8,
    /// The gateway did not say what a search asked.
    Unsaid = 16,
    /// A transaction looked like its own, and was made before the submit.
    TooEarly = 32,
    /// One looked like its own, in a list with one whose time has yet to come.
    YetToCome = 64,
}

/// What was told already, a bit for each.
#[derive(Debug, Default)]
pub(in crate::exchange) struct Said(AtomicU8);

impl Said {
    /// True the first time that it is asked for this.
    pub(in crate::exchange) fn first_time(&self, once: Once) -> bool {
        let bit = once as u8;
        self.0.fetch_or(bit, Ordering::AcqRel) & bit == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_once() {
        let said = Said::default();
        let all = [
            Once::Mute,
            Once::Odd,
            Once::InVain,
            Once::TooLarge,
            Once::Unsaid,
            Once::TooEarly,
            Once::YetToCome,
        ];
        assert!(all.iter().all(|once| said.first_time(*once)));
        assert!(!all.iter().any(|once| said.first_time(*once)));
    }
}
