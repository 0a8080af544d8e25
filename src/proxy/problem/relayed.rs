//! What is told where a relayed request failed: the rows of the failure table for what nobody vouches
//! for.
use http::StatusCode;

use super::unsent::unreachable_gateway;
use super::words::{FAILED, Fate, SOON, Words};
use super::wrong::{BodyFault, body};
use crate::message::proxy_status::ProxyError;
use crate::upstream::{Cause, Sent};

/// The client's own body ended while it was passed on.
pub(super) const fn in_part(sent: Sent, safe: bool) -> Words {
    match (sent, safe) {
        (Sent::Never, _) | (Sent::Maybe, true) => body(BodyFault::Cut),
        (Sent::Maybe, false) => Words {
            message: "The request's body ended early, and its beginning was passed on. It may have \
                      been executed: look it up before you repeat it.",
            ..failed(Cause::RequestBody, sent, safe)
        },
    }
}

/// No answer came, or none that could be read.
pub(super) const fn failed(cause: Cause, sent: Sent, safe: bool) -> Words {
    let no_answer = no_answer(cause);
    let in_doubt = Words {
        status: StatusCode::GATEWAY_TIMEOUT,
        code: FAILED,
        fate: Fate::InDoubt,
        error: no_answer.error,
        message: no_answer.message,
        retry_after: None,
    };
    match (sent, safe) {
        (Sent::Never, _) => not_sent(cause),
        (Sent::Maybe, true) => Words {
            fate: Fate::NotSubmitted,
            message: no_answer.of_read,
            retry_after: SOON,
            ..in_doubt
        },
        (Sent::Maybe, false) => in_doubt,
    }
}

/// Nothing of it was handed over, or nothing of it was processed.
const fn not_sent(cause: Cause) -> Words {
    let (error, _) = unreachable_gateway(cause);
    let message = match cause {
        Cause::Unprocessed => {
            "The gateway gave the request back without processing it. It was not executed."
        }
        Cause::Exhausted => "No connection to the gateway was free. The request was not sent.",
        Cause::Dns
        | Cause::Refused
        | Cause::ConnectTimeout
        | Cause::Certificate
        | Cause::Handshake
        | Cause::Terminated
        | Cause::AnswerTimeout
        | Cause::AnswerTooLarge
        | Cause::HeadTooLarge
        | Cause::Malformed
        | Cause::RequestBody => "The gateway could not be reached. The request was not sent.",
    };
    Words {
        status: StatusCode::BAD_GATEWAY,
        code: FAILED,
        fate: Fate::NotSubmitted,
        error,
        message,
        retry_after: SOON,
    }
}

/// What is told where a request was sent and no answer to it could be read.
struct NoAnswer {
    error: ProxyError,
    message: &'static str,
    /// The same of a request that may be repeated freely.
    of_read: &'static str,
}

macro_rules! no_answer {
    ($error:ident, $cause:literal) => {
        NoAnswer {
            error: ProxyError::$error,
            message: concat!(
                $cause,
                " The request may have been executed: look it up before you repeat it."
            ),
            of_read: concat!($cause, " This is a read: repeat it freely."),
        }
    };
}

const fn no_answer(cause: Cause) -> NoAnswer {
    match cause {
        Cause::HeadTooLarge => no_answer!(
            HttpResponseHeaderSectionSize,
            "The head of the gateway's answer is larger than holdline reads."
        ),
        Cause::AnswerTooLarge => no_answer!(
            HttpResponseBodySize,
            "The gateway's answer is larger than limits.answer."
        ),
        Cause::Malformed => no_answer!(HttpProtocolError, "The gateway's answer is not HTTP."),
        Cause::AnswerTimeout => {
            no_answer!(HttpResponseTimeout, "The gateway gave no answer in time.")
        }
        Cause::Dns
        | Cause::Refused
        | Cause::ConnectTimeout
        | Cause::Certificate
        | Cause::Handshake
        | Cause::Terminated
        | Cause::Exhausted
        | Cause::Unprocessed
        | Cause::RequestBody => {
            no_answer!(HttpResponseIncomplete, "The gateway gave no whole answer.")
        }
    }
}
