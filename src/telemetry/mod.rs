//! What the process writes for its operator: one line a lifecycle step and an exchange's end.
mod config;
mod levels;
mod log;
mod text;

pub use config::{Config, Format};
pub use levels::{Filter, Levels};
pub use log::{Error, install};
pub use text::{Capped, with_causes};
