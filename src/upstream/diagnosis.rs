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
    Error::new(cause_of(error), sent).because(in_words(error))
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
    if error.is_user() {
        Cause::RequestBody
    } else if error.is_parse_too_large() {
        Cause::HeadTooLarge
    } else if error.is_parse() || is_broken_framing(error) {
        Cause::Malformed
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
