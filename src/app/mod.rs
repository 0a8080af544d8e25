//! The process from its configuration to its end: built bottom-up, run, drained top-down.
mod keeping;
mod metrics;
mod stopping;
mod whole;

pub use whole::{App, Error, client};
