//! `[upstream]` and the limits that concern calls to the gateway.
use std::time::Duration;

/// What bounds a call to the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `upstream.connect_timeout`: name resolution and TCP connect.
    pub connect_timeout: Duration,
    /// `upstream.handshake_timeout`: TLS handshake.
    pub handshake_timeout: Duration,
    /// `upstream.fail_fast`: once every attempt to connect has failed for so long, new payments are
    /// refused at once.
    pub fail_fast: Duration,
    /// `upstream.answer_timeout`: a poll's or lookup's whole answer.
    pub answer_timeout: Duration,
    /// `upstream.idle_timeout`: how long a pooled connection may wait for its next use.
    pub idle_timeout: Duration,
    /// `upstream.connections`: pooled HTTP/1.1 connections in use at once.
    pub connections: usize,
    /// `limits.answer`: bytes of one gateway answer.
    pub max_answer: usize,
}

impl Config {
    /// How many requests are relayed at once, how many reads are made, and how many questions of searches: of
    /// fewer than four connections each has one too.
    pub const fn turns(&self) -> usize {
        let quarter = self.connections / 4;
        if quarter > 0 { quarter } else { 1 }
    }

    /// How many polls that no client waits for are made at once: of a single connection one too.
    pub const fn unattended(&self) -> usize {
        let half = self.connections / 2;
        if half > 0 { half } else { 1 }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            handshake_timeout: Duration::from_secs(5),
            fail_fast: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(15),
            connections: 256,
            max_answer: 4 * 1024 * 1024,
        }
    }
}
