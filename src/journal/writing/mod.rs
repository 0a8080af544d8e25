//! The one task that writes, what waits for it, and how a journal that went down comes back.
pub(super) mod company;
pub(super) mod forgetting;
pub(super) mod queue;
pub(super) mod reopen;
pub(super) mod work;
pub(super) mod writer;
