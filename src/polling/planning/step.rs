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
    /// Whether it finds most of those that come to it, and so soon after they end that the grid of wake-ups
    /// would be felt: then it is not rounded up to that.
    pub is_sharp: bool,
}
