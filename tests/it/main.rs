//! The one integration binary.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on stops where it stands"
)]
mod delivery;
mod downstream;
mod listener;
