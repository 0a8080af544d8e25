//! The process from its configuration to its end: built bottom-up, run, drained top-down.
mod keeping;
mod metrics;
mod stopping;
mod tls;
mod whole;

pub use tls::GatewayTlsError;
pub use whole::{App, Error, client};
