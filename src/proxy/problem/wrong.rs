//! What is told of a request that is wrong.
use http::StatusCode;

use super::unsent::no_room;
use super::words::{Fate, WRONG, Words};
use crate::message::proxy_status::ProxyError;
use crate::proxy::head::HeadFault;
use crate::proxy::key::KeyFault;

/// Why a request's body is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyFault {
    /// Over `limits.body`.
    TooLarge,
    /// Not whole within `listener.body_timeout`.
    TooSlow,
    /// It ended early.
    Cut,
    /// `limits.bodies` is reached.
    NoRoom,
    /// It has a content coding; its bytes could not be compared or forwarded as JSON.
    Coding,
}

impl BodyFault {
    /// Every fault, for the table of what is told.
    pub const ALL: [Self; 5] = [
        Self::TooLarge,
        Self::TooSlow,
        Self::Cut,
        Self::NoRoom,
        Self::Coding,
    ];
}

pub(super) const fn head(fault: HeadFault) -> Words {
    match fault {
        HeadFault::Host => wrong(
            StatusCode::BAD_REQUEST,
            "The request needs exactly one plain Host field.",
        ),
        HeadFault::Authority => wrong(
            StatusCode::BAD_REQUEST,
            "The request's target names another authority than its Host field.",
        ),
        HeadFault::Method => wrong(
            StatusCode::METHOD_NOT_ALLOWED,
            "This method is not served here.",
        ),
        HeadFault::Connection => wrong(
            StatusCode::BAD_REQUEST,
            "The Connection field names a field that is not the connection's own.",
        ),
        HeadFault::Length => wrong(
            StatusCode::LENGTH_REQUIRED,
            "The request needs a Content-Length.",
        ),
        HeadFault::TransferCoding => wrong(
            StatusCode::NOT_IMPLEMENTED,
            "The only transfer coding that is understood is exactly one chunked.",
        ),
        HeadFault::Expectation => wrong(
            StatusCode::EXPECTATION_FAILED,
            "The only expectation that is understood is 100-continue.",
        ),
        HeadFault::Loop => Words {
            error: ProxyError::ProxyLoopDetected,
            ..wrong(
                StatusCode::LOOP_DETECTED,
                "The request has passed this holdline before: its upstream leads back to it.",
            )
        },
        HeadFault::LineEnd => wrong(
            StatusCode::BAD_REQUEST,
            "A line of the request's head ends in LF without CR.",
        ),
        HeadFault::Lengths => wrong(
            StatusCode::BAD_REQUEST,
            "The request declares more than one length; send one Content-Length, or chunks.",
        ),
        HeadFault::Fragment => wrong(
            StatusCode::BAD_REQUEST,
            "The request's target has a fragment, which is never sent; leave out what begins with #.",
        ),
        HeadFault::Boundary => wrong(
            StatusCode::BAD_REQUEST,
            "The body before this request was not framed properly.",
        ),
    }
}

pub(super) const fn key(fault: KeyFault) -> Words {
    let (status, message) = match fault {
        KeyFault::NoCredentials => (
            StatusCode::UNAUTHORIZED,
            "The request needs Basic credentials.",
        ),
        KeyFault::DoubledCredentials => (
            StatusCode::BAD_REQUEST,
            "The request has more than one Authorization field.",
        ),
        KeyFault::Key => (
            StatusCode::BAD_REQUEST,
            "The idempotency key must stand once and be 1 to 255 printable ASCII characters.",
        ),
    };
    wrong(status, message)
}

pub(super) const fn body(fault: BodyFault) -> Words {
    let (status, message) = match fault {
        BodyFault::TooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "The request's body is over limits.body.",
        ),
        BodyFault::TooSlow => (
            StatusCode::REQUEST_TIMEOUT,
            "The request's body was not whole in time.",
        ),
        BodyFault::Cut => (StatusCode::BAD_REQUEST, "The request's body ended early."),
        BodyFault::NoRoom => return no_room(),
        BodyFault::Coding => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The request's body has a content coding; send it plainly.",
        ),
    };
    wrong(status, message)
}

pub(super) const fn wrong(status: StatusCode, message: &'static str) -> Words {
    Words {
        status,
        code: WRONG,
        fate: Fate::NotSubmitted,
        error: ProxyError::HttpRequestError,
        message,
        retry_after: None,
    }
}
