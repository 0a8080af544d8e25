//! When to poll: the schedules of a healthy task, how the learned one is learned, and the backoff
//! after failures.
//!
//! From below: `laws` holds what is known of a task's time, `planning` makes a plan of it, `learning`
//! turns outcomes into laws and plans, `gateways` bounds and prices the polls of a gateway,
//! `schedules` is what the exchanges ask, `showing` is what the operator sees. Only `elementary` and
//! `timing` are imported from the rooms below.
//!
//! Words of this room:
//! - The *law* of a route says how long its tasks take: which share of them ends in which *cell*.
//! - A cell lies between two *edges* of the *axis*, which runs from zero to the *horizon*, the time a
//!   client waits. Where a law is narrow the axis has a *focus*: a part with much finer cells.
//! - A *ground* is an axis with the *prior*, the law that is believed there before anything was seen.
//! - An *outcome* says between which two polls one task ended. A law is fitted to the latest outcomes.
//! - A *plan* is a row of *steps*. A step is one poll: its *instant*, counted from the acceptance of the
//!   task, and how far it may be moved. A *sharp* poll is not rounded up to the grid of wake-ups.
//! - The *price* says how much delay one poll is worth; a plan makes delay plus priced polls least. The
//!   *bend* is the factor on the price that keeps a plan no worse than a fixed interval.
//! - A *scout* is an exchange that polls once more than its plan; its *lookout* says where.
//! - *Drift* is the evidence that a law no longer holds. The *mark* of an exchange says whether its
//!   outcome counts for that.
//! - A *sketch* is a copy of what is known of one route, made under the lock; the *picture* is what is
//!   drawn of it for the operator, and a *ruler* is the logarithmic scale of a plot.
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
pub use schedule::{Schedule, SoFar, Wait};
pub use schedules::Schedules;
pub use showing::picture::{Bin, Brings, Budgeted, Corner, Learned, Measured, Picture};
pub use showing::ruler::Ruler;
pub use showing::sketch::Sketch;
pub use turn::{DuePoll, Waiting};
