//! What a request for an exchange, or for a task's result, is told at the door.
use std::sync::Arc;

use tokio::sync::oneshot;
use uuid::Uuid;

use super::flight::{Answer, Flight, Told};
use super::order::Order;

/// What becomes of a request that asks for an exchange (MACHINE 4, Admission).
pub enum Admission {
    /// It waits for a flight.
    Held(Held),
    /// Its exchange has ended; this is the answer.
    Kept {
        /// The ended exchange.
        exchange: Uuid,
        /// Its answer.
        answer: Answer,
    },
    /// Its exchange has ended, and the answer is no longer kept.
    Spent {
        /// The ended exchange.
        exchange: Uuid,
    },
    /// An equal request of the same shop, under another secret, is unsettled or undelivered.
    OtherSecret,
    /// It may not start now; nothing was submitted.
    Refused(Refusal),
}

/// Why a new exchange may not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// `limits.running` is reached.
    Running,
    /// `limits.held` is reached.
    Held,
    /// `limits.per_owner` is reached.
    Owner,
    /// `limits.undelivered` is reached.
    Undelivered,
    /// `limits.facts` is reached.
    Facts,
    /// The process is stopping.
    Draining,
}

impl Refusal {
    /// Every refusal, for the table of what is told.
    pub const ALL: [Self; 6] = [
        Self::Running,
        Self::Held,
        Self::Owner,
        Self::Undelivered,
        Self::Facts,
        Self::Draining,
    ];
}

/// A request's place at a flight.
pub struct Held {
    /// The flight.
    pub flight: Arc<Flight>,
    /// The request's number there.
    pub waiter: u64,
    /// True if the exchange was there before the request.
    pub joined: bool,
    /// The request once more, where it joined: if the exchange turns out to be over, it is a new one.
    pub again: Option<Box<Order>>,
    /// Brings what the waiter is told. It ends without a word only when the flight's task died in
    /// a way that its supervisor could not see.
    pub told: oneshot::Receiver<Told>,
}

/// What is known of a task whose result is asked for by hand.
pub enum TaskAnswer {
    /// Its answer.
    Kept(Answer),
    /// A flight polls it: a second reader could spend its once-only answer.
    Running,
    /// Nothing.
    Unknown,
}
