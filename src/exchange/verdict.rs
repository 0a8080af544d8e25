//! The operator's word on an exchange in doubt: to which exchange it goes, and when it holds.
use tokio::sync::oneshot;
use uuid::Uuid;

use super::flight::{Command, Flight};
use super::flights::Flights;
use super::machine::Verdict;

/// Why a verdict is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerdictError {
    /// No exchange that has not ended has this id.
    #[error("no exchange that is under way has this id")]
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
    /// The operator has said that it was executed.
    #[error("the exchange is settled as executed already")]
    AlreadyExecuted,
    /// The journal did not take it.
    #[error(
        "the verdict holds in this process, but is not on disk: it is written when the journal is \
         up again"
    )]
    NotDurable,
}

/// A verdict on its way to its exchange.
#[derive(Debug)]
pub(super) struct Ruling {
    pub(super) verdict: Verdict,
    /// How the operator knows.
    pub(super) reason: Box<str>,
    pub(super) done: oneshot::Sender<Result<(), VerdictError>>,
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
        let mut flights = self.named(id);
        let flight = match (flights.pop(), flights.pop()) {
            (None, _) => return Err(VerdictError::Unknown),
            (Some(_), Some(_)) => return Err(VerdictError::Ambiguous),
            (Some(flight), None) => flight,
        };
        let (done, told) = oneshot::channel();
        let ruling = Ruling {
            verdict,
            reason,
            done,
        };
        flight.mailbox.post(Command::Rule(Box::new(ruling)));
        // An exchange that ended meanwhile drops what was posted to it.
        told.await.unwrap_or(Err(VerdictError::NotInDoubt))?;
        Ok(flight.id())
    }
}

impl Flight {
    /// True if an id of the client's or the gateway's making names it.
    pub(super) fn is_named(&self, id: &str) -> bool {
        self.key().value.as_bytes() == id.as_bytes() || self.ticket().as_deref() == Some(id)
    }
}
