//! When to poll: the schedules of a healthy task and the backoff after failures.
mod config;

pub use config::{Config, ScheduleKind};
