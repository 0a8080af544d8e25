//! `[listener]` and the limits that concern connections.
use std::time::Duration;

/// What bounds a downstream connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `limits.connections`: connections open at once on a listener; more wait unaccepted.
    pub connections: usize,
    /// `limits.fields`: fields of one request head.
    pub max_fields: usize,
    /// `limits.fields_size`: bytes of one request head.
    pub max_fields_size: usize,
    /// `listener.handshake_timeout`: from the connection's start to the end of a TLS handshake.
    pub handshake_timeout: Duration,
    /// `listener.fields_timeout`: from a request's first byte (or the connection's start) to the
    /// end of its fields.
    pub fields_timeout: Duration,
    /// `listener.idle_timeout`: how long a kept-alive connection may wait for its next request.
    pub idle_timeout: Duration,
    /// `listener.write_timeout`: how long an answer may make no progress at the client.
    pub write_timeout: Duration,
    /// `coalesce.quiet`: how long after the acknowledgement of an answer no reset may come.
    pub quiet: Duration,
    /// How long the goodbye of TLS waits after an answer's acknowledgement, unless the client has
    /// ended, and the FIN where it has half-closed. It decides the answer, and every reset of a client that gave up
    /// comes within 3 ms; clients that read to the connection's end wait for it. No key: nothing is gained by
    /// another.
    pub goodbye: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connections: 16_384,
            max_fields: 100,
            max_fields_size: 32 * 1024,
            handshake_timeout: Duration::from_secs(10),
            fields_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(30),
            quiet: Duration::from_secs(1),
            goodbye: Duration::from_millis(20),
        }
    }
}
