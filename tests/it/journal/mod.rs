//! The journal over a disk that crashes, lies and refuses.
mod content;
mod crashes;
pub(crate) mod damage;
pub(crate) mod disk;
mod faults;
mod full;
mod growth;
mod log;
mod mark;
mod names;
pub(crate) mod world;
