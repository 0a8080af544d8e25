//! What is told of an exchange in doubt: the rows of the failure table that say "look it up".
use http::StatusCode;

use super::problem::{FAILED, Fate, Words};
use crate::exchange::machine::Doubt;
use crate::message::proxy_status::ProxyError;

/// A repeat of an exchange in doubt starts another search, at most this often.
const NEXT_SEARCH: Option<u32> = Some(10);

/// What is told of a doubt. Where nobody is asked any more, a repeat would learn nothing new.
pub(super) const fn in_doubt(doubt: Doubt) -> Words {
    let (error, message) = match doubt {
        Doubt::SubmitTimeout => (
            ProxyError::HttpResponseTimeout,
            "The gateway did not answer in time. The transaction may have been executed: look it \
             up before you repeat it.",
        ),
        Doubt::SubmitLost => (
            ProxyError::ConnectionTerminated,
            "The connection to the gateway broke after the request was sent. The transaction may \
             have been executed: look it up before you repeat it.",
        ),
        Doubt::SubmitUnclear => (
            ProxyError::HttpProtocolError,
            "The gateway's answer says neither yes nor no. The transaction may have been \
             executed: look it up before you repeat it.",
        ),
        Doubt::ResubmitRefused => (
            ProxyError::HttpResponseIncomplete,
            "A repeat was refused, which does not tell what became of the first. The transaction \
             may have been executed: look it up before you repeat it.",
        ),
        Doubt::TaskUnknown => (
            ProxyError::HttpResponseIncomplete,
            "The gateway took the request and no longer knows it. The transaction may have been \
             executed: look it up before you repeat it.",
        ),
        Doubt::Restart => (
            ProxyError::HttpResponseIncomplete,
            "holdline was interrupted before it had the gateway's answer. The transaction may have \
             been executed: look it up before you repeat it.",
        ),
        Doubt::OriginChanged => (
            ProxyError::DestinationUnavailable,
            "The gateway is configured at another address now, and is not asked there. The \
             transaction may have been executed: look it up before you repeat it.",
        ),
        Doubt::GatewayGone => (
            ProxyError::DestinationUnavailable,
            "The gateway is no longer configured. The transaction may have been executed: look it \
             up before you repeat it.",
        ),
        Doubt::KeyNotInForce => (
            ProxyError::ProxyInternalError,
            "The request was recorded under another key. The transaction may have been executed: \
             look it up before you repeat it.",
        ),
        Doubt::SealBroken => (
            ProxyError::ProxyInternalError,
            "The answer was kept and cannot be read any more. The transaction may have been \
             executed: look it up before you repeat it.",
        ),
        Doubt::Executed => (
            ProxyError::HttpResponseIncomplete,
            "The transaction was executed, as its operator found out; its answer is lost. Look it \
             up; nothing was submitted again.",
        ),
        Doubt::Driver => (
            ProxyError::ProxyInternalError,
            "An internal fault interrupted the request. The transaction may have been executed: \
             look it up before you repeat it.",
        ),
    };
    Words {
        status: StatusCode::GATEWAY_TIMEOUT,
        code: FAILED,
        fate: match doubt {
            Doubt::Executed => Fate::Completed,
            Doubt::SubmitTimeout
            | Doubt::SubmitLost
            | Doubt::SubmitUnclear
            | Doubt::ResubmitRefused
            | Doubt::TaskUnknown
            | Doubt::Driver
            | Doubt::Restart
            | Doubt::OriginChanged
            | Doubt::GatewayGone
            | Doubt::KeyNotInForce
            | Doubt::SealBroken => Fate::InDoubt,
        },
        error,
        message,
        retry_after: if doubt.is_settled() {
            None
        } else {
            NEXT_SEARCH
        },
    }
}
