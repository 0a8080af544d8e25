//! Kept answers: pinned while undelivered, cached once delivered.
mod bounded;
mod config;
mod keyed;
mod memory;

pub use bounded::Bounded;
pub use config::Config;
pub use keyed::KeyedMap;
pub use memory::{ResultKey, Results};
