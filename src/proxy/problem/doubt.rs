//! What is told where a request may have been executed: the rows of the failure table that say "look
//! it up".
use http::StatusCode;

use super::words::{FAILED, Fate, SOON, Words};
use crate::exchange::machine::Doubt;
use crate::message::proxy_status::ProxyError;

/// A repeat of an exchange in doubt starts another search, at most this often.
const NEXT_SEARCH: Option<u32> = Some(10);

/// The words of a doubt: its cause, then what follows from every one.
macro_rules! look_it_up {
    ($cause:literal) => {
        concat!(
            $cause,
            " The transaction may have been executed: look it up before you repeat it."
        )
    };
}

/// What is told of a doubt. Where nobody is asked any more, a repeat would learn nothing new.
pub(super) const fn in_doubt(doubt: Doubt) -> Words {
    Words {
        fate: fate(doubt),
        retry_after: if doubt.is_settled() {
            None
        } else {
            NEXT_SEARCH
        },
        ..unsettled(error(doubt), message(doubt))
    }
}

const fn fate(doubt: Doubt) -> Fate {
    match doubt {
        Doubt::Executed => Fate::Completed,
        Doubt::SubmitTimeout
        | Doubt::SubmitLost
        | Doubt::SubmitHeadTooLarge
        | Doubt::SubmitTooLarge
        | Doubt::SubmitMalformed
        | Doubt::SubmitUnclear
        | Doubt::ResubmitRefused
        | Doubt::TaskUnknown
        | Doubt::Driver
        | Doubt::Restart
        | Doubt::OriginChanged
        | Doubt::GatewayGone
        | Doubt::SealBroken => Fate::InDoubt,
    }
}

const fn error(doubt: Doubt) -> ProxyError {
    match doubt {
        Doubt::SubmitTimeout => ProxyError::HttpResponseTimeout,
        Doubt::SubmitLost => ProxyError::ConnectionTerminated,
        Doubt::SubmitHeadTooLarge => ProxyError::HttpResponseHeaderSectionSize,
        Doubt::SubmitTooLarge => ProxyError::HttpResponseBodySize,
        Doubt::SubmitMalformed | Doubt::SubmitUnclear => ProxyError::HttpProtocolError,
        Doubt::ResubmitRefused | Doubt::TaskUnknown | Doubt::Restart | Doubt::Executed => {
            ProxyError::HttpResponseIncomplete
        }
        Doubt::OriginChanged | Doubt::GatewayGone => ProxyError::DestinationUnavailable,
        Doubt::SealBroken | Doubt::Driver => ProxyError::ProxyInternalError,
    }
}

const fn message(doubt: Doubt) -> &'static str {
    match doubt {
        Doubt::SubmitTimeout => look_it_up!("The gateway did not answer in time."),
        Doubt::SubmitLost => {
            look_it_up!("The connection to the gateway broke after the request was sent.")
        }
        Doubt::SubmitHeadTooLarge => {
            look_it_up!("The head of the gateway's answer is larger than holdline reads.")
        }
        Doubt::SubmitTooLarge => {
            look_it_up!("The gateway's answer is larger than limits.answer.")
        }
        Doubt::SubmitMalformed => look_it_up!("The gateway's answer is not HTTP."),
        Doubt::SubmitUnclear => look_it_up!("The gateway's answer says neither yes nor no."),
        Doubt::ResubmitRefused => {
            look_it_up!("A repeat was refused, which does not tell what became of the first.")
        }
        Doubt::TaskUnknown => {
            look_it_up!("The gateway took the request and no longer knows it.")
        }
        Doubt::Restart => {
            look_it_up!("holdline was interrupted before it had the gateway's answer.")
        }
        Doubt::OriginChanged => {
            look_it_up!("The gateway is configured at another address now, and is not asked there.")
        }
        Doubt::GatewayGone => look_it_up!("The gateway is no longer configured."),
        Doubt::SealBroken => look_it_up!("The answer was kept and cannot be read any more."),
        Doubt::Executed => {
            "The transaction was executed, as its operator found out; its answer is lost. Look it \
             up; nothing was submitted again."
        }
        Doubt::Driver => look_it_up!("An internal fault interrupted the request."),
    }
}

/// Whoever answers a repeat next knows nothing of this request, so none is asked for.
pub(super) const fn stopped() -> Words {
    unsettled(
        ProxyError::HttpResponseIncomplete,
        look_it_up!("holdline stops before the gateway has answered, and keeps nothing on disk."),
    )
}

pub(super) const fn other_secret() -> Words {
    unsettled(
        ProxyError::ProxyInternalError,
        "An equal request of this shop was sent under another secret. It may \
         have been executed: look it up before you repeat it.",
    )
}

pub(super) const fn expired() -> Words {
    unsettled(
        ProxyError::ProxyInternalError,
        "The transaction may have been executed, and is no longer tracked: look it up before you \
         repeat it.",
    )
}

pub(super) const fn unrecognised() -> Words {
    Words {
        retry_after: NEXT_SEARCH,
        ..unsettled(
            ProxyError::ConnectionLimitReached,
            "There is no room for a body of this size, and an equal request may be under way. \
             Send it again with a Content-Length, by which it is known.",
        )
    }
}

pub(super) const fn spent() -> Words {
    Words {
        fate: Fate::Completed,
        ..unsettled(
            ProxyError::ProxyInternalError,
            "A request with this key was completed and delivered; its answer is not given any more. \
             Look the transaction up; nothing was submitted again.",
        )
    }
}

pub(super) const fn unread() -> Words {
    Words {
        message: "A request with this key was completed and delivered; its answer cannot be read now. \
                  Nothing was submitted again: send the same request once more for its answer.",
        retry_after: SOON,
        ..spent()
    }
}

/// It may have been executed, and a repeat tells no more.
const fn unsettled(error: ProxyError, message: &'static str) -> Words {
    Words {
        status: StatusCode::GATEWAY_TIMEOUT,
        code: FAILED,
        fate: Fate::InDoubt,
        error,
        message,
        retry_after: None,
    }
}
