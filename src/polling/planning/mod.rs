//! The plan of one exchange: when to poll under a law, at a price, within the rules.
pub(super) mod bend;
pub(super) mod cold;
pub(super) mod jitter;
pub(super) mod plan;
pub(super) mod rules;
pub(super) mod step;
