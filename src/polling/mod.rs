//! When to poll: the schedules of a healthy task and the backoff after failures.
mod backoff;
mod config;
mod jitter;
mod schedule;

pub use backoff::Backoff;
pub use config::{Config, ScheduleKind};
pub use jitter::Jitter;
pub use schedule::Schedule;
