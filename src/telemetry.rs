//! What the process writes for its operator: one line a lifecycle step and an exchange's end.
use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::format::{FormatFields, debug_fn};
use tracing_subscriber::fmt::writer::MakeWriter;

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

/// Why no log could be set up; the text completes "failed to set up the log: …".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `log.level` is not one.
    #[error("log.level: {0}")]
    Level(String),
    /// The process has a log already.
    #[error("it is set up already")]
    Installed(#[source] tracing::subscriber::SetGlobalDefaultError),
}

/// Sets up the process's log on its standard output, once.
pub fn install(config: &Config) -> Result<(), Error> {
    let colours = std::io::stdout().is_terminal();
    let subscriber = subscriber(config, colours, Patient::default).map_err(Error::Level)?;
    tracing::subscriber::set_global_default(subscriber).map_err(Error::Installed)
}

fn subscriber<W>(
    config: &Config,
    colours: bool,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, String>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // Times are RFC 3339 in UTC, which is what this formatter writes by itself.
    let builder = tracing_subscriber::fmt()
        .with_env_filter(config.filter()?)
        // A log that nobody reads any more must not end in a panic about itself.
        .log_internal_errors(false)
        .with_writer(writer);
    Ok(match config.format {
        Format::Json => Box::new(builder.json().flatten_event(true).finish()),
        Format::Text => Box::new(
            builder
                .with_ansi(colours)
                .fmt_fields(escaped_fields())
                .finish(),
        ),
    })
}

/// Lines that were not written because nobody read those before them.
static LOST: AtomicU64 = AtomicU64::new(0);

/// The standard output, which no line waits for: a pipe whose reader stands still would stop every
/// payment. What finds no room is lost, and the next line that does says how many were.
#[derive(Debug, Default)]
struct Patient;

impl io::Write for Patient {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut output = io::stdout();
        let mut asked = [PollFd::new(output.as_fd(), PollFlags::POLLOUT)];
        // A pipe that has room at all has room for a whole line of no more than PIPE_BUF (pipe(7)).
        let has_room = matches!(poll(&mut asked, PollTimeout::ZERO), Ok(ready) if ready > 0);
        if !has_room {
            LOST.fetch_add(1, Ordering::Relaxed);
            return Ok(line.len());
        }
        output.write_all(line)?;
        match LOST.swap(0, Ordering::Relaxed) {
            0 => {}
            lost => tracing::warn!(
                lost,
                "lines of this log were lost: nobody read them in time"
            ),
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Fields for a person. The formatter's own way writes a line break of a `Display` field as it
/// is, so that whoever chooses an id could write whole log lines; here every control is escaped.
fn escaped_fields() -> impl for<'w> FormatFields<'w> + Send + Sync + 'static {
    debug_fn(|writer, field, value| {
        if field.name() != "message" {
            write!(writer, "{}=", field.name())?;
        }
        write!(Escaping(writer), "{value:?}")
    })
    .delimited(" ")
}

/// A writer that escapes what a terminal or a reader of lines could take for more than text.
struct Escaping<W>(W);

impl<W: fmt::Write> fmt::Write for Escaping<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars()
            .try_for_each(|character| self.write_char(character))
    }

    fn write_char(&mut self, character: char) -> fmt::Result {
        if is_unsafe(character) {
            write!(self.0, "{}", character.escape_default())
        } else {
            self.0.write_char(character)
        }
    }
}

/// True for controls, for the line breaks of Unicode, and for the marks that turn the direction of
/// text around.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}')
        || matches!(
            character,
            '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}'
        )
}

/// An error with its causes in one line: the formatters of the log tell the error alone.
pub fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let errors = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<String> = errors.map(ToString::to_string).collect();
    texts.join(": ")
}

/// A text of somebody else's making as a log line or a fault may show it: at most
/// [`Capped::LONGEST`] characters, controls escaped.
#[derive(Clone, Copy, Debug)]
pub struct Capped<'a>(pub &'a str);

impl Capped<'_> {
    /// The characters shown: enough for every id and path that is meant, too few to fill a disk.
    pub const LONGEST: usize = 128;
}

impl fmt::Display for Capped<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut characters = self.0.chars();
        let mut escaping = Escaping(&mut *formatter);
        characters
            .by_ref()
            .take(Self::LONGEST)
            .try_for_each(|character| escaping.write_char(character))?;
        if characters.next().is_some() {
            formatter.write_char('…')?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A log that is kept in memory.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: Format, level: &str, write: impl FnOnce()) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let config = Config {
            format,
            level: level.to_owned(),
        };
        let subscriber = subscriber(&config, false, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, write);
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    /// An id that would write a line of its own, colour it, and turn it around.
    const HOSTILE: &str = "1\r\n{\"level\":\"ERROR\"}\u{1b}[31m\u{9b}2J\u{202e}";

    fn hostile() {
        tracing::info!(id = %HOSTILE, quoted = HOSTILE, "accepted {HOSTILE}");
    }

    #[test]
    fn no_text_can_write_a_line_or_a_control_into_a_text_log() {
        let line = logged(Format::Text, "info", hostile);
        let (line, rest) = line.split_once('\n').unwrap();
        assert_eq!(rest, "");
        assert!(!line.chars().any(is_unsafe), "{line}");
        assert!(
            line.contains(r#"accepted 1\r\n{"level":"ERROR"}\u{1b}[31m"#),
            "{line}"
        );
        assert!(line.contains(r#" id=1\r\n{"level""#), "{line}");
    }

    #[test]
    fn a_json_log_has_one_object_a_line_with_its_time_in_rfc_3339() {
        let line = logged(Format::Json, "info", hostile);
        assert_eq!(line.matches('\n').count(), 1);
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object["id"], HOSTILE);
        assert_eq!(object["level"], "INFO");
        let time: jiff::Timestamp = object["timestamp"].as_str().unwrap().parse().unwrap();
        assert!(time.as_second() > 0);
    }

    #[test]
    fn the_level_is_that_of_our_own_lines_and_libraries_stay_at_warnings() {
        let lines = logged(Format::Text, "debug", || {
            tracing::debug!("ours");
            tracing::debug!(target: "h2::codec", "frame with credentials");
            tracing::warn!(target: "h2::codec", "closed");
        });
        assert!(
            lines.contains("ours") && lines.contains("closed"),
            "{lines}"
        );
        assert!(!lines.contains("credentials"), "{lines}");
        let lines = logged(Format::Text, "error,holdline::telemetry=info", || {
            tracing::info!("told");
            tracing::info!(target: "holdline::proxy", "not told");
            tracing::warn!(target: "h2::codec", "not told either");
        });
        assert!(
            lines.contains("told") && !lines.contains("not told"),
            "{lines}"
        );
    }

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

    #[test]
    fn a_strangers_text_is_cut_and_its_controls_are_escaped() {
        assert_eq!(Capped("order-1").to_string(), "order-1");
        assert_eq!(Capped("a\r\nb\u{1b}c").to_string(), "a\\r\\nb\\u{1b}c");
        let long = "é".repeat(Capped::LONGEST + 1);
        let shown = Capped(&long).to_string();
        assert_eq!(shown.chars().count(), Capped::LONGEST + 1);
        assert!(shown.ends_with("é…"));
        let exact = "é".repeat(Capped::LONGEST);
        assert_eq!(Capped(&exact).to_string(), exact);
    }
}
