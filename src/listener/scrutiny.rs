//! What hyper does not tell of a request's head: how its lines end, whether it declares more than one
//! length, and whether its target has a fragment. Reads along with hyper, byte for byte, and knows
//! where each head begins.
//!
//! hyper takes a line that ends in a bare LF, takes out a `Content-Length` beside chunks, and makes
//! one of several equal ones. All three are lawful, and all three are how a request is smuggled past
//! one proxy to another that reads them otherwise (RFC 9112 §2.2, §6.1, §11.2); so they are refused.
//! A fragment it drops: what goes on would be another target than the client's, which no form of a
//! target allows (RFC 9112 §3.2).
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use memchr::{memchr, memchr_iter};

/// Why a head is not what it seems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// A line ends in LF without CR.
    LineEnd,
    /// It declares more than one length: several `Content-Length`, or one beside a coding.
    Lengths,
    /// Its target has a fragment.
    Fragment,
    /// Nobody can tell where it begins: the body before it was not framed by the book.
    Boundary,
}

/// How much of a client's requests has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// No more than whole ones, which were asked for.
    Done,
    /// A head that was not asked for yet, or a part of one.
    Head,
    /// A part of a body.
    Body,
}

/// The scrutiny of one connection; whoever reads and whoever serves have a handle on it.
#[derive(Clone, Default)]
pub(super) struct Scrutiny(Arc<Mutex<Stream>>);

impl Scrutiny {
    fn stream(&self) -> MutexGuard<'_, Stream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next bytes of the client.
    pub(super) fn read(&self, bytes: &[u8]) {
        self.stream().read(bytes);
    }

    /// What the last bytes belong to that came.
    pub(super) fn part(&self) -> Part {
        let stream = self.stream();
        match &stream.reading {
            Reading::Head(begun) if begun.is_empty() && stream.sound == 0 => Part::Done,
            Reading::Head(_) => Part::Head,
            Reading::Sized(_) | Reading::Chunked(_) => Part::Body,
        }
    }

    /// The verdict on the next head. A head that hyper has found and this has not is malformed.
    pub(super) fn next_head(&self) -> Result<(), Malformed> {
        self.stream().next_head()
    }
}

#[derive(Default)]
struct Stream {
    reading: Reading,
    /// Heads that are whole and sound, and not asked for yet.
    sound: usize,
    /// What is wrong with the head after those. Nothing is read after it: the connection ends.
    fault: Option<Malformed>,
}

/// What the next byte belongs to.
enum Reading {
    /// A head, of which this much has come. hyper refuses one that outgrows `limits.fields_size`.
    Head(Vec<u8>),
    /// A body that has so many bytes left.
    Sized(u64),
    Chunked(Chunk),
}

impl Default for Reading {
    fn default() -> Self {
        Self::Head(Vec::new())
    }
}

impl Stream {
    fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.fault.is_none() {
            bytes = match &mut self.reading {
                Reading::Head(_) => self.read_head(bytes),
                Reading::Sized(left) => {
                    let (body, rest) = split(bytes, *left);
                    *left -= body.len() as u64;
                    if *left == 0 {
                        self.reading = Reading::default();
                    }
                    rest
                }
                Reading::Chunked(chunk) => match chunk.read(bytes) {
                    Ok(Some(rest)) => {
                        self.reading = Reading::default();
                        rest
                    }
                    Ok(None) => &[],
                    Err(Broken) => {
                        self.fault = Some(Malformed::Boundary);
                        &[]
                    }
                },
            }
        }
    }

    /// Takes as much of `bytes` as belongs to the head; gives the rest back. A head that comes whole is
    /// judged where it stands.
    fn read_head<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Reading::Head(pending) = &mut self.reading else {
            return bytes;
        };
        let known = pending.len();
        let head = if known == 0 {
            after_empty_lines(bytes)
        } else {
            pending.extend_from_slice(bytes);
            let empty = pending.len() - after_empty_lines(pending).len();
            drop(pending.drain(..empty));
            pending
        };
        if head.starts_with(b"\n") {
            self.fault = Some(Malformed::LineEnd);
            return &[];
        }
        let Some(end) = end_of_head(head, known.saturating_sub(2)) else {
            if known == 0 {
                let begun = head.to_vec();
                self.reading = Reading::Head(begun);
            }
            return &[];
        };
        let rest = head.len() - end;
        match head.get(..end).map(reading_after) {
            Some(Ok(reading)) => {
                self.sound += 1;
                self.reading = reading;
            }
            Some(Err(fault)) => self.fault = Some(fault),
            None => self.fault = Some(Malformed::Boundary),
        }
        bytes.get(bytes.len() - rest..).unwrap_or_default()
    }

    fn next_head(&mut self) -> Result<(), Malformed> {
        match self.sound.checked_sub(1) {
            Some(left) => {
                self.sound = left;
                Ok(())
            }
            None => Err(*self.fault.get_or_insert(Malformed::Boundary)),
        }
    }
}

