//! What the process writes for its operator: one line a lifecycle step and an exchange's end.
use tracing_subscriber::EnvFilter;

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    #[default]
    Json,
    /// Text for a person.
    Text,
}

/// `[log]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `log.format`.
    pub format: Format,
    /// `log.level`: a level, or directives by target like `info,holdline::upstream=debug`.
    pub level: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            format: Format::Json,
            level: "info".to_owned(),
        }
    }
}

impl Config {
    /// The filter that `level` describes; the error says what is wrong with it.
    pub fn filter(&self) -> Result<EnvFilter, String> {
        EnvFilter::builder()
            .parse(&self.level)
            .map_err(|error| error.to_string())
    }
}
