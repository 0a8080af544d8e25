//! What is kept of one gateway: its budget, the turns of its polls, and its routes.
pub(super) mod budget;
pub(super) mod gateway;
mod gauges;
pub(super) mod lately;
pub(super) mod named;
pub(super) mod queue;
