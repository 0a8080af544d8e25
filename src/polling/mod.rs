//! When to poll: the schedules of a healthy task, how the learned one is learned, and the backoff
//! after failures.
mod axis;
mod backoff;
mod bend;
mod budget;
mod config;
mod drift;
mod jitter;
mod kept;
mod law;
mod learner;
mod metrics;
mod outcomes;
mod plan;
mod schedule;
mod schedules;
mod step;

pub use backoff::Backoff;
pub use config::{Config, Price, ScheduleKind};
pub use jitter::Jitter;
pub use kept::KeptError;
pub use learner::{Learner, Rules};
pub use metrics::Metrics;
pub use plan::Expected;
pub use schedule::Schedule;
pub use schedules::{Schedules, Took};
pub use step::Step;
