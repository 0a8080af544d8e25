//! What a failure of the HTTP library means to us.
use std::error::Error as StdError;
use std::io;

use super::{Cause, Error, Sent, tls};
use crate::message::BodyError;

/// The meaning of hyper's error.
pub(super) fn of_hyper(error: &hyper::Error, sent: Sent) -> Error {
    if let Some(tls) = find::<io::Error>(error).and_then(tls::of) {
        return of_tls(tls, sent);
    }
    let meant = Error::new(cause_of(error), sent);
    if error.is_incomplete_message() {
        // hyper's words say what the cause says.
        return meant;
    }
    meant.because(in_words(error))
}

/// The meaning of hyper's error in the place of an answer over HTTP/2, to a request of which
/// something may have left.
pub(super) fn of_http2(error: &hyper::Error) -> Error {
    if find(error).is_some_and(is_unprocessed) {
        Error::new(Cause::Unprocessed, Sent::Never).because(in_words(error))
    } else {
        of_hyper(error, Sent::Maybe)
    }
}

/// True where the peer says that it did nothing with the request (RFC 9113 §8.7): it refused the
/// stream, or the stream's number is above the last one in its GOAWAY. h2 ends no other stream with a
/// GOAWAY of the peer; a stream that it refuses itself is none of the peer's refusals.
fn is_unprocessed(error: &h2::Error) -> bool {
    let is_refused = error.reason() == Some(h2::Reason::REFUSED_STREAM);
    error.is_remote() && (error.is_go_away() || is_refused)
}

/// The meaning of a failure to read or to write.
pub(super) fn of_io(error: &io::Error, sent: Sent) -> Error {
    match tls::of(error) {
        Some(tls) => of_tls(tls, sent),
        None => Error::new(Cause::Terminated, sent).because(error),
    }
}

fn of_tls(error: &rustls::Error, sent: Sent) -> Error {
    let cause = if tls::is_refusal(error) {
        Cause::Handshake
    } else {
        Cause::Terminated
    };
    Error::new(cause, sent).because(tls::in_words(error))
}

/// The meaning of an answer's body that could not be read whole. Something of the request had been
/// sent, or there would be no answer.
pub(super) fn of_body(error: &BodyError) -> Error {
    match error {
        BodyError::TooLarge { .. } | BodyError::NoRoom { .. } => {
            Error::new(Cause::AnswerTooLarge, Sent::Maybe)
        }
        BodyError::Cut(_) => match find::<hyper::Error>(error) {
            Some(error) => of_hyper(error, Sent::Maybe),
            None => Error::new(Cause::Terminated, Sent::Maybe).because(in_words(error)),
        },
    }
}

fn cause_of(error: &hyper::Error) -> Cause {
    if find::<BodyError>(error).is_some() {
        Cause::RequestBody
    } else if error.is_parse_too_large() {
        Cause::HeadTooLarge
    } else if error.is_parse() || is_broken_framing(error) {
        Cause::Malformed
    } else {
        find(error).map_or(Cause::Terminated, cause_of_reset)
    }
}

/// Why a stream of HTTP/2 ended.
fn cause_of_reset(error: &h2::Error) -> Cause {
    if error.is_library() {
        // What breaks HTTP/2, and a list of fields over the largest, are one error of h2's.
        Cause::Malformed
    } else if error.is_reset() && !error.is_remote() {
        // hyper resets a stream of its own where the request's body fails, and nowhere else.
        Cause::RequestBody
    } else {
        Cause::Terminated
    }
}

/// True where the bytes came but are no chunks; hyper tells it by the kind of the I/O error below.
fn is_broken_framing(error: &hyper::Error) -> bool {
    find::<io::Error>(error).is_some_and(|error| {
        matches!(
            error.kind(),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
        )
    })
}

/// The first error of type `E` in the chain of sources.
fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// The library's words, from the outside in; no error of the chain quotes a message.
fn in_words(error: &(dyn StdError + 'static)) -> String {
    let words: Vec<String> = chain(error).map(ToString::to_string).collect();
    words.join(": ")
}

/// The error and the sources below it.
fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}
