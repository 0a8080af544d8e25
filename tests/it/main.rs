//! The one integration binary.
mod delivery;
mod downstream;
mod listener;
