//! What only a reload changes: the configuration, its limits, and how commands find this holdline.
use std::fmt::Display;
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
    /// The flag by which the operator's commands find this holdline; `None` where they cannot.
    pub place: Option<String>,
}

impl About {
    /// The line that asks this holdline from any directory; `None` where no command reaches it.
    pub(super) fn command(&self, words: impl Display) -> Option<String> {
        let place = self.place.as_ref()?;
        Some(format!("holdline {words} {place}"))
    }

    /// The line that settles an exchange in doubt.
    pub(super) fn resolve(&self, id: impl Display) -> Option<String> {
        self.command(format_args!("resolve {id} --as VERDICT --reason TEXT"))
    }
}
