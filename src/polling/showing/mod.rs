//! How polling stands, drawn for the operator.
mod curve;
pub(super) mod picture;
pub(super) mod ruler;
pub(super) mod sketch;
