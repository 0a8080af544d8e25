//! The chunked coding of an answer's body (RFC 9112 §7.1), taken in as its bytes come.
use super::{Cause, Error, Sent};

/// Bytes beside the sizes and the data that all chunks of one body may have: extensions, which
/// nobody reads, and the blanks before them.
const MAX_EXTENSIONS: usize = 16 * 1024;
/// Bytes and lines of the trailers, which are dropped.
const MAX_TRAILERS: usize = 16 * 1024;
const MAX_TRAILER_LINES: usize = 100;

/// How far a chunked body has been read.
#[derive(Default)]
pub(super) struct Chunks {
    awaited: Awaited,
    /// The size of the chunk at hand, or what is left of it.
    size: u64,
    extensions: usize,
    trailers: Vec<u8>,
    trailer_lines: usize,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Awaited {
    #[default]
    FirstDigit,
    Digits,
    Blanks,
    Extension,
    SizeLineFeed,
    Data,
    DataReturn,
    DataLineFeed,
    /// A trailer, or the return of the last line.
    Line,
    Trailer,
    TrailerLineFeed,
    LastLineFeed,
    Nothing,
}

impl Chunks {
    /// True once the last chunk and the trailers were read.
    pub(super) fn is_whole(&self) -> bool {
        self.awaited == Awaited::Nothing
    }

    /// Takes in bytes up to the body's end, and appends the data to `body`, which may grow to
    /// `limit` bytes. Returns what follows the end.
    pub(super) fn decode<'a>(
        &mut self,
        mut bytes: &'a [u8],
        body: &mut Vec<u8>,
        limit: usize,
    ) -> Result<&'a [u8], Error> {
        while !self.is_whole() {
            if self.awaited == Awaited::Data {
                let wanted = usize::try_from(self.size).unwrap_or(usize::MAX);
                let (data, rest) = bytes.split_at(wanted.min(bytes.len()));
                if data.len() > limit.saturating_sub(body.len()) {
                    return Err(Error::new(Cause::AnswerTooLarge, Sent::Maybe));
                }
                body.extend_from_slice(data);
                self.size -= data.len() as u64;
                bytes = rest;
                if self.size > 0 {
                    break;
                }
                self.awaited = Awaited::DataReturn;
            }
            let Some((&byte, rest)) = bytes.split_first() else {
                break;
            };
            self.awaited = self.step(byte)?;
            bytes = rest;
        }
        Ok(bytes)
    }

    fn step(&mut self, byte: u8) -> Result<Awaited, Error> {
        match (self.awaited, byte) {
            (Awaited::FirstDigit | Awaited::Digits, _) if byte.is_ascii_hexdigit() => {
                self.digit(byte)
            }
            (Awaited::Digits | Awaited::Blanks, b' ' | b'\t') => self.extension(Awaited::Blanks),
            (Awaited::Digits | Awaited::Blanks, b';') => self.extension(Awaited::Extension),
            (Awaited::Digits | Awaited::Blanks | Awaited::Extension, b'\r') => {
                Ok(Awaited::SizeLineFeed)
            }
            (Awaited::FirstDigit | Awaited::Digits | Awaited::Blanks, _)
            | (Awaited::Extension, b'\n') => Err(malformed("a chunk's size")),
            (Awaited::Extension, _) => self.extension(Awaited::Extension),
            (Awaited::SizeLineFeed, b'\n') if self.size == 0 => Ok(Awaited::Line),
            (Awaited::SizeLineFeed, b'\n') => Ok(Awaited::Data),
            (Awaited::DataReturn, b'\r') => Ok(Awaited::DataLineFeed),
            (Awaited::DataLineFeed, b'\n') => Ok(Awaited::FirstDigit),
            (Awaited::Line, b'\r') => self.trailer(byte, Awaited::LastLineFeed),
            (Awaited::LastLineFeed, b'\n') => self.end(),
            (Awaited::Trailer, b'\r') => self.trailer(byte, Awaited::TrailerLineFeed),
            // A bare line feed ends a line for some readers and not for others.
            (Awaited::Line | Awaited::Trailer, b'\n') => Err(malformed("a trailer")),
            (Awaited::Line | Awaited::Trailer, _) => self.trailer(byte, Awaited::Trailer),
            (Awaited::TrailerLineFeed, b'\n') => {
                self.trailer_lines += 1;
                self.trailer(byte, Awaited::Line)
            }
            (
                Awaited::SizeLineFeed
                | Awaited::Data
                | Awaited::DataReturn
                | Awaited::DataLineFeed
                | Awaited::TrailerLineFeed
                | Awaited::LastLineFeed
                | Awaited::Nothing,
                _,
            ) => Err(malformed("the end of a chunk's line")),
        }
    }

    fn digit(&mut self, byte: u8) -> Result<Awaited, Error> {
        let digit = char::from(byte).to_digit(16).map(u64::from);
        let size = digit.and_then(|digit| self.size.checked_mul(16)?.checked_add(digit));
        self.size = size.ok_or_else(|| malformed("a chunk's size"))?;
        Ok(Awaited::Digits)
    }

    fn extension(&mut self, next: Awaited) -> Result<Awaited, Error> {
        self.extensions += 1;
        if self.extensions > MAX_EXTENSIONS {
            return Err(malformed("the length of the chunks' extensions"));
        }
        Ok(next)
    }

    fn trailer(&mut self, byte: u8, next: Awaited) -> Result<Awaited, Error> {
        self.trailers.push(byte);
        if self.trailers.len() >= MAX_TRAILERS || self.trailer_lines > MAX_TRAILER_LINES {
            return Err(malformed("the length of the trailers"));
        }
        Ok(next)
    }

    /// The trailers are dropped, but what is no trailer tells of a framing that is not what it
    /// seems.
    fn end(&mut self) -> Result<Awaited, Error> {
        self.trailers.push(b'\n');
        let mut fields = [httparse::EMPTY_HEADER; MAX_TRAILER_LINES];
        match httparse::parse_headers(&self.trailers, &mut fields) {
            Ok(httparse::Status::Complete((length, _))) if length == self.trailers.len() => {
                Ok(Awaited::Nothing)
            }
            Ok(_) | Err(_) => Err(malformed("a trailer")),
        }
    }
}

fn malformed(what: &str) -> Error {
    Error::new(Cause::Malformed, Sent::Maybe).because(format_args!("{what} is wrong"))
}
