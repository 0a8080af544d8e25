//! Calls to one gateway's origin: fresh connections for submits, pooled ones for everything else.
//!
//! From below: `connector` makes a byte stream, `metered` counts what leaves on it, `http1`,
//! `http2` and `lean` speak on it, `pool` keeps it for the next request, `way` says
//! what a request goes on, `client` and `open_submit` are what the floors above call.
mod answer;
mod chunks;
mod client;
mod config;
mod connector;
mod diagnosis;
mod error;
mod framing;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod http1;
mod http2;
mod lean;
mod metered;
mod metrics;
mod open_submit;
mod origin;
mod outage;
mod pool;
mod reach;
mod reply;
mod resolver;
mod tls;
mod way;

pub use client::Client;
pub use config::Config;
pub use connector::Connector;
pub use error::{Cause, Error, Sent};
pub use metrics::Metrics;
pub use open_submit::{Connection, OpenSubmit};
pub use origin::{Origin, OriginError};
pub use reach::{Reach, ReachError};
pub use tls::{PlatformRootsError, TlsConfig};
