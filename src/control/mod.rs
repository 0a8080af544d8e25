//! The control socket: what reads or changes a running holdline, for whoever runs it.
mod client;
mod config;
mod desk;
mod explain;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod listing;
mod polling;
mod protocol;
mod reading;
mod reason;
mod row;
mod server;
mod socket;
mod stands;
mod why;

pub use client::{Client, ClientError, Peer};
pub use config::Config;
pub use desk::Desk;
pub use protocol::{Ask, End, Line, Only, Reply, Soundness, Verdict};
pub use reading::read;
pub use reason::{Reason, ReasonError};
pub use row::Row;
pub use server::serve;
pub use socket::{LONGEST_PATH, Socket, SocketError};
