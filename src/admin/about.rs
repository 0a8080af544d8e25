//! What does not change while the process runs: its configuration and its limits.
use std::time::Duration;

/// What the page says of the process itself.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The configuration in force as TOML; it holds no secret.
    pub config: String,
    /// `limits.held`.
    pub held: usize,
    /// `limits.running`.
    pub running: usize,
    /// `limits.undelivered`.
    pub undelivered: usize,
    /// `hold.timeout`.
    pub hold: Duration,
    /// `journal.max_bytes`.
    pub journal_bytes: u64,
}
