//! The control socket: what reads or changes a running holdline, for whoever runs it.
mod client;
mod config;
mod protocol;
mod row;
mod socket;

pub use client::{Client, ClientError};
pub use config::Config;
pub use protocol::{Ask, Only, Reply, Soundness, Verdict};
pub use row::Row;
pub use socket::{Socket, SocketError};
