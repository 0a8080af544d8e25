//! Kept answers: pinned while undelivered, cached once delivered.
mod config;
mod memory;

pub use config::Config;
pub use memory::{ResultKey, Results};
