//! The journal over a disk that crashes, lies and refuses.
mod crashes;
mod damage;
pub(crate) mod disk;
mod faults;
mod growth;
pub(crate) mod world;
