//! What is posted to a flight's driver.
use super::flight::Answer;
use super::waiter::Waiter;
use crate::exchange::machine::{Event, Polled};
use crate::exchange::order::{Credentials, Submission};
use crate::exchange::verdict::Ruling;
use crate::protocol::MatchFacts;
use crate::timing::Moment;

/// What is posted to a flight's driver.
pub(in crate::exchange) enum Command {
    /// A downstream request joins, with what it brings.
    Join(Box<Join>),
    /// A waiter's answer reached it, or did not.
    Settled { waiter: u64, delivered: bool },
    /// An event from outside: a drain, a shared key.
    Event(Box<Event<Answer>>),
    /// Another exchange's poll of the same task was answered, or lost.
    TaskAnswered(Option<Box<Polled<Answer>>>),
    /// The operator says what became of it.
    Rule(Box<Ruling>),
    /// The drain is over: let go of every waiter and end.
    Stop,
}

/// A request that joins a flight.
pub(in crate::exchange) struct Join {
    pub(in crate::exchange) waiter: Waiter,
    pub(in crate::exchange) entrance: Entrance,
}

/// What a request brings to the flight that it joins.
pub(in crate::exchange) struct Entrance {
    pub(in crate::exchange) hold_until: Moment,
    pub(in crate::exchange) facts: MatchFacts,
    pub(in crate::exchange) submission: Box<Submission>,
    pub(in crate::exchange) credentials: Box<Credentials>,
}
