//! The four files of a journal, and the seam to the disk that they are on.
pub(super) mod disk;
pub(super) mod frame;
pub(super) mod guard;
pub(super) mod key;
pub(super) mod log;
pub(super) mod mark;
pub(super) mod site;
pub(super) mod storage;
