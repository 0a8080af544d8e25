//! The journal over a disk that crashes, lies and refuses.
mod crashes;
pub(crate) mod disk;
mod faults;
pub(crate) mod world;
