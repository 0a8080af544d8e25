//! `[cache]`.
use std::time::Duration;

/// How long and how much is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `cache.retention`: how long an answer is kept and an exchange is remembered; at least 24 h,
    /// which is how long the gateway remembers a key.
    pub retention: Duration,
    /// `cache.max_bytes`: the weight of delivered answers kept; undelivered ones are never dropped.
    pub max_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            retention: Duration::from_hours(24),
            max_bytes: 64 * 1024 * 1024,
        }
    }
}
