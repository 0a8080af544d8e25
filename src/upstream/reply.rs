//! An answer over HTTP/1.1, read from bytes as they come. No input or output, and nothing is
//! believed that hyper would not believe.
use std::mem::MaybeUninit;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use super::chunks::Chunks;
use super::{Cause, Error, Sent, framing};
use crate::message::StoredResponse;
use crate::message::fields::elements;

/// The largest head: what hyper's connections may hold of one.
const MAX_HEAD: usize = 64 * 1024;
/// The most fields of a head, as hyper has it.
const MAX_FIELDS: usize = 100;
/// What is set aside at most for a body that is announced and has not come.
const MAX_RESERVED: usize = 64 * 1024;

/// An answer that is being read.
pub(super) struct Reply {
    /// The most bytes of its body.
    limit: usize,
    stage: Stage,
}

enum Stage {
    /// The bytes of a head that is not whole.
    Head(Vec<u8>),
    Body {
        head: Head,
        rest: Rest,
        body: Vec<u8>,
    },
}

/// A head that was read, and what it says of the connection.
struct Head {
    status: StatusCode,
    fields: HeaderMap,
    is_persistent: bool,
}

/// What is left of a body (RFC 9112 §6.3).
enum Rest {
    Length(usize),
    Chunks(Box<Chunks>),
    UntilClose,
}

/// An answer that was read whole, in memory that is its own and no more than it needs.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) response: StoredResponse,
    /// The peer keeps the connection, and nothing came after the answer.
    pub(super) is_persistent: bool,
}

impl Reply {
    /// Nothing has come of an answer whose body may have `limit` bytes.
    pub(super) const fn new(limit: usize) -> Self {
        Self {
            limit,
            stage: Stage::Head(Vec::new()),
        }
    }

    /// True once the final head was read.
    pub(super) const fn has_fields(&self) -> bool {
        matches!(self.stage, Stage::Body { .. })
    }

    /// The status, as soon as it has come.
    pub(super) fn status(&self) -> Option<StatusCode> {
        match &self.stage {
            Stage::Head(pending) => status_of(pending),
            Stage::Body { head, .. } => Some(head.status),
        }
    }

    /// What was read of the final head, for an answer whose body streams. To be taken once.
    pub(super) fn take_fields(&mut self) -> (StatusCode, HeaderMap) {
        match &mut self.stage {
            Stage::Head(_) => (StatusCode::default(), HeaderMap::new()),
            Stage::Body { head, .. } => (head.status, std::mem::take(&mut head.fields)),
        }
    }

    /// What has come of the body and was not taken yet.
    pub(super) fn take_data(&mut self) -> Vec<u8> {
        match &mut self.stage {
            Stage::Head(_) => Vec::new(),
            Stage::Body { body, .. } => std::mem::take(body),
        }
    }

    /// How many bytes of the body were not taken yet, if that is known.
    pub(super) const fn left(&self) -> Option<u64> {
        match &self.stage {
            Stage::Body {
                rest: Rest::Length(length),
                body,
                ..
            } => Some((*length + body.len()) as u64),
            Stage::Head(_) | Stage::Body { .. } => None,
        }
    }

