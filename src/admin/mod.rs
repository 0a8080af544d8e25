//! The operator's own listener: health, metrics and what runs. Read-only.
mod config;

pub use config::Config;
