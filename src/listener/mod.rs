//! Connections of downstream clients: accepted, bounded in time, and watched until each answer is
//! known to have reached its reader. Knows no payments.
mod answer;
mod attendant;
mod config;
mod connection;
mod evidence;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod line;
mod metrics;
mod parking;
mod parting;
mod presence;
mod receipt;
mod rewound;
mod scrutiny;
mod server;
mod tls;
mod watch;

pub use config::Config;
pub use evidence::Evidence;
pub use metrics::Metrics;
pub use parking::{Delivery, Later, Reply};
pub use presence::Presence;
pub use receipt::Receipt;
pub use scrutiny::Malformed;
pub use server::{Server, bind};
pub use tls::{Certificates, Clients, Error, Keyring, Tls};
