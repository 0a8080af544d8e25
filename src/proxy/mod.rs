//! The way of one downstream request: its route, its key, its exchange, its answer.
mod config;
mod crowded;
mod former;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod head;
mod key;
mod metrics;
mod order;
mod payment;
mod problem;
mod read;
mod relay;
mod respond;
mod service;
mod site;
mod task;

pub use config::Config;
pub use head::HeadFault;
pub use key::KeyFault;
pub use metrics::Metrics;
pub use problem::{BodyFault, Problem};
pub use service::{Parts, Proxy};
pub use site::{Site, Sites};
