//! The file that holds the records: how it takes them in, is read, and forgets.
pub(super) mod boots;
#[cfg(test)]
pub(super) mod folding;
pub(super) mod listing;
pub(super) mod store;
pub(super) mod taking_in;
pub(super) mod tidy;
pub(super) mod walk;
