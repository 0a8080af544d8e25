//! What is learned of one route: the learner, what it knows, its plan in force, its scouts, and its guard
//! against a law that no longer holds.
pub(super) mod confidence;
pub(super) mod drift;
mod in_force;
pub(super) mod kept;
mod known;
pub(super) mod learner;
mod lookout;
mod scout;
pub(super) mod took;
