//! The process from its configuration to its end: built bottom-up, run, drained top-down.
mod doors;
mod keeping;
mod learning;
mod metrics;
mod pillars;
mod reloading;
mod rules;
mod serving;
mod stopping;
mod tls;
mod whole;

pub use doors::client;
pub use reloading::{Reload, Reloader};
pub use tls::GatewayTlsError;
pub use whole::{App, Ending, Error};
