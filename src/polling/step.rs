//! One poll of a plan.
use std::time::Duration;

/// When a plan polls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The time since the task was accepted.
    pub at: Duration,
    /// How far the poll may be moved either way, so that exchanges which began together do not poll
    /// together. The moved polls also tell more of where tasks end.
    pub spread: Duration,
}
