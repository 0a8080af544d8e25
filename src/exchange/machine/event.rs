//! What may happen to an exchange. `A` is the driver's handle on a whole answer.
use std::time::Duration;

use super::action::RecordKind;
use super::doubt::Doubt;
use crate::protocol::RequestId;
use crate::timing::Moment;

/// A handle on a whole answer.
pub trait Whole: Clone {
    /// True if both say the same, whatever was noted of each on its way (a date, a trace id).
    fn says_the_same(&self, other: &Self) -> bool;
}

/// Something that happened to an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<A> {
    /// The record is durable.
    Recorded(RecordKind),
    /// The record could not be made durable.
    RecordFailed(RecordKind),
    /// The first byte of a submit was handed to the operating system.
    HandedOver,
    /// No connection for a submit, and no byte of it was handed over.
    ConnectFailed {
        /// True if trying again may help.
        passing: bool,
    },
    /// A submit was answered whole.
    SubmitAnswered(Submitted<A>),
    /// A submit brought no whole answer, and will bring none.
    SubmitLost(Loss),
    /// A moment that the machine asked to be woken at.
    Timer(Timer),
    /// A poll was answered whole.
    PollAnswered(Polled<A>),
    /// Another exchange's poll of the same task was answered whole, or it ended with an answer.
    AnsweredElsewhere(Polled<A>),
    /// A poll ended without a whole answer.
    PollLost,
    /// A lookup ended.
    LookedUp(Searched<A>),
    /// A downstream request came for this exchange, with body and credentials.
    Joined {
        /// Until when the request is held.
        hold_until: Moment,
    },
    /// The waiter that joined last has the answer.
    Acknowledged,
    /// The process is stopping.
    Draining {
        /// A poll that begins later could outlast the drain: a once-only answer must not be read by a
        /// process that stops before it can give it.
        polls_until: Moment,
    },
    /// Another exchange carries the same idempotency key: the gateway could mistake one for the other.
    KeyShared,
    /// The operator lowered `submit.resubmits`: the gateway is no longer said to honour keys so often.
    ResubmitsLowered {
        /// How often a submit may be repeated from now on.
        most: u32,
    },
    /// The operator says what became of it.
    Resolved(Verdict),
    /// What was kept of an answer before a restart, opened with a repeat's credentials.
    Opened(A),
    /// What was kept of an answer does not open.
    SealBroken,
    /// The task that drives the exchange died.
    DriverLost,
}

/// The class of an answer to a submit, with what is needed of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitted<A> {
    /// The gateway took the task.
    Accepted(RequestId),
    /// The standard answer at once.
    Standard {
        /// The answer.
        answer: A,
        /// True if its transaction is the one that the request makes.
        matches: bool,
    },
    /// The gateway refused the request.
    Refused(A),
    /// The gateway asks to come again later.
    TooMany {
        /// The answer.
        answer: A,
        /// What its `Retry-After` says.
        retry_after: Option<Duration>,
    },
    /// Anything else.
    Unclear,
}

/// Why a submit brought no whole answer. Each leaves the same doubt: the gateway had the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Its connection ended first.
    Ended,
    /// The answer's head is larger than is read.
    HeadTooLarge,
    /// The answer is larger than `limits.answer`.
    TooLarge,
    /// The answer is not HTTP.
    Malformed,
}

impl Loss {
    pub(super) const fn doubt(self) -> Doubt {
        match self {
            Self::Ended => Doubt::SubmitLost,
            Self::HeadTooLarge => Doubt::SubmitHeadTooLarge,
            Self::TooLarge => Doubt::SubmitTooLarge,
            Self::Malformed => Doubt::SubmitMalformed,
        }
    }
}

/// The class of an answer to a poll, with what is needed of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Polled<A> {
    /// The task is running.
    Pending {
        /// What the answer's `Retry-After` says.
        retry_after: Option<Duration>,
    },
    /// The gateway does not know the task.
    Unknown,
    /// The result.
    Firm(A),
    /// Perhaps the result, given once.
    Soft(A),
    /// A 200 of no known shape.
    Odd(A),
    /// Perhaps the result, cut or mangled on its way.
    Broken,
    /// Nothing that speaks of the task.
    Transient {
        /// What the answer's `Retry-After` says.
        retry_after: Option<Duration>,
    },
}

/// How a lookup ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Searched<A> {
    /// With the one transaction that is this request's.
    Found(A),
    /// Without.
    NotFound {
        /// What the answer's `Retry-After` says, where the gateway did not say whether it has one.
        retry_after: Option<Duration>,
    },
}

/// A moment that the machine waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// `submit.start` has passed.
    Start,
    /// It is time to connect again.
    Connect,
    /// `submit.timeout` has passed.
    Submit,
    /// It is time to poll.
    Poll,
    /// It is time to look up again.
    Lookup,
    /// The lookups have had their time.
    Asking,
    /// The exchange is no longer remembered.
    Retention,
}

/// What the operator found out about an exchange in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The gateway has executed it.
    Executed,
    /// The gateway has not executed it, and will not.
    NotExecuted,
}

impl Verdict {
    /// As commands and records write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Executed => "executed",
            Self::NotExecuted => "not-executed",
        }
    }
}
