//! Kept answers.
mod config;

pub use config::Config;
