//! The kinds of values that keys take: how each is read, and how it is shown.
use std::fmt::{Display, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use http::HeaderName;

use super::byte_size::ByteSize;
use super::nearest::nearest;
use super::span::Span;
use super::tree::Value;
use crate::protocol;
use crate::telemetry::{self, Capped};

/// What is wrong with a value: a fragment that follows its key, and what to write instead.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) text: String,
    pub(super) hint: Option<String>,
}

impl Problem {
    pub(super) fn new(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            hint: Some(hint.into()),
        }
    }
}

/// A kind of value.
pub(super) trait Kind {
    /// What it is read into.
    type Value;
    /// Reads a value as written.
    fn read(&self, value: &Value) -> Result<Self::Value, Problem>;
    /// Writes a value as TOML, so that it reads back as the same.
    fn show(&self, value: &Self::Value) -> String;
}

/// A span of time from `0` to `1`.
pub(super) struct Within(pub(super) Duration, pub(super) Duration);

impl Kind for Within {
    type Value = Duration;

    fn read(&self, value: &Value) -> Result<Duration, Problem> {
        let hint = "write a duration like \"500ms\", \"24s\" or \"1m30s\"";
        let Span(span) = parse(value, hint)?;
        let (from, to) = (Span(self.0), Span(self.1));
        if (self.0..=self.1).contains(&span) {
            Ok(span)
        } else {
            Err(out_of_range(Span(span), &from, &to))
        }
    }

    fn show(&self, value: &Duration) -> String {
        quoted(&Span(*value))
    }
}

/// A whole number that a room counts with.
pub(super) trait Number: Copy + TryFrom<u64> {
    /// The number in the widest type.
    fn widest(self) -> u64;
}

impl Number for u32 {
    fn widest(self) -> u64 {
        u64::from(self)
    }
}

impl Number for u64 {
    fn widest(self) -> u64 {
        self
    }
}

impl Number for usize {
    fn widest(self) -> u64 {
        u64::try_from(self).unwrap_or(u64::MAX)
    }
}

/// A whole number from `0` to `1`.
pub(super) struct Count<N>(pub(super) N, pub(super) N);

impl<N: Number> Kind for Count<N> {
    type Value = N;

    fn read(&self, value: &Value) -> Result<N, Problem> {
        let (from, to) = (self.0.widest(), self.1.widest());
        let wanted = || format!("write a whole number from {from} to {to}");
        let number = match value {
            Value::Integer(number) => *number,
            Value::Word(word) => match word.parse::<u64>() {
                Ok(number) => Some(number),
                Err(_) => return Err(Problem::new(is_no(word, "whole number"), wanted())),
            },
            Value::Text(_)
            | Value::Boolean(_)
            | Value::List(_)
            | Value::Table(_)
            | Value::Other(_) => return Err(Problem::new(is_kind(value), wanted())),
        };
        number
            .filter(|number| (from..=to).contains(number))
            .and_then(|number| N::try_from(number).ok())
            .ok_or_else(|| Problem::new("is out of its range", wanted()))
    }

    fn show(&self, value: &N) -> String {
        value.widest().to_string()
    }
}

/// A number of bytes from `0` to `1`.
pub(super) struct Bytes<N>(pub(super) N, pub(super) N);

impl<N: Number> Kind for Bytes<N> {
    type Value = N;

    fn read(&self, value: &Value) -> Result<N, Problem> {
        let ByteSize(size) = parse(value, "write a size like \"4096B\", \"32KiB\" or \"64MiB\"")?;
        let (from, to) = (self.0.widest(), self.1.widest());
        Some(size)
            .filter(|size| (from..=to).contains(size))
            .and_then(|size| N::try_from(size).ok())
            .ok_or_else(|| out_of_range(ByteSize(size), &ByteSize(from), &ByteSize(to)))
    }

    fn show(&self, value: &N) -> String {
        quoted(&ByteSize(value.widest()))
    }
}

