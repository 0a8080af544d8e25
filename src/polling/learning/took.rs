//! How an exchange's task went, as it is told to the learner.
use std::time::Duration;

use super::drift::Mark;

/// How an exchange's task went, as its polls tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Took {
    /// It was not done when the last poll was sent that was answered "running", or when it was
    /// accepted.
    pub after: Duration,
    /// It was done when this poll was sent; `None` if it was never seen done.
    pub by: Option<Duration>,
    /// Polls that were answered "running".
    pub pending: u32,
    /// What it was given with its schedule.
    pub mark: Mark,
}
