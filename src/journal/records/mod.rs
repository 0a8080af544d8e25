//! What is written of an exchange: entries, their bytes, their seals, and what they are folded to.
pub(super) mod book;
pub(super) mod codec;
pub(super) mod entry;
pub(super) mod seal;
