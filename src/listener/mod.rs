//! Connections of downstream clients: accepted, bounded in time, and watched until each answer is
//! known to have reached its reader. Knows no payments.
mod config;
mod receipt;

pub use config::Config;
pub use receipt::Receipt;
