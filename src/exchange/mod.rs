//! One payment from its submit to its answer: the pure machine, its driver, and the flights.
mod config;
pub mod machine;

pub use config::Config;
