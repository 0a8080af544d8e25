//! The operator's own listener: health, metrics and what runs. Read-only.
mod config;
mod service;
mod tasks;

pub use config::Config;
pub use service::{Parts, Service};
