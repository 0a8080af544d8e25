//! `[log]`: how lines are written, and which.
use tracing_subscriber::filter::{LevelFilter, Targets};

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

/// The names of levels, from the quietest.
const LEVELS: [(&str, LevelFilter); 6] = [
    ("off", LevelFilter::OFF),
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
    ("trace", LevelFilter::TRACE),
];
/// What libraries may say at most: below it they may print what they send, credentials included.
const LIBRARIES: LevelFilter = LevelFilter::WARN;
/// The target of our own lines.
const OURS: &str = "holdline";

impl Config {
    /// The filter that `level` describes; the error says what is wrong with it. A level counts for
    /// our own lines alone: libraries are never heard below warnings, because what they say there
    /// may be what they send.
    pub fn filter(&self) -> Result<Targets, String> {
        let mut directives = self.level.split(',').map(str::trim);
        directives.try_fold(Targets::new(), with)
    }
}

/// The filter with one more directive of `log.level`.
fn with(filter: Targets, directive: &str) -> Result<Targets, String> {
    let (target, name) = match directive.split_once('=') {
        Some((target, name)) => (Some(target), name),
        None => (None, directive),
    };
    let Some((_, level)) = LEVELS.iter().find(|(known, _)| *known == name) else {
        return Err(format!("\"{}\" is no level", Capped(name)));
    };
    match target {
        None => {
            let filter = filter.with_default(LIBRARIES.min(*level));
            Ok(filter.with_target(OURS, *level))
        }
        Some(target) if is_ours(target) => Ok(filter.with_target(target, *level)),
        Some(target) => Err(format!("\"{}\" is no part of holdline", Capped(target))),
    }
}

fn is_ours(target: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || matches!(byte, b'_' | b':');
    let path = target.strip_prefix(OURS);
    path.is_some_and(|path| path.is_empty() || path.starts_with("::") && path.bytes().all(fits))
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
