//! The log of the process: lines on its standard output, which nothing waits for.
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tracing::Subscriber;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::format::{FormatFields, debug_fn};
use tracing_subscriber::fmt::writer::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload;

use super::config::{Config, Format};
use super::levels::Levels;
use super::text::Escaping;

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

/// Sets up the process's log on its standard output, once. Its levels may be changed.
pub fn install(config: &Config) -> Result<Levels, Error> {
    let colours = std::io::stdout().is_terminal();
    let (subscriber, levels) =
        subscriber(config, colours, Patient::default).map_err(Error::Level)?;
    tracing::subscriber::set_global_default(subscriber).map_err(Error::Installed)?;
    Ok(levels)
}

/// What takes the lines, and what says which it takes.
type Whole = (Box<dyn Subscriber + Send + Sync>, Levels);

fn subscriber<W>(config: &Config, colours: bool, writer: W) -> Result<Whole, String>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(config.filter()?);
    // Times are RFC 3339 in UTC, which is what this formatter writes by itself.
    let lines = tracing_subscriber::fmt::layer()
        // A log that nobody reads any more must not end in a panic about itself.
        .log_internal_errors(false)
        .with_writer(writer);
    let registry = tracing_subscriber::registry().with(filter);
    let subscriber: Box<dyn Subscriber + Send + Sync> = match config.format {
        Format::Json => Box::new(registry.with(lines.json().flatten_event(true))),
        Format::Text => {
            let lines = lines.with_ansi(colours).fmt_fields(escaped_fields());
            Box::new(registry.with(lines))
        }
    };
    let put = move |filter| handle.reload(filter).map_err(|error| error.to_string());
    Ok((subscriber, Levels::new(&config.level, put)))
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::telemetry::levels::Filter;
    use crate::telemetry::text::is_unsafe;

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
        let (subscriber, _) = subscriber(&config, false, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, write);
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    /// An id that would write a line of its own, colour it, and turn it around.
    const HOSTILE: &str = "1\r\n{\"level\":\"ERROR\"}\u{1b}[31m\u{9b}2J\u{202e}";

    #[test]
    fn the_levels_change_at_once_and_both_ways() {
        let kept = Kept::default();
        let writer = kept.clone();
        let (subscriber, levels) =
            subscriber(&Config::default(), false, move || writer.clone()).unwrap();
        let change = |written: &str| levels.change(Filter::parse(written).unwrap()).unwrap();
        let speak = |number: u32| {
            tracing::debug!(number, "ours");
            tracing::debug!(target: "h2::codec", number, "theirs");
        };
        tracing::subscriber::with_default(subscriber, || {
            speak(1);
            change("info,holdline::telemetry=debug");
            speak(2);
            change("error");
            speak(3);
            change("debug");
        });
        let bytes = kept.0.lock().unwrap().clone();
        let lines = String::from_utf8(bytes).unwrap();
        let told: Vec<serde_json::Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(told.len(), 4, "{lines}");
        assert_eq!(told[0]["to"], "info,holdline::telemetry=debug");
        assert_eq!(
            (&told[1]["message"], &told[1]["number"]),
            (&"ours".into(), &2.into())
        );
        assert_eq!(
            (&told[2]["from"], &told[2]["to"]),
            (&told[0]["to"], &"error".into())
        );
        assert_eq!(told[3]["from"], "error", "told once it is heard again");
        assert_eq!(levels.in_force(), "debug");
    }

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
}