/// The first `count` bytes, as far as they are there, and the rest.
fn split(bytes: &[u8], count: u64) -> (&[u8], &[u8]) {
    let count = usize::try_from(count).map_or(bytes.len(), |count| count.min(bytes.len()));
    bytes.split_at(count)
}

/// What follows empty lines, which are passed over before a request (RFC 9112 §2.2).
fn after_empty_lines(mut bytes: &[u8]) -> &[u8] {
    while let Some(rest) = bytes.strip_prefix(b"\r\n") {
        bytes = rest;
    }
    bytes
}

/// Where a head ends, as a parser sees it that takes a bare LF too. Its first `known` bytes hold no
/// end.
fn end_of_head(head: &[u8], known: usize) -> Option<usize> {
    let tail = head.get(known..)?;
    memchr_iter(b'\n', tail).find_map(|at| {
        let empty_line = match tail.get(at + 1..)? {
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            _ => return None,
        };
        Some(known + at + 1 + empty_line)
    })
}

/// Judges a whole head: what comes after it.
fn reading_after(head: &[u8]) -> Result<Reading, Malformed> {
    if has_fragment(head) {
        return Err(Malformed::Fragment);
    }
    let (mut lengths, mut codings, mut length) = (0, 0, None);
    let mut begin = 0;
    for end in memchr_iter(b'\n', head) {
        let line = head.get(begin..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").ok_or(Malformed::LineEnd)?;
        if let Some(value) = value_of(line, b"content-length:") {
            lengths += 1;
            length = decimal(value.trim_ascii());
        } else if value_of(line, b"transfer-encoding:").is_some() {
            codings += 1;
        }
        begin = end + 1;
    }
    match (lengths, codings) {
        (0, 0) => Ok(Reading::default()),
        (0, _) => Ok(Reading::Chunked(Chunk::Start)),
        (1, 0) => match length {
            Some(0) => Ok(Reading::default()),
            Some(length) => Ok(Reading::Sized(length)),
            None => Err(Malformed::Lengths),
        },
        (_, _) => Err(Malformed::Lengths),
    }
}

/// What stands behind a field's name and its colon, if the line begins so.
fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (front, value) = line.split_at_checked(name.len())?;
    front.eq_ignore_ascii_case(name).then_some(value)
}

/// True if there is a `#` in the second word of the first line. A method may have one (RFC 9110 §5.6.2).
fn has_fragment(head: &[u8]) -> bool {
    let line = memchr(b'\n', head).map_or(head, |end| head.get(..end).unwrap_or_default());
    if memchr(b'#', line).is_none() {
        return false;
    }
    let mut words = line.split(|byte| matches!(byte, b' ' | b'\r'));
    words.nth(1).is_some_and(|target| target.contains(&b'#'))
}

fn decimal(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    // `parse` would take a sign.
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

/// Where a chunked body stands (RFC 9112 §7.1): each state names what comes next.
#[derive(Clone, Copy)]
enum Chunk {
    /// The first digit of a chunk's size.
    Start,
    /// More of the size, or what ends it.
    Size(u64),
    /// White space after the size.
    Blank(u64),
    Extension(u64),
    /// The LF of the size's line.
    SizeEnd(u64),
    Data(u64),
    DataCr,
    DataLf,
    /// The first byte of a trailer's line, or of the empty line that ends the body.
    Line,
    Trailer,
    TrailerLf,
    LastLf,
}

/// The body is not framed by the book.
struct Broken;

impl Chunk {
    /// Takes bytes; what is left of them once the body is over.
    fn read<'a>(&mut self, mut bytes: &'a [u8]) -> Result<Option<&'a [u8]>, Broken> {
        loop {
            if let Self::Data(left) = *self {
                let (data, rest) = split(bytes, left);
                bytes = rest;
                *self = match left - data.len() as u64 {
                    0 => Self::DataCr,
                    left => Self::Data(left),
                };
            }
            let Some((byte, rest)) = bytes.split_first() else {
                return Ok(None);
            };
            bytes = rest;
            match self.after(*byte)? {
                Some(next) => *self = next,
                None => return Ok(Some(bytes)),
            }
        }
    }

    /// What comes after a byte; nothing after the body's last.
    fn after(self, byte: u8) -> Result<Option<Self>, Broken> {
        let next = match (self, byte) {
            (Self::Start, byte) => Self::Size(sized(0, byte)?),
            (Self::Size(size) | Self::Blank(size) | Self::Extension(size), b'\r') => {
                Self::SizeEnd(size)
            }
            (Self::Size(size) | Self::Blank(size), b';') => Self::Extension(size),
            (Self::Size(size) | Self::Blank(size), b' ' | b'\t') => Self::Blank(size),
            (Self::Size(size), byte) => Self::Size(sized(size, byte)?),
            (Self::SizeEnd(0) | Self::TrailerLf, b'\n') => Self::Line,
            (Self::SizeEnd(size), b'\n') => Self::Data(size),
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::Start,
            (Self::Line, b'\r') => Self::LastLf,
            (Self::Trailer, b'\r') => Self::TrailerLf,
            (Self::LastLf, b'\n') => return Ok(None),
            (Self::Extension(_) | Self::Line | Self::Trailer, b'\n')
            | (
                Self::Blank(_)
                | Self::SizeEnd(_)
                | Self::Data(_)
                | Self::DataCr
                | Self::DataLf
                | Self::TrailerLf
                | Self::LastLf,
                _,
            ) => return Err(Broken),
            (Self::Extension(size), _) => Self::Extension(size),
            (Self::Line | Self::Trailer, _) => Self::Trailer,
        };
        Ok(Some(next))
    }
}

