//! The law of the time that a task takes: the axis that it is told on, and how it is made of what
//! exchanges told.
pub(super) mod axis;
pub(super) mod focus;
pub(super) mod ground;
pub(super) mod law;
pub(super) mod outcomes;
pub(super) mod span;
