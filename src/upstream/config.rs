//! `[upstream]` and the limits that concern calls to the gateway.
use std::time::Duration;

/// The longest that the answer to a poll is waited for, unless `upstream.answer_timeout` is longer. There is
/// one poll of a task at a time, and one whose connection died unseen keeps the next from being made.
const LONGEST_PATIENCE: Duration = Duration::from_mins(1);

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
    /// How long a poll may take, to its whole answer, where so many before it were given up: each doubles it.
    /// An answer may be given once, and one that comes to a connection that was given up is lost.
    pub fn patience(&self, given_up: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(given_up);
        let longer = self.answer_timeout.saturating_mul(doubled);
        longer.min(LONGEST_PATIENCE).max(self.answer_timeout)
    }

    /// How many requests are relayed at once, how many reads are made, and how many questions of searches: of
    /// fewer than four connections each has one too.
    pub const fn turns(&self) -> usize {
        let quarter = self.connections / 4;
        if quarter > 0 { quarter } else { 1 }
    }

    /// How many polls are made at once that no client waits for or that may hang for long: of a single connection one too.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patience_doubles_up_to_a_minute_and_is_never_less_than_the_timeout() {
        let config = |seconds| Config {
            answer_timeout: Duration::from_secs(seconds),
            ..Config::default()
        };
        let patience = |seconds, given_up| config(seconds).patience(given_up).as_secs();
        assert_eq!([0, 1, 2, 3].map(|it| patience(10, it)), [10, 20, 40, 60]);
        assert_eq!([0, u32::MAX].map(|it| patience(90, it)), [90, 90]);
    }
}
