//! What is told of an exchange: its steps as they are noted, log lines, and its story for the operator.
mod glance;
pub(super) mod journey;
pub(super) mod noting;
mod steps;
mod story;
mod trail;
mod words;

pub use glance::{Glance, Group};
pub(super) use story::Ended;
pub use story::{Story, ToldStep};
pub use trail::{Answered, Ending, Heard, Step, Trail, What};
