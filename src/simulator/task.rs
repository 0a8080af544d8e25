//! The gateway's unit of work: what its result is, and how often that was asked for.
use std::fmt;

use bytes::Bytes;

use super::answer::{Problem, Version};
use super::faults::{PollWords, Readable, SubmitWords};
use super::gateway::Gateway;
use crate::timing::Moment;

/// What a task's result is.
#[derive(Clone, Debug)]
pub(super) enum Work {
    /// The transaction of this uid.
    Transaction(String),
    /// A standard error.
    Problem(Problem),
    /// A bare message with this code.
    Message(u16, &'static str),
    /// What a query finds when the result is read.
    Query(Query),
}

/// A question that changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Query {
    /// `GET /transactions/{uid}`
    Uid(String),
    /// `GET /v2/transactions/tracking_id/{id}`, percent-decoded.
    TrackingId(String),
    /// `POST /balance`, with the currency that it names.
    Balance(Option<String>),
}

/// One task.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) shop: String,
    pub(super) version: Option<Version>,
    pub(super) created: Moment,
    /// When it ends; `None` while it is held.
    pub(super) done: Option<Moment>,
    pub(super) work: Work,
    /// The transaction that it made, even if its result says otherwise.
    pub(super) uid: Option<String>,
    pub(super) readable: Option<Readable>,
    /// The once-only result was handed out.
    pub(super) spent: bool,
    /// How polls are answered, counted down.
    pub(super) poll: PollWords,
    /// The words of its submit that polls repeat: URLs, `Retry-After`.
    pub(super) submit: SubmitWords,
    /// How many polls came.
    pub(super) polls: u32,
    /// Until when no poll is answered, once the first has come.
    pub(super) silent_until: Option<Moment>,
    /// Its place in the ledger.
    pub(super) record: usize,
}

impl Task {
    pub(super) fn is_done(&self, now: Moment) -> bool {
        self.done.is_some_and(|done| done <= now)
    }

    /// True if a result of this code stays readable after it was handed out: "if the response has a
    /// status code other than 200, then a response with an error description will be returned once".
    pub(super) fn stays_readable(&self, status: u16) -> bool {
        match self.readable {
            Some(Readable::Once) => false,
            Some(Readable::Kept) => true,
            None => status == 200,
        }
    }
}

/// Counts a poll as in flight for as long as it lives.
pub(super) struct InFlight {
    gateway: Gateway,
    request_id: String,
}

impl InFlight {
    pub(super) fn begin(gateway: &Gateway, request_id: &str) -> Self {
        gateway.state().poll_begins(request_id);
        Self {
            gateway: gateway.clone(),
            request_id: request_id.to_owned(),
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.gateway.state().poll_ends(&self.request_id);
    }
}

impl fmt::Debug for InFlight {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "InFlight({})", self.request_id)
    }
}

/// The first `count` bytes.
pub(super) fn first(bytes: &Bytes, count: usize) -> Bytes {
    bytes.slice(..count.min(bytes.len()))
}
