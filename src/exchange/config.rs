//! `[submit]`, `[coalesce]` and the limits that concern exchanges.
use std::time::Duration;

/// What bounds an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `submit.start`: nothing of a first submit leaves later than this after the request was read.
    pub submit_start: Duration,
    /// `submit.timeout`: how long a submit's answer is waited for before the ladder starts.
    pub submit_timeout: Duration,
    /// `submit.resubmits`: how often a submit may be repeated under its `RequestID`. Above zero it
    /// is the operator's statement that the gateway honours `RequestID` on `/async`.
    pub resubmits: u32,
    /// `coalesce.reclaim`: how long an undelivered answer without a key waits for its repeat.
    pub reclaim: Duration,
    /// `limits.running`: exchanges that have not ended, held or not.
    pub running: usize,
    /// `limits.undelivered`: answers that wait for their client, and doubts that nobody has settled.
    pub undelivered: usize,
    /// `limits.answers`: bytes of all answers together that wait for their client.
    pub answers: usize,
    /// `limits.per_owner`: running exchanges of one shop, and as many of its answers and doubts that wait.
    pub per_owner: usize,
    /// `limits.facts`: delivered exchanges with a key that are remembered for their repeat.
    pub facts: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            submit_start: Duration::from_secs(5),
            submit_timeout: Duration::from_secs(30),
            resubmits: 0,
            reclaim: Duration::from_hours(24),
            running: 20_000,
            undelivered: 10_000,
            answers: 256 * 1024 * 1024,
            per_owner: 9_000,
            facts: 1_000_000,
        }
    }
}
