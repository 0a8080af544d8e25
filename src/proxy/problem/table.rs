//! Every answer that is not the gateway's, as one exhaustive table: what is told, and what is true.
use http::StatusCode;

use super::words::{FAILED, Fate, IN_PROGRESS, SOON, Words};
use super::wrong::{self, BodyFault};
use super::{doubt, relayed, unsent};
use crate::exchange::Refusal;
use crate::exchange::machine::{Doubt, Withdrawal};
use crate::message::proxy_status::ProxyError;
use crate::proxy::head::HeadFault;
use crate::proxy::key::KeyFault;
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
    /// An equal request of the shop, under another secret, is unsettled, or was answered under its key.
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

impl Problem {
    /// What is told of it: the failure table.
    pub(in crate::proxy) const fn words(self) -> Words {
        match self {
            Self::InProgress => in_progress(),
            Self::InDoubt(doubt) => doubt::in_doubt(doubt),
            Self::Stopped => doubt::stopped(),
            Self::OtherSecret => doubt::other_secret(),
            Self::Expired => doubt::expired(),
            Self::Unrecognised => doubt::unrecognised(),
            Self::Spent => doubt::spent(),
            Self::Unread => doubt::unread(),
            Self::NotSubmitted(why, cause) => unsent::not_submitted(why, cause),
            Self::Refused(refusal) => unsent::refused(refusal),
            Self::Head(fault) => wrong::head(fault),
            Self::Key(fault) => wrong::key(fault),
            Self::Body(fault) => wrong::body(fault),
            Self::NoGateway => wrong::wrong(
                StatusCode::MISDIRECTED_REQUEST,
                "No gateway is configured for this Host.",
            ),
            Self::Disguised => wrong::wrong(
                StatusCode::BAD_REQUEST,
                "The path is an encoded or unusual form of a converted one; send it plainly.",
            ),
            Self::RouteRefused => wrong::wrong(
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
