//! TLS between a client and the listener: which certificates are shown, and how hands are shaken.
mod config;
mod failure;
mod handshake;
mod keyring;
mod session;
mod shown;

pub use config::{Clients, Tls};
pub(super) use failure::{Failure, FailureLog};
pub(super) use handshake::{HANDSHAKE, serve};
pub use keyring::{Certificates, Error, Keyring, Pair};
