//! What the process writes for its operator: one line a lifecycle step and an exchange's end.
mod config;
mod levels;
mod log;
mod seldom;
mod text;

pub use config::{Config, Format, HINT};
pub use levels::{Filter, Levels};
pub use log::{Error, install};
pub use seldom::Seldom;
pub use text::{Capped, Escaped, counted, with_causes};