    /// Takes in what came; the answer, if it is whole now. Its `Content-Length` is as it came. An error
    /// names the status as soon as that has come: an answer that is not read may be the only one there is.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Result<Option<Whole>, Error> {
        match &mut self.stage {
            Stage::Body { .. } => self.receive_body(bytes),
            Stage::Head(pending) if pending.is_empty() => {
                let used = self.receive_heads(bytes)?;
                self.after_heads(bytes, used)
            }
            Stage::Head(pending) => {
                // A head's end is new, or reaches back three bytes at most: where none is, the
                // bytes before are not read once more.
                let fresh = pending.len().saturating_sub(3);
                pending.extend_from_slice(bytes);
                if !has_blank_line(pending.get(fresh..).unwrap_or_default()) {
                    return within_bound(pending).map(|()| None);
                }
                let bytes = std::mem::take(pending);
                let used = self.receive_heads(&bytes)?;
                self.after_heads(&bytes, used)
            }
        }
    }

    /// The connection has ended: the answer, if that is how its end is told. An error names the status as
    /// [`receive`](Self::receive) does.
    pub(super) fn end(&mut self) -> Result<Whole, Error> {
        let status = self.status();
        let stage = std::mem::replace(&mut self.stage, Stage::Head(Vec::new()));
        match stage {
            Stage::Body {
                mut head,
                rest: Rest::UntilClose,
                body,
            } => Ok(head.with(body, false)),
            Stage::Head(_) | Stage::Body { .. } => {
                Err(Error::new(Cause::Terminated, Sent::Maybe).within(status))
            }
        }
    }

    /// Reads heads up to the final one; how many bytes they took.
    fn receive_heads(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        let mut used = 0;
        while let Some(rest) = bytes.get(used..).filter(|rest| !rest.is_empty()) {
            let parsed = parse(rest).map_err(|error| error.within(status_of(rest)));
            let Some((head, version, length)) = parsed? else {
                break;
            };
            used += length;
            // Interim answers are passed over (RFC 9110 §15.2); 101 is refused with the others.
            if head.status.is_informational() && head.status != StatusCode::SWITCHING_PROTOCOLS {
                continue;
            }
            let status = Some(head.status);
            let begun = self.begin_body(head, version);
            begun.map_err(|error| error.within(status))?;
            break;
        }
        Ok(used)
    }

    fn after_heads(&mut self, bytes: &[u8], used: usize) -> Result<Option<Whole>, Error> {
        let rest = bytes.get(used..).unwrap_or_default();
        match &mut self.stage {
            Stage::Body { .. } => self.receive_body(rest),
            Stage::Head(pending) => {
                pending.extend_from_slice(rest);
                within_bound(pending).map(|()| None)
            }
        }
    }

    fn begin_body(&mut self, mut head: Head, version: u8) -> Result<(), Error> {
        head.is_persistent = is_persistent(&head.fields, version);
        let rest = rest_of(&head, version)?;
        let mut answer = Response::new(());
        *answer.status_mut() = head.status;
        *answer.headers_mut() = head.fields;
        framing::check(&mut answer)?;
        head.fields = std::mem::take(answer.headers_mut());
        let body = match rest {
            Rest::Length(length) if length > self.limit => {
                return Err(Error::new(Cause::AnswerTooLarge, Sent::Maybe));
            }
            Rest::Length(length) => Vec::with_capacity(length.min(MAX_RESERVED)),
            Rest::Chunks(_) | Rest::UntilClose => Vec::new(),
        };
        self.stage = Stage::Body { head, rest, body };
        Ok(())
    }

    fn receive_body(&mut self, bytes: &[u8]) -> Result<Option<Whole>, Error> {
        let Stage::Body { head, rest, body } = &mut self.stage else {
            return Ok(None);
        };
        let status = Some(head.status);
        let left_over = match rest {
            Rest::Length(length) => {
                let (data, left_over) = bytes.split_at((*length).min(bytes.len()));
                body.extend_from_slice(data);
                *length -= data.len();
                (*length == 0).then_some(left_over)
            }
            Rest::Chunks(chunks) => {
                let decoded = chunks.decode(bytes, body, self.limit);
                let left_over = decoded.map_err(|error| error.within(status))?;
                chunks.is_whole().then_some(left_over)
            }
            Rest::UntilClose => {
                if bytes.len() > self.limit.saturating_sub(body.len()) {
                    let error = Error::new(Cause::AnswerTooLarge, Sent::Maybe);
                    return Err(error.within(status));
                }
                body.extend_from_slice(bytes);
                None
            }
        };
        Ok(left_over.map(|left_over| {
            let is_persistent = head.is_persistent && left_over.is_empty();
            head.with(std::mem::take(body), is_persistent)
        }))
    }
}

impl Head {
    fn with(&mut self, mut body: Vec<u8>, is_persistent: bool) -> Whole {
        body.shrink_to_fit();
        Whole {
            response: StoredResponse {
                status: self.status,
                fields: std::mem::take(&mut self.fields),
                body: body.into(),
            },
            is_persistent,
        }
    }
}

/// The head at the front of `bytes`, its minor version and its length, if it is whole.
fn parse(bytes: &[u8]) -> Result<Option<(Head, u8, usize)>, Error> {
    let mut lines = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default()
        .parse_response_with_uninit_headers(&mut response, bytes, &mut lines)
        .map_err(unread)?;
    let httparse::Status::Complete(length) = parsed else {
        return Ok(None);
    };
    let head = bytes.get(..length).unwrap_or_default();
    within_bound(head)?;
    let code = response.code.unwrap_or_default();
    let status = StatusCode::from_u16(code).map_err(malformed)?;
    let head = Head {
        status,
        fields: fields_of(head, response.headers)?,
        is_persistent: false,
    };
    Ok(Some((head, response.version.unwrap_or_default(), length)))
}

