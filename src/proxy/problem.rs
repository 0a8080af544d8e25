//! Every answer that is not the gateway's, as one exhaustive table: what is told, and what is true.
use http::StatusCode;

use super::doubt;
use super::head::HeadFault;
use super::key::KeyFault;
use super::relayed;
use crate::exchange::Refusal;
use crate::exchange::machine::{Doubt, Withdrawal};
use crate::message::proxy_status::ProxyError;
use crate::upstream::{Cause, Sent};

/// Why a request is answered by holdline itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The hold is over; the task runs on.
    InProgress,
    /// It may have been executed.
    InDoubt(Doubt),
    /// The process stops, and what it knows of the request ends with it.
    Stopped,
    /// An equal request of the shop, under another secret, is unsettled.
    OtherSecret,
    /// The exchange was remembered for as long as it may be, and never ended.
    Expired,
    /// Its body has no room and no declared length, so that an equal request would not be known.
    Unrecognised,
    /// It was executed, and its answer is not given any more.
    Spent,
    /// It was executed, and its answer cannot be given now.
    Unread,
    /// Nothing of it left.
    NotSubmitted(Withdrawal, Option<Cause>),
    /// Nothing new may start now.
    Refused(Refusal),
    /// The request's head.
    Head(HeadFault),
    /// The request's owner or key.
    Key(KeyFault),
    /// The request's body.
    Body(BodyFault),
    /// No gateway serves this host.
    NoGateway,
    /// The path would convert if it were decoded or normalised.
    Disguised,
    /// `[routes]` refuses the operation.
    RouteRefused,
    /// A relayed request failed.
    Relay {
        /// What went wrong.
        cause: Cause,
        /// Whether it may have reached the gateway.
        sent: Sent,
        /// True for a method that may be repeated freely.
        safe: bool,
    },
    /// A safe operation got no answer.
    Read,
    /// The result that is asked for by hand is being polled.
    TooEarly,
}

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

/// What became of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    NotSubmitted,
    InProgress,
    InDoubt,
    Completed,
}

impl Fate {
    /// The value of `Holdline-Outcome`.
    pub(super) const fn token(self) -> &'static str {
        match self {
            Self::NotSubmitted => "not-submitted",
            Self::InProgress => "in-progress",
            Self::InDoubt => "in-doubt",
            Self::Completed => "completed",
        }
    }
}

/// What is told of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) status: StatusCode,
    /// The vendor's code that clients of version 3 read.
    pub(super) code: &'static str,
    pub(super) fate: Fate,
    pub(super) error: ProxyError,
    pub(super) message: &'static str,
    /// Seconds after which a repeat helps.
    pub(super) retry_after: Option<u32>,
}

/// The vendor's code for a transaction that is being processed.
const IN_PROGRESS: &str = "P.1019";
/// The vendor's family of codes for a failure of the system.
pub(super) const FAILED: &str = "F.1000";
/// The vendor's family of codes for a request that is wrong.
const WRONG: &str = "E.1000";

/// A repeat of a running exchange joins it, so it may come at once; a second spares both sides.
pub(super) const SOON: Option<u32> = Some(1);

impl Problem {
    /// What is told of it: the failure table.
    pub(super) const fn words(self) -> Words {
        match self {
            Self::InProgress => in_progress(),
            Self::InDoubt(doubt) => doubt::in_doubt(doubt),
            Self::Stopped => doubt::stopped(),
            Self::OtherSecret => doubt::other_secret(),
            Self::Expired => doubt::expired(),
            Self::Unrecognised => doubt::unrecognised(),
            Self::Spent => doubt::spent(),
            Self::Unread => doubt::unread(),
            Self::NotSubmitted(why, cause) => not_submitted(why, cause),
            Self::Refused(refusal) => refused(refusal),
            Self::Head(fault) => head(fault),
            Self::Key(fault) => key(fault),
            Self::Body(fault) => body(fault),
            Self::NoGateway => wrong(
                StatusCode::MISDIRECTED_REQUEST,
                "No gateway is configured for this Host.",
            ),
            Self::Disguised => wrong(
                StatusCode::BAD_REQUEST,
                "The path is an encoded or unusual form of a converted one; send it plainly.",
            ),
            Self::RouteRefused => wrong(
                StatusCode::FORBIDDEN,
                "This operation is switched off in [routes].",
            ),
            Self::Relay {
                cause: Cause::RequestBody,
                sent,
                safe,
            } => relayed::in_part(sent, safe),
            Self::Relay { cause, sent, safe } => relayed::failed(cause, sent, safe),
            Self::Read => unanswered_read(),
            Self::TooEarly => too_early(),
        }
    }
}

const fn in_progress() -> Words {
    Words {
        status: StatusCode::GATEWAY_TIMEOUT,
        code: IN_PROGRESS,
        fate: Fate::InProgress,
        error: ProxyError::HttpResponseTimeout,
        message: "The transaction is in progress. Do not start another one: \
                  the same request again waits for its answer.",
        retry_after: SOON,
    }
}

const fn too_early() -> Words {
    Words {
        status: StatusCode::TOO_EARLY,
        error: ProxyError::HttpRequestDenied,
        message: "The task is in progress, and its result is for the request that began it: the same \
                  request again waits for it.",
        ..in_progress()
    }
}

const fn unanswered_read() -> Words {
    Words {
        status: StatusCode::GATEWAY_TIMEOUT,
        code: FAILED,
        fate: Fate::NotSubmitted,
        error: ProxyError::HttpResponseTimeout,
        message: "The gateway gave no answer in time. This is a read: repeat it freely.",
        retry_after: SOON,
    }
}

const fn not_submitted(why: Withdrawal, cause: Option<Cause>) -> Words {
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
            "The journal could not record the request. Nothing was submitted.",
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
            "The gateway's host name has no address. Nothing was submitted.",
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

const fn refused(refusal: Refusal) -> Words {
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
            "Too many answers wait for their clients. Nothing was submitted.",
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

const fn head(fault: HeadFault) -> Words {
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

const fn key(fault: KeyFault) -> Words {
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

const fn no_room() -> Words {
    Words {
        message: "Too many large bodies are being read or sent. Nothing was submitted.",
        ..refused(Refusal::Held)
    }
}

const fn wrong(status: StatusCode, message: &'static str) -> Words {
    Words {
        status,
        code: WRONG,
        fate: Fate::NotSubmitted,
        error: ProxyError::HttpRequestError,
        message,
        retry_after: None,
    }
}
