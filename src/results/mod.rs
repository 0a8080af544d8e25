//! Kept answers: pinned while undelivered, cached once delivered.
mod config;
mod keyed;
mod memory;

pub use config::Config;
pub use keyed::{KeyedMap, KeyedSet};
pub use memory::{ResultKey, Results};
