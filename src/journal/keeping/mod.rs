//! The file that holds the records: how it takes them in, is read, and forgets.
pub(super) mod boots;
pub(super) mod listing;
pub(super) mod store;
pub(super) mod taking_in;
#[cfg(test)]
pub(super) mod tests;
pub(super) mod tidy;
pub(super) mod walk;
