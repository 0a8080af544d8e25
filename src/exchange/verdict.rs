//! The operator's word on an exchange in doubt: to which exchange it goes, and when it holds.
use tokio::sync::oneshot;
use uuid::Uuid;

use super::flights::Command;
use super::handle::Flights;
use super::machine::{Doubt, Verdict};
use super::naming::NotOne;
use crate::journal::{Change, Entry};
use crate::timing::Stamp;

/// Why a verdict is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerdictError {
    /// No exchange that has not ended has this id.
    #[error(
        "no exchange that is under way has this id; one that has ended, as by a verdict of \
         not-executed, takes no other"
    )]
    Unknown,
    /// Several have it: a key may stand on more than one.
    #[error("several exchanges have this id: give the exchange's own id")]
    Ambiguous,
    /// It runs, or its answer is there.
    #[error("the exchange is not in doubt")]
    NotInDoubt,
    /// A submit of it still waits for its answer.
    #[error("a submit of it is still under way: try again when it has ended")]
    UnderWay,
    /// Another exchange was given the result of its task.
    #[error("the result of its task is here: its client is given it when it repeats the request")]
    Answered,
    /// The operator has said that it was executed.
    #[error("the exchange is settled as executed already")]
    AlreadyExecuted,
    /// It was let go by the process's stop.
    #[error("the process stops: look whether the verdict holds when it runs again")]
    Stopping,
    /// The journal did not take it.
    #[error(
        "the verdict holds in this process, but is not on disk: it is written when the journal is \
         up again"
    )]
    NotDurable,
}

/// Whether a verdict may follow upon the operator's word before it: who was told that a payment was
/// executed may have acted on it.
pub const fn check_word(is_executed: bool, verdict: Verdict) -> Result<(), VerdictError> {
    match verdict {
        Verdict::NotExecuted if is_executed => Err(VerdictError::AlreadyExecuted),
        Verdict::NotExecuted | Verdict::Executed => Ok(()),
    }
}

/// A verdict on its way to its exchange.
#[derive(Debug)]
pub(super) struct Ruling {
    pub(super) verdict: Verdict,
    /// How the operator knows.
    pub(super) reason: Box<str>,
    pub(super) done: oneshot::Sender<Result<(), VerdictError>>,
}

/// The operator's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) verdict: Verdict,
    /// How the operator knows.
    pub(super) reason: Option<Box<str>>,
    pub(super) at: Stamp,
}

impl Word {
    /// As the records of an exchange have it.
    pub(super) fn of_records(entries: &[Entry]) -> Option<Self> {
        entries.iter().rev().find_map(|entry| {
            let (verdict, reason) = match &entry.change {
                // Without a reason its time was over.
                Change::Closed(reason) => (Verdict::NotExecuted, Some(reason.clone()?)),
                Change::InDoubt(doubt) if *doubt.cause == *Doubt::Executed.name() => {
                    (Verdict::Executed, doubt.reason.clone())
                }
                Change::Submitted(_)
                | Change::Resubmitted(_)
                | Change::Accepted(_)
                | Change::Candidate(_)
                | Change::Completed(_)
                | Change::Delivered
                | Change::InDoubt(_)
                | Change::Withdrawn
                | Change::Refused => return None,
            };
            Some(Self {
                verdict,
                reason,
                at: entry.stamp,
            })
        })
    }
}

impl Flights {
    /// Settles the exchange that `id` names: its own id, the key that it was sent with, or its
    /// task's id. Returns its own id once the verdict is on record.
    pub async fn resolve(
        &self,
        id: &str,
        verdict: Verdict,
        reason: Box<str>,
    ) -> Result<Uuid, VerdictError> {
        let flight = self.named(id).one().map_err(|why| match why {
            NotOne::None => VerdictError::Unknown,
            NotOne::Several => VerdictError::Ambiguous,
        })?;
        let (done, told) = oneshot::channel();
        let ruling = Ruling {
            verdict,
            reason,
            done,
        };
        flight.ask(Command::Rule(Box::new(ruling)));
        // An exchange that ended meanwhile, or was let go, drops what was posted to it.
        told.await.unwrap_or_else(|_| {
            Err(if flight.is_stopped() {
                VerdictError::Stopping
            } else {
                VerdictError::NotInDoubt
            })
        })?;
        Ok(flight.id())
    }
}