/// The fields of a head. All their values share one copy of it.
fn fields_of(head: &[u8], lines: &[httparse::Header<'_>]) -> Result<HeaderMap, Error> {
    let copy = Bytes::copy_from_slice(head);
    let mut fields = HeaderMap::with_capacity(lines.len());
    for line in lines {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(malformed)?;
        let start = (line.value.as_ptr() as usize).saturating_sub(head.as_ptr() as usize);
        let value = if line.value.is_empty() {
            Bytes::new()
        } else {
            copy.slice(start..start + line.value.len())
        };
        let value = HeaderValue::from_maybe_shared(value).map_err(malformed)?;
        fields.append(name, value);
    }
    Ok(fields)
}

/// How the body of an answer ends, to anything but HEAD and CONNECT (RFC 9112 §6.3).
fn rest_of(head: &Head, version: u8) -> Result<Rest, Error> {
    if matches!(
        head.status,
        StatusCode::SWITCHING_PROTOCOLS | StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
    ) {
        return Ok(Rest::Length(0));
    }
    if head.fields.contains_key(header::TRANSFER_ENCODING) {
        // HTTP/1.0 has no codings (RFC 9112 §6.1). Any other than chunked is refused by the check
        // that follows.
        return if version == 0 {
            Err(malformed("a transfer coding over HTTP/1.0"))
        } else {
            Ok(Rest::Chunks(Box::default()))
        };
    }
    if head.fields.contains_key(header::CONTENT_LENGTH) {
        let length = length_of(&head.fields);
        return length
            .map(Rest::Length)
            .ok_or_else(|| malformed("its lengths are no length"));
    }
    Ok(Rest::UntilClose)
}

/// The one length that all values of `Content-Length` say; `None` where they differ, or one of
/// them is not a number.
fn length_of(fields: &HeaderMap) -> Option<usize> {
    let mut length = None;
    for line in fields.get_all(header::CONTENT_LENGTH) {
        for text in line.to_str().ok()?.split(',').map(str::trim) {
            // A number of Rust may have a sign.
            if !text.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            let number = text.parse().ok()?;
            if *length.get_or_insert(number) != number {
                return None;
            }
        }
    }
    length
}

/// Whether the peer keeps the connection after this answer (RFC 9112 §9.3). Once a line asks to
/// close, no other undoes it.
fn is_persistent(fields: &HeaderMap, version: u8) -> bool {
    let says = |option: &str| {
        elements(fields, &header::CONNECTION).any(|element| element.eq_ignore_ascii_case(option))
    };
    !says("close") && (version == 1 || says("keep-alive"))
}

fn has_blank_line(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| pair == b"\n\n") || bytes.windows(3).any(|three| three == b"\n\r\n")
}

/// The status that a head says, however little of it came, and whatever follows. That of an interim answer
/// is none of the answer's.
fn status_of(head: &[u8]) -> Option<StatusCode> {
    let mut response = httparse::Response::new(&mut []);
    // There is no room for a field: the status is read, and the first field is an error.
    let _ = response.parse(head);
    let status = StatusCode::from_u16(response.code?).ok();
    status.filter(|status| !status.is_informational())
}

fn within_bound(head: &[u8]) -> Result<(), Error> {
    if head.len() < MAX_HEAD {
        Ok(())
    } else {
        Err(Error::new(Cause::HeadTooLarge, Sent::Maybe).within(status_of(head)))
    }
}

fn unread(error: httparse::Error) -> Error {
    match error {
        httparse::Error::TooManyHeaders => Error::new(Cause::HeadTooLarge, Sent::Maybe),
        other => malformed(other),
    }
}

fn malformed(words: impl std::fmt::Display) -> Error {
    Error::new(Cause::Malformed, Sent::Maybe).because(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The error of an answer that comes in pieces of so many bytes, up to the end of its connection.
    fn error_of(bytes: &[u8], size: usize) -> Error {
        let mut reply = Reply::new(10);
        for piece in bytes.chunks(size) {
            if let Err(error) = reply.receive(piece) {
                return error;
            }
        }
        reply.end().unwrap_err()
    }

    #[test]
    fn an_answer_that_is_cut_names_its_status_as_soon_as_that_has_come() {
        let answer = b"HTTP/1.1 103 Hint\r\nLink: x\r\n\r\n\
            HTTP/1.1 422 Wrong\r\nX: y\r\nContent-Length: 9\r\n\r\n{\"a\":\"b\"}";
        let at = answer.windows(3).position(|code| code == b"422").unwrap();
        for end in 0..answer.len() {
            for size in [1, 5, usize::MAX] {
                let error = error_of(&answer[..end], size);
                let status = (end >= at + 3).then_some(StatusCode::UNPROCESSABLE_ENTITY);
                let told = (error.cause, error.status);
                assert_eq!(
                    told,
                    (Cause::Terminated, status),
                    "{end} in pieces of {size}"
                );
            }
        }
    }

    #[test]
    fn an_answer_that_is_not_read_names_its_status() {
        let fields = "X: y\r\n".repeat(MAX_FIELDS + 1);
        let field = format!("X: {}\r\n", "y".repeat(MAX_HEAD));
        for (rest, cause) in [
            ("Content-Length: 11\r\n\r\n", Cause::AnswerTooLarge),
            ("\r\n12345678901", Cause::AnswerTooLarge),
            (
                "Transfer-Encoding: chunked\r\n\r\nb\r\n12345678901",
                Cause::AnswerTooLarge,
            ),
            ("Transfer-Encoding: chunked\r\n\r\nx", Cause::Malformed),
            ("Transfer-Encoding: gzip\r\n\r\n", Cause::Malformed),
            ("Content-Length: 1, 2\r\n\r\n", Cause::Malformed),
            ("X Y: z\r\n\r\n", Cause::Malformed),
            (&fields, Cause::HeadTooLarge),
            (&field, Cause::HeadTooLarge),
        ] {
            let answer = format!("HTTP/1.1 201 Made\r\n{rest}\r\n");
            for size in [1, 4096, usize::MAX] {
                let error = error_of(answer.as_bytes(), size);
                let told = (error.cause, error.status);
                assert_eq!(told, (cause, Some(StatusCode::CREATED)), "{size}");
            }
        }
    }
}
