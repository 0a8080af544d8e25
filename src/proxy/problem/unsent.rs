//! What is told where nothing was submitted, through no fault of the request.
use http::StatusCode;

use super::words::{FAILED, Fate, SOON, Words};
use crate::exchange::Refusal;
use crate::exchange::machine::Withdrawal;
use crate::message::proxy_status::ProxyError;
use crate::upstream::Cause;

pub(super) const fn not_submitted(why: Withdrawal, cause: Option<Cause>) -> Words {
    let (error, message) = match (why, cause) {
        (Withdrawal::Connect | Withdrawal::Start, Some(cause)) => unreachable_gateway(cause),
        (Withdrawal::Connect | Withdrawal::Start, None) => (
            ProxyError::ConnectionTimeout,
            "No connection to the gateway came about in time. Nothing was submitted.",
        ),
        (Withdrawal::Draining, _) => (
            ProxyError::DestinationUnavailable,
            "holdline is stopping. Nothing was submitted.",
        ),
        (Withdrawal::Journal, _) => (
            ProxyError::ProxyInternalError,
            "The journal could not record the request in time. Nothing was submitted.",
        ),
        (Withdrawal::Driver, _) => (
            ProxyError::ProxyInternalError,
            "An internal fault interrupted the request. Nothing was submitted.",
        ),
    };
    let status = match why {
        Withdrawal::Connect | Withdrawal::Start | Withdrawal::Driver => StatusCode::BAD_GATEWAY,
        Withdrawal::Draining | Withdrawal::Journal => StatusCode::SERVICE_UNAVAILABLE,
    };
    // A certificate does not become acceptable by waiting.
    let retry_after = match cause {
        Some(Cause::Certificate) => None,
        Some(_) | None => SOON,
    };
    Words {
        status,
        code: FAILED,
        fate: Fate::NotSubmitted,
        error,
        message,
        retry_after,
    }
}

pub(super) const fn unreachable_gateway(cause: Cause) -> (ProxyError, &'static str) {
    match cause {
        Cause::Dns => (
            ProxyError::DnsError,
            "The gateway's host name was not resolved. Nothing was submitted.",
        ),
        Cause::Refused => (
            ProxyError::ConnectionRefused,
            "The gateway refused the connection. Nothing was submitted.",
        ),
        Cause::ConnectTimeout | Cause::AnswerTimeout => (
            ProxyError::ConnectionTimeout,
            "The gateway accepted no connection in time. Nothing was submitted.",
        ),
        Cause::Certificate => (
            ProxyError::TlsCertificateError,
            "The gateway's certificate is not acceptable. Nothing was submitted.",
        ),
        Cause::Handshake => (
            ProxyError::TlsProtocolError,
            "The TLS handshake with the gateway failed. Nothing was submitted.",
        ),
        Cause::Exhausted => (
            ProxyError::ConnectionLimitReached,
            "No connection to the gateway was free. Nothing was submitted.",
        ),
        Cause::Unprocessed => (
            ProxyError::DestinationUnavailable,
            "The gateway took no request. Nothing was submitted.",
        ),
        Cause::Terminated
        | Cause::AnswerTooLarge
        | Cause::HeadTooLarge
        | Cause::Malformed
        | Cause::RequestBody => (
            ProxyError::ConnectionTerminated,
            "The gateway closed the connection at once. Nothing was submitted.",
        ),
    }
}

pub(super) const fn refused(refusal: Refusal) -> Words {
    let limit = ProxyError::ConnectionLimitReached;
    let (error, message) = match refusal {
        Refusal::Unreachable(cause) => return not_submitted(Withdrawal::Connect, Some(cause)),
        Refusal::Running => (
            limit,
            "Too many exchanges are running. Nothing was submitted.",
        ),
        Refusal::Held => (limit, "Too many requests are held. Nothing was submitted."),
        Refusal::Owner => (
            limit,
            "This shop has too many exchanges running. Nothing was submitted.",
        ),
        Refusal::Undelivered => (
            limit,
            "Too many answers or doubts wait. Nothing was submitted.",
        ),
        Refusal::Facts => (
            limit,
            "Too many keys are remembered. Nothing was submitted.",
        ),
        Refusal::JournalDown => (
            ProxyError::ProxyInternalError,
            "The journal cannot be written. Nothing was submitted.",
        ),
        Refusal::JournalFull => (
            ProxyError::ProxyInternalError,
            "The journal is full of what has to be remembered. Nothing was submitted.",
        ),
        Refusal::Draining => (
            ProxyError::DestinationUnavailable,
            "holdline is stopping. Nothing was submitted.",
        ),
        Refusal::Route => (
            ProxyError::HttpRequestDenied,
            "What this request repeats has just ended, and its operation is not converted any \
             more. Nothing was submitted: send it again, and it goes as [routes] says.",
        ),
    };
    Words {
        status: StatusCode::SERVICE_UNAVAILABLE,
        code: FAILED,
        fate: Fate::NotSubmitted,
        error,
        message,
        retry_after: SOON,
    }
}

pub(super) const fn no_room() -> Words {
    Words {
        message: "Too many large bodies are being read or sent. Nothing was submitted.",
        ..refused(Refusal::Held)
    }
}
