//! When to poll: the schedules of a healthy task, how the learned one is learned, and the backoff
//! after failures.
mod backoff;
mod config;
mod gateways;
mod laws;
mod learning;
mod metrics;
mod planning;
mod present;
mod schedule;
mod schedules;
mod showing;
mod turn;

pub use backoff::Backoff;
pub use config::{Config, Price, ScheduleKind};
pub use learning::confidence::Confidence;
pub use learning::drift::Mark;
pub use learning::kept::{KeptError, SUFFIX};
pub use learning::learner::Learner;
pub use learning::took::Took;
pub use metrics::Metrics;
pub use planning::jitter::Jitter;
pub use planning::plan::Expected;
pub use planning::rules::Rules;
pub use planning::step::Step;
pub use schedule::{Schedule, Wait};
pub use schedules::Schedules;
pub use showing::picture::{Bin, Brings, Budgeted, Corner, Learned, Measured, Picture};
pub use showing::ruler::Ruler;
pub use showing::sketch::Sketch;
pub use turn::{DuePoll, Waiting};
