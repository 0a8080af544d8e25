//! What an exchange asks its driver to do.
use smallvec::SmallVec;

use super::doubt::Doubt;
use crate::protocol::RequestId;

/// The actions of one step, in order. Seldom more than three, so they need no memory of their own.
pub type Actions<A> = SmallVec<[Action<A>; 3]>;

/// Something that the driver is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<A> {
    /// Make the record durable, then say `Recorded` or `RecordFailed`.
    Record(Record<A>),
    /// Make a record that nobody waits for.
    Note(Record<A>),
    /// Open a connection and submit on it.
    Connect,
    /// Ask for the task's result.
    Poll,
    /// Search for the transaction by its tracking id.
    Lookup,
    /// Drop the connection under way (nothing of the submit has left) or the lookup under way.
    Abandon,
    /// Erase the request's body.
    DropBody,
    /// Erase the client's credentials.
    DropCredentials,
    /// The exchange has an outcome: keep it and tell every waiter.
    Finish(Outcome<A>),
    /// Tell every waiter the outcome that is kept.
    Give,
    /// Tell every waiter that its request is a new one.
    Renew,
    /// An answer, or a doubt, expires without its client: warn the operator.
    WarnExpired,
}

/// An entry of the exchange's journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record<A> {
    /// A submit may leave from now on.
    Submitted,
    /// The n-th repeat of the submit may leave from now on.
    Resubmitted(u32),
    /// The gateway took the task.
    Accepted(RequestId),
    /// An answer that may be the result, and may not be given again.
    Candidate(A),
    /// That answer is not the result: the task ran on after it, or told something else that was cut.
    TakenBack,
    /// The result.
    Completed(A),
    /// The client has its answer.
    Delivered,
    /// It may have been executed, and nothing that may be asked can tell.
    InDoubt(Doubt),
    /// Nothing was submitted after all.
    Withdrawn(Withdrawal),
    /// The gateway refused it.
    Refused(A),
    /// It is no longer remembered.
    Closed(Closing),
}

/// Why an exchange is no longer remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// The operator says that it was not executed.
    NotExecuted,
    /// Its time is over.
    Expired,
}

/// A record without its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// See [`Record::Submitted`].
    Submitted,
    /// See [`Record::Resubmitted`].
    Resubmitted,
    /// See [`Record::Accepted`].
    Accepted,
    /// See [`Record::Candidate`].
    Candidate,
    /// See [`Record::TakenBack`].
    TakenBack,
    /// See [`Record::Completed`].
    Completed,
    /// See [`Record::Delivered`].
    Delivered,
    /// See [`Record::InDoubt`].
    InDoubt,
    /// See [`Record::Withdrawn`].
    Withdrawn,
    /// See [`Record::Refused`].
    Refused,
    /// See [`Record::Closed`].
    Closed,
}

impl<A> Record<A> {
    /// The record without its content.
    pub const fn kind(&self) -> RecordKind {
        match self {
            Self::Submitted => RecordKind::Submitted,
            Self::Resubmitted(_) => RecordKind::Resubmitted,
            Self::Accepted(_) => RecordKind::Accepted,
            Self::Candidate(_) => RecordKind::Candidate,
            Self::TakenBack => RecordKind::TakenBack,
            Self::Completed(_) => RecordKind::Completed,
            Self::Delivered => RecordKind::Delivered,
            Self::InDoubt(_) => RecordKind::InDoubt,
            Self::Withdrawn(_) => RecordKind::Withdrawn,
            Self::Refused(_) => RecordKind::Refused,
            Self::Closed(_) => RecordKind::Closed,
        }
    }

    /// The doubt that it tells.
    pub(super) const fn doubt(&self) -> Option<Doubt> {
        match self {
            Self::InDoubt(doubt) => Some(*doubt),
            Self::Submitted
            | Self::Resubmitted(_)
            | Self::Accepted(_)
            | Self::Candidate(_)
            | Self::TakenBack
            | Self::Completed(_)
            | Self::Delivered
            | Self::Withdrawn(_)
            | Self::Refused(_)
            | Self::Closed(_) => None,
        }
    }
}

/// The end of an exchange, as its waiters are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<A> {
    /// The gateway's standard answer.
    Completed(A),
    /// The gateway's refusal of the submit.
    Refused(A),
    /// No byte of it ever left.
    NotSubmitted(Withdrawal),
    /// It may have been executed.
    InDoubt(Doubt),
    /// It was remembered for as long as it may be, and never ended.
    Expired,
}

/// Why nothing was submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Withdrawal {
    /// No connection to the gateway.
    Connect,
    /// `submit.start` passed before a connection was there.
    Start,
    /// The process is stopping.
    Draining,
    /// The journal did not take the intent.
    Journal,
    /// The task that drove the exchange died.
    Driver,
}

impl Withdrawal {
    /// Every reason, for the table of what is told.
    pub const ALL: [Self; 5] = [
        Self::Connect,
        Self::Start,
        Self::Draining,
        Self::Journal,
        Self::Driver,
    ];
}