/// The size with one more hexadecimal digit.
fn sized(size: u64, digit: u8) -> Result<u64, Broken> {
    let digit = char::from(digit).to_digit(16).ok_or(Broken)?;
    let shifted = size.checked_mul(16).ok_or(Broken)?;
    shifted.checked_add(digit.into()).ok_or(Broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    /// The verdicts on the first heads of a stream, read whole and byte by byte alike.
    fn verdicts<const COUNT: usize>(stream: &str) -> [Result<(), Malformed>; COUNT] {
        let whole = Scrutiny::default();
        whole.read(stream.as_bytes());
        let slow = Scrutiny::default();
        for byte in stream.as_bytes() {
            slow.read(&[*byte]);
        }
        std::array::from_fn(|_| {
            let verdict = whole.next_head();
            assert_eq!(verdict, slow.next_head(), "{stream:?}");
            verdict
        })
    }

    #[test]
    fn each_head_has_its_verdict_wherever_bodies_end() {
        let sized =
            format!("POST / HTTP/1.1\r\nContent-Length:  12 \r\n\r\n\n\nno\r\n\r\nhead{GET}");
        assert_eq!(verdicts(&sized), [Ok(()), Ok(()), Err(Malformed::Boundary)]);
        let chunked = format!(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
             A ;x=\"y\"\r\n\n\n\r\n\r\n0123\r\n1\r\n!\r\n000\r\nA: b\r\nC: d\r\n\r\n\r\n\r\n{GET}{GET}"
        );
        assert_eq!(
            verdicts(&chunked),
            [Ok(()), Ok(()), Ok(()), Err(Malformed::Boundary)]
        );
        let empty = format!("POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n{GET}");
        assert_eq!(verdicts(&empty), [Ok(()), Ok(())]);
    }

    #[test]
    fn a_line_without_its_carriage_return_is_told_wherever_it_is() {
        for head in [
            "GET / HTTP/1.1\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\n",
            "GET / HTTP/1.1\nHost: a\n\n",
            "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        ] {
            assert_eq!(verdicts(head), [Err(Malformed::LineEnd)], "{head:?}");
        }
    }

    #[test]
    fn a_fragment_is_told_where_it_is_one() {
        for target in ["/#", "/a#b?c", "/a?b#c", "#", "http://a/#b"] {
            let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n{GET}");
            let verdict = Err(Malformed::Fragment);
            assert_eq!(verdicts(&head), [verdict, verdict], "{target}");
        }
        let elsewhere = "G#T /%23 HTTP/1.1\r\nHost: a\r\nReferer: /#b\r\n\r\n";
        assert_eq!(verdicts(elsewhere), [Ok(())]);
    }

    #[test]
    fn a_head_with_two_lengths_is_told_and_nothing_after_it_is_read() {
        for fields in [
            "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
            "transfer-encoding: chunked\r\ncontent-length: 0\r\n",
            "Transfer-Encoding: identity\r\nContent-Length: 0\r\n",
            "Content-Length: 0\r\nContent-Length: 0\r\n",
            "Content-Length: +0\r\n",
            "Content-Length: 0, 0\r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Content-Length:\r\n",
        ] {
            let stream = format!("{GET}POST / HTTP/1.1\r\n{fields}\r\n{GET}");
            assert_eq!(
                verdicts(&stream),
                [Ok(()), Err(Malformed::Lengths), Err(Malformed::Lengths)],
                "{fields:?}"
            );
        }
    }

    #[test]
    fn after_a_body_that_is_framed_otherwise_no_head_is_trusted() {
        for body in [
            "5\nhello\r\n0\r\n\r\n",
            "5\r\nhello0\r\n\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "5;x\ny\r\nhello\r\n0\r\n\r\n",
            "0x5\r\nhello\r\n0\r\n\r\n",
            "+5\r\nhello\r\n0\r\n\r\n",
            " 5\r\nhello\r\n0\r\n\r\n",
            "5 5\r\nhello\r\n0\r\n\r\n",
            "\r\n\r\n",
            "10000000000000000\r\nhello\r\n0\r\n\r\n",
            "0\r\nA: b\n\r\n",
            "0\r\n\n",
            "0\n\r\n",
        ] {
            let stream =
                format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}{GET}");
            assert_eq!(
                verdicts(&stream),
                [Ok(()), Err(Malformed::Boundary)],
                "{body:?}"
            );
        }
    }
}
