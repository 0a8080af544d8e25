//! Calls to one gateway's origin: fresh connections for submits, pooled ones for everything else.
mod config;
mod error;
mod origin;

pub use config::Config;
pub use error::{Cause, Error, Sent};
pub use origin::{Origin, OriginError};
