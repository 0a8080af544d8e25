//! The downstream requests that wait for a flight, and what they are told.
use tokio::sync::oneshot;

use super::flight::Answer;
use crate::exchange::machine::{Doubt, Withdrawal};
use crate::listener::Presence;
use crate::upstream::Cause;

/// A downstream request that waits.
pub(in crate::exchange) struct Waiter {
    pub(in crate::exchange) number: u64,
    pub(in crate::exchange) tell: oneshot::Sender<Told>,
    pub(in crate::exchange) client: Presence,
}

impl Waiter {
    /// True while its client is there, as far as can be told.
    pub(super) fn is_live(&self) -> bool {
        !self.tell.is_closed() && !self.client.has_ended()
    }
}

/// What a waiter is told.
#[derive(Clone, Debug)]
pub enum Told {
    /// The gateway's standard answer.
    Answer {
        /// The answer.
        answer: Answer,
        /// True if it was kept for this request: the exchange had ended before it came.
        replayed: bool,
    },
    /// The gateway refused the submit, in these words.
    Refused(Answer),
    /// Nothing was submitted.
    NotSubmitted {
        /// Why.
        why: Withdrawal,
        /// What kept the connection from coming about.
        cause: Option<Cause>,
    },
    /// It may have been executed.
    InDoubt(Doubt),
    /// It was remembered for as long as it may be.
    Expired,
    /// No more than how it stands: the hold is over or the process stops, the disk does not tell, or
    /// later ones wait in this one's stead. The flight goes on.
    AsItStands,
    /// The exchange was over before the request joined: it is a new one.
    Renew,
}
