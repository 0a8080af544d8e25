//! When to poll: the schedules of a healthy task, how the learned one is learned, and the backoff
//! after failures.
mod axis;
mod backoff;
mod bend;
mod budget;
mod confidence;
mod config;
mod curve;
mod drift;
mod jitter;
mod kept;
mod lately;
mod law;
mod learner;
mod metrics;
mod outcomes;
mod picture;
mod plan;
mod ruler;
mod schedule;
mod schedules;
mod sketch;
mod step;

pub use backoff::Backoff;
pub use confidence::Confidence;
pub use config::{Config, Price, ScheduleKind};
pub use jitter::Jitter;
pub use kept::KeptError;
pub use learner::{Learner, Rules};
pub use metrics::Metrics;
pub use picture::{Bin, Brings, Budgeted, Corner, Learned, Measured, Picture};
pub use plan::Expected;
pub use ruler::Ruler;
pub use schedule::Schedule;
pub use schedules::{Schedules, Took};
pub use sketch::Sketch;
pub use step::Step;
