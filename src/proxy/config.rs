//! `[hold]`, `[routes]` and the limits that concern requests.
use std::time::Duration;

use http::HeaderName;

use crate::protocol::Routes;

/// What bounds a downstream request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `hold.timeout`: how long a request is held before it is told "in progress".
    pub hold: Duration,
    /// `[routes]`.
    pub routes: Routes,
    /// `coalesce.key_field`: a field that carries an idempotency key beside the gateway's own.
    pub key_field: Option<HeaderName>,
    /// `limits.held`: requests held at once.
    pub held: usize,
    /// `limits.body`: bytes of one converted request's body.
    pub max_body: usize,
    /// `limits.bodies`: bytes of all bodies together that are being read or sent.
    pub bodies: usize,
    /// `listener.body_timeout`: from the end of the fields to the end of the body; of a relayed
    /// body, from one piece to the next.
    pub body_timeout: Duration,
}

impl Config {
    /// The largest body that `limits.body` can allow, in bytes: no exchange has a larger one.
    pub const LARGEST_BODY: usize = 64 * 1024 * 1024;
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hold: Duration::from_mins(5),
            routes: Routes::default(),
            key_field: Some(HeaderName::from_static("idempotency-key")),
            held: 10_000,
            max_body: 1024 * 1024,
            bodies: 256 * 1024 * 1024,
            body_timeout: Duration::from_secs(15),
        }
    }
}
