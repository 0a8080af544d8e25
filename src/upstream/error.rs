//! What can go wrong on the way to the gateway, and the one fact that matters for money.
use std::fmt::Display;

use http::StatusCode;

/// How many characters of a library's words an error keeps: enough for a sentence and a host name,
/// too few for a peer to fill the log.
const MAX_DETAIL: usize = 200;

/// Whether any byte of the request may have reached the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// No byte was handed to the operating system, or the gateway says that it processed none
    /// ([`Cause::Unprocessed`]).
    Never,
    /// At least one byte was handed over: the gateway may have acted on it.
    Maybe,
}

/// The kind of a failure; its text completes "failed to …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The host name was not resolved: it has no address, or no name server told one in time.
    Dns,
    /// The address refused the connection, or no route leads to it.
    Refused,
    /// The connection took longer than `upstream.connect_timeout`, or than what it was for had time.
    ConnectTimeout,
    /// The certificate is not acceptable: expired, for another host, or of an unknown issuer.
    Certificate,
    /// The TLS handshake failed otherwise, or took longer than `upstream.handshake_timeout`.
    Handshake,
    /// The connection was reset or closed before the answer was whole.
    Terminated,
    /// The answer took longer than it may.
    AnswerTimeout,
    /// The answer was larger than `limits.answer`.
    AnswerTooLarge,
    /// The answer's head was larger than is read: more than 100 fields, or 64 KiB of them.
    HeadTooLarge,
    /// The answer was not HTTP.
    Malformed,
    /// No connection was free in time (`upstream.connections`).
    Exhausted,
    /// The gateway gave the request back: it says that it did nothing with it (RFC 9113 §8.7).
    Unprocessed,
    /// The request's own body could not be read to its end.
    RequestBody,
}

impl Cause {
    /// Every cause, for the table of what is told.
    pub const ALL: [Self; 13] = [
        Self::Dns,
        Self::Refused,
        Self::ConnectTimeout,
        Self::Certificate,
        Self::Handshake,
        Self::Terminated,
        Self::AnswerTimeout,
        Self::AnswerTooLarge,
        Self::HeadTooLarge,
        Self::Malformed,
        Self::Exhausted,
        Self::Unprocessed,
        Self::RequestBody,
    ];

    /// The cause in words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Dns => "the gateway's host name was not resolved",
            Self::Refused => "the gateway refused the connection",
            Self::ConnectTimeout => "the gateway did not accept a connection in time",
            Self::Certificate => "the gateway's certificate is not acceptable",
            Self::Handshake => "the TLS handshake with the gateway failed",
            Self::Terminated => "the gateway closed the connection before its answer was whole",
            Self::AnswerTimeout => "the gateway did not answer in time",
            Self::AnswerTooLarge => "the gateway's answer is larger than limits.answer",
            Self::HeadTooLarge => {
                "the head of the gateway's answer is larger than holdline reads (100 fields, 64 KiB)"
            }
            Self::Malformed => "the gateway's answer is not HTTP",
            Self::Exhausted => "no connection to the gateway was free in time",
            Self::Unprocessed => "the gateway gave the request back without processing it",
            Self::RequestBody => "the request's own body ended early",
        }
    }

    /// The cause as a label of metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Refused => "refused",
            Self::ConnectTimeout => "connect_timeout",
            Self::Certificate => "certificate",
            Self::Handshake => "handshake",
            Self::Terminated => "terminated",
            Self::AnswerTimeout => "answer_timeout",
            Self::AnswerTooLarge => "answer_too_large",
            Self::HeadTooLarge => "head_too_large",
            Self::Malformed => "malformed",
            Self::Exhausted => "exhausted",
            Self::Unprocessed => "unprocessed",
            Self::RequestBody => "request_body",
        }
    }

    /// True for a cause that may pass by itself, so that connecting again is worth a try.
    pub const fn is_passing(self) -> bool {
        match self {
            Self::Dns
            | Self::Refused
            | Self::ConnectTimeout
            | Self::Handshake
            | Self::Terminated
            | Self::AnswerTimeout
            | Self::Exhausted
            | Self::Unprocessed => true,
            Self::Certificate
            | Self::AnswerTooLarge
            | Self::HeadTooLarge
            | Self::Malformed
            | Self::RequestBody => false,
        }
    }
}

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}", .cause.text(), .detail.as_deref().map(|detail| format!(": {detail}")).unwrap_or_default())]
pub struct Error {
    /// What went wrong.
    pub cause: Cause,
    /// Whether the request may have reached the gateway.
    pub sent: Sent,
    /// The status of the answer that began to come and was not read whole, if it came that far.
    pub status: Option<StatusCode>,
    /// The library's own words, capped and free of what was sent.
    pub detail: Option<String>,
}

impl Error {
    /// An error without the library's words.
    pub const fn new(cause: Cause, sent: Sent) -> Self {
        Self {
            cause,
            sent,
            status: None,
            detail: None,
        }
    }

    /// The same error of an answer whose status had come, if it does not name it already.
    pub(super) fn within(self, status: Option<StatusCode>) -> Self {
        Self {
            status: self.status.or(status),
            ..self
        }
    }

    /// The same error with the library's words, escaped and cut.
    pub(super) fn because(self, words: impl Display) -> Self {
        let words = words.to_string();
        let detail = words.escape_debug().take(MAX_DETAIL).collect();
        Self {
            detail: Some(detail),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_others_are_escaped_and_cut() {
        let error = Error::new(Cause::Handshake, Sent::Never).because("bad\r\nname");
        assert_eq!(
            error.to_string(),
            r"the TLS handshake with the gateway failed: bad\r\nname"
        );
        let error = Error::new(Cause::Dns, Sent::Never).because("x".repeat(10_000));
        assert_eq!(error.detail.unwrap().len(), MAX_DETAIL);
    }
}
