//! The way of one downstream request: its route, its key, its exchange, its answer.
mod config;
mod convert;
mod crowded;
mod former;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod head;
mod key;
mod metrics;
mod order;
mod problem;
mod read;
mod relay;
mod respond;
mod service;
mod site;

pub use config::Config;
pub use head::HeadFault;
pub use key::KeyFault;
pub use metrics::Metrics;
pub use problem::{BodyFault, Problem};
pub use service::{Parts, Proxy};
pub use site::{Site, Sites};