/// One of a few words.
pub(super) struct Choice<T: 'static>(pub(super) &'static [(&'static str, T)]);

impl<T: Copy + PartialEq> Kind for Choice<T> {
    type Value = T;

    fn read(&self, value: &Value) -> Result<T, Problem> {
        let words = || self.0.iter().map(|(word, _)| *word);
        let wanted = || format!("write one of {}", listed(words()));
        let written = text(value, &wanted())?;
        match self.0.iter().find(|(word, _)| *word == written) {
            Some((_, choice)) => Ok(*choice),
            None => Err(match nearest(written, words()) {
                Some(word) => Problem::new(
                    is_no(written, "choice here"),
                    format!("did you mean \"{word}\"? {}", wanted()),
                ),
                None => Problem::new(is_no(written, "choice here"), wanted()),
            }),
        }
    }

    fn show(&self, value: &T) -> String {
        let word = self.0.iter().find(|(_, choice)| choice == value);
        word.map(|(word, _)| quoted(word)).unwrap_or_default()
    }
}

/// `true` or `false`.
pub(super) struct Switch;

impl Kind for Switch {
    type Value = bool;

    fn read(&self, value: &Value) -> Result<bool, Problem> {
        match value {
            Value::Boolean(flag) => Ok(*flag),
            Value::Word(word) if word == "true" => Ok(true),
            Value::Word(word) if word == "false" => Ok(false),
            Value::Word(_)
            | Value::Text(_)
            | Value::Integer(_)
            | Value::List(_)
            | Value::Table(_)
            | Value::Other(_) => Err(Problem::new(
                is_kind(value),
                "write true or false, without quotes",
            )),
        }
    }

    fn show(&self, value: &bool) -> String {
        value.to_string()
    }
}

/// An address with its port.
pub(super) struct Address;

impl Kind for Address {
    type Value = SocketAddr;

    fn read(&self, value: &Value) -> Result<SocketAddr, Problem> {
        let hint = "write an address and a port, like \"127.0.0.1:8080\" or \"[::1]:8080\"";
        let written = text(value, hint)?;
        written
            .parse()
            .map_err(|_| Problem::new(is_no(written, "address"), hint))
    }

    fn show(&self, value: &SocketAddr) -> String {
        quoted(value)
    }
}

/// A path of a file; an empty text is none.
pub(super) struct FilePath;

impl Kind for FilePath {
    type Value = Option<PathBuf>;

    fn read(&self, value: &Value) -> Result<Option<PathBuf>, Problem> {
        let written = text(value, "write the path of a file")?;
        Ok((!written.is_empty()).then(|| PathBuf::from(written)))
    }

    fn show(&self, value: &Option<PathBuf>) -> String {
        let path = value.as_deref().map(|path| path.display().to_string());
        quoted(&path.unwrap_or_default())
    }
}

/// Paths of files; a single one needs no list, and an empty text is none.
pub(super) struct FilePaths;

impl Kind for FilePaths {
    type Value = Vec<PathBuf>;

    fn read(&self, value: &Value) -> Result<Vec<PathBuf>, Problem> {
        let hint = "write the path of a file, or several in a list";
        let paths: Vec<PathBuf> = match value {
            Value::Text(path) => vec![PathBuf::from(path)],
            Value::Word(_)
            | Value::Integer(_)
            | Value::Boolean(_)
            | Value::List(_)
            | Value::Table(_)
            | Value::Other(_) => ListOf(hint).read(value)?,
        };
        let is_written = |path: &PathBuf| !path.as_os_str().is_empty();
        Ok(paths.into_iter().filter(is_written).collect())
    }

    fn show(&self, value: &Vec<PathBuf>) -> String {
        let paths = value.iter().map(|path| quoted(&path.display()));
        match value.as_slice() {
            [path] => quoted(&path.display()),
            _ => format!("[{}]", paths.collect::<Vec<_>>().join(", ")),
        }
    }
}

/// A path of a file that holdline makes itself.
pub(super) struct OwnFile;

impl Kind for OwnFile {
    type Value = PathBuf;

    fn read(&self, value: &Value) -> Result<PathBuf, Problem> {
        let hint = "write the path of a file, in a directory that is kept over restarts";
        match text(value, hint)? {
            "" => Err(Problem::new("is empty", hint)),
            written => Ok(PathBuf::from(written)),
        }
    }

    fn show(&self, value: &PathBuf) -> String {
        quoted(&value.display())
    }
}

/// The levels of `[log]`, as its room reads them.
pub(super) struct Level;

impl Kind for Level {
    type Value = String;

    fn read(&self, value: &Value) -> Result<String, Problem> {
        let hint = telemetry::HINT;
        let level = text(value, hint)?.to_owned();
        let config = telemetry::Config {
            level,
            ..telemetry::Config::default()
        };
        match config.filter() {
            Ok(_) => Ok(config.level),
            Err(error) => Err(Problem::new(error, hint)),
        }
    }

    fn show(&self, value: &String) -> String {
        quoted(value)
    }
}

/// Fields that already mean something to HTTP, to a proxy or to the client's own bookkeeping: as
/// a key, each would make strangers' payments one, or one payment many.
const TAKEN: [&str; 32] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "age",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "max-forwards",
    "origin",
    "prefer",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "referer",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

/// A field that carries an idempotency key; an empty text is none.
pub(super) struct KeyField;

impl Kind for KeyField {
    type Value = Option<HeaderName>;

    fn read(&self, value: &Value) -> Result<Option<HeaderName>, Problem> {
        let hint = "write the name of a field, like \"Idempotency-Key\", or \"\" for none";
        let written = text(value, hint)?;
        if written.is_empty() {
            return Ok(None);
        }
        let name = HeaderName::from_str(written)
            .map_err(|_| Problem::new(is_no(written, "name of a field"), hint))?;
        if protocol::OWN_FIELDS.contains(&name.as_str()) {
            let text = format!("names {name}, which the gateway itself gives a meaning");
            return Err(Problem::new(text, hint));
        }
        if TAKEN.contains(&name.as_str()) {
            let text = format!("names {name}, which means something else than a key");
            return Err(Problem::new(text, hint));
        }
        Ok(Some(name))
    }

    fn show(&self, value: &Option<HeaderName>) -> String {
        quoted(&value.as_ref().map(HeaderName::as_str).unwrap_or_default())
    }
}

/// A list of values, each made by its own parser.
pub(super) struct ListOf(pub(super) &'static str);

impl ListOf {
    /// Reads the texts of a list; a variable's word is split at its commas.
    pub(super) fn read<T>(&self, value: &Value) -> Result<Vec<T>, Problem>
    where
        T: FromStr<Err: Display>,
    {
        match value {
            Value::List(nodes) => nodes
                .iter()
                .map(|node| parse(&node.value, self.0))
                .collect(),
            Value::Word(words) => words
                .split(',')
                .map(str::trim)
                .filter(|word| !word.is_empty())
                .map(|word| from_text(word, self.0))
                .collect(),
            Value::Text(_)
            | Value::Integer(_)
            | Value::Boolean(_)
            | Value::Table(_)
            | Value::Other(_) => Err(Problem::new(is_kind(value), self.0)),
        }
    }
}

/// The text of a value.
pub(super) fn text<'a>(value: &'a Value, hint: &str) -> Result<&'a str, Problem> {
    match value {
        Value::Text(text) | Value::Word(text) => Ok(text),
        Value::Integer(_)
        | Value::Boolean(_)
        | Value::List(_)
        | Value::Table(_)
        | Value::Other(_) => Err(Problem::new(is_kind(value), hint)),
    }
}

/// Parses the text of a value; the error says what it is that was written.
pub(super) fn parse<T>(value: &Value, hint: &str) -> Result<T, Problem>
where
    T: FromStr<Err: Display>,
{
    from_text(text(value, hint)?, hint)
}

fn from_text<T>(written: &str, hint: &str) -> Result<T, Problem>
where
    T: FromStr<Err: Display>,
{
    written
        .parse()
        .map_err(|error| Problem::new(format!("\"{}\" {error}", Capped(written)), hint))
}

/// A text as a basic string of TOML.
pub(super) fn quoted(value: &impl Display) -> String {
    let mut quoted = String::from("\"");
    for character in value.to_string().chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(control));
            }
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

fn listed<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.map(|word| format!("\"{word}\"")).collect();
    words.join(", ")
}

fn is_no(written: &str, what: &str) -> String {
    format!("\"{}\" is no {what}", Capped(written))
}

fn is_kind(value: &Value) -> String {
    format!("is {}", value.kind())
}

fn out_of_range<T: Display>(value: T, from: &T, to: &T) -> Problem {
    Problem::new(
        format!("\"{value}\" is out of its range"),
        format!("write {from} to {to}"),
    )
}
