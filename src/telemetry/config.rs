//! `[log]`: how lines are written, and which.
use tracing_subscriber::EnvFilter;

use super::text::Capped;

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

/// What to write for levels.
pub const HINT: &str = "write a level (off, error, warn, info, debug, trace), or several like \
                        \"info,holdline::upstream=debug\"";

/// The levels, from the quietest.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
/// What libraries may say at most: below it they may print what they send, credentials included.
const LIBRARIES: &str = "warn";
/// The target of our own lines.
const OURS: &str = "holdline";

impl Config {
    /// The filter that `level` describes; the error says what is wrong with it. A level counts for
    /// our own lines alone: libraries are never heard below warnings, because what they say there
    /// may be what they send.
    pub fn filter(&self) -> Result<EnvFilter, String> {
        let directives: Result<Vec<String>, String> = self
            .level
            .split(',')
            .map(str::trim)
            .map(directive)
            .collect();
        EnvFilter::builder()
            .parse(directives?.join(","))
            .map_err(|error| error.to_string())
    }
}

/// One directive of `log.level` as the filter wants it.
fn directive(written: &str) -> Result<String, String> {
    let (target, level) = written.split_once('=').unwrap_or(("", written));
    let Some(loudness) = LEVELS.iter().position(|known| *known == level) else {
        return Err(format!("\"{}\" is no level", Capped(level)));
    };
    if written.contains('=') {
        let path = target.strip_prefix(OURS);
        let fits = |byte: u8| byte.is_ascii_lowercase() || matches!(byte, b'_' | b':');
        return match path {
            Some(path) if path.is_empty() || path.starts_with("::") && path.bytes().all(fits) => {
                Ok(written.to_owned())
            }
            _ => Err(format!("\"{}\" is no part of holdline", Capped(target))),
        };
    }
    let quietest = LEVELS.iter().position(|known| *known == LIBRARIES);
    let libraries = if Some(loudness) < quietest {
        level
    } else {
        LIBRARIES
    };
    Ok(format!("{libraries},{OURS}={level}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_level_is_refused_with_its_reason() {
        let refused = |level: &str| {
            let config = Config {
                level: level.to_owned(),
                ..Config::default()
            };
            config.filter().unwrap_err()
        };
        assert_eq!(refused("inof"), "\"inof\" is no level");
        assert_eq!(refused(""), "\"\" is no level");
        assert_eq!(refused("info,holdline=loud"), "\"loud\" is no level");
        assert_eq!(
            refused("info,hyper=trace"),
            "\"hyper\" is no part of holdline"
        );
        assert_eq!(
            refused("holdlines=info"),
            "\"holdlines\" is no part of holdline"
        );
    }
}
