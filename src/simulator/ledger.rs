//! What truly happened at the gateway: every submit, every charge, every poll. It keeps no card
//! number, verification value or credential.
use serde::{Serialize, Serializer};

use crate::timing::Moment;

/// What truly happened, in the order in which it happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// Every request for an operation, but plain queries.
    pub submits: Vec<Submit>,
    /// Every transaction that was executed, whatever the bank said to it.
    pub charges: Vec<Charge>,
    /// Every task, with what was asked of it.
    pub tasks: Vec<Task>,
    /// Every plain query.
    pub queries: Vec<Query>,
    /// Polls for a task that does not exist, or not for this shop.
    pub strays: Vec<Stray>,
    /// Connections accepted.
    pub connections: u64,
    /// Connections that the word `reset` struck; their submits made nothing.
    pub resets: u64,
}

impl Ledger {
    /// The task of this `request_id`.
    pub fn task(&self, request_id: &str) -> Option<&Task> {
        self.tasks.iter().find(|task| task.request_id == request_id)
    }

    /// The charges with this `tracking_id`.
    pub fn charges_of(&self, tracking_id: &str) -> impl Iterator<Item = &Charge> {
        self.charges
            .iter()
            .filter(move |charge| charge.tracking_id.as_deref() == Some(tracking_id))
    }
}

/// One request for an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Submit {
    /// When it was read, in milliseconds since the start.
    #[serde(serialize_with = "millis")]
    pub at: Moment,
    /// Its path.
    pub path: String,
    /// Its `RequestID`.
    pub key: Option<String>,
    /// Its shop; `None` if it was not let in.
    pub shop: Option<String>,
    /// Its `tracking_id`; `None` too if the body was not read.
    pub tracking_id: Option<String>,
    /// What became of it.
    pub verdict: Verdict,
    /// The task that it made or met.
    pub request_id: Option<String>,
    /// Every field as it came; of credentials only that they were there.
    pub fields: Vec<(String, String)>,
}

/// What became of a submit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It made a task.
    Accepted,
    /// It met the task of its `RequestID`.
    Repeated,
    /// It made nothing.
    Refused,
}

/// One executed transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Charge {
    /// When the gateway took it on, in milliseconds since the start.
    #[serde(serialize_with = "millis")]
    pub at: Moment,
    /// The transaction.
    pub uid: String,
    /// Its type: `payment`, `refund`, ….
    pub kind: &'static str,
    /// What the bank said: `successful`, `failed` or `incomplete`.
    pub status: &'static str,
    /// Its task.
    pub request_id: String,
    /// The `RequestID` of its submit.
    pub key: Option<String>,
    /// Its shop.
    pub shop: String,
    /// Its `tracking_id`, if that was a text or a number.
    pub tracking_id: Option<String>,
    /// Its amount, in the smallest unit of the currency.
    pub amount: Option<u64>,
    /// Its currency.
    pub currency: Option<String>,
    /// The last four digits of the card.
    pub last_4: Option<String>,
}

/// One task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Task {
    /// Its id.
    pub request_id: String,
    /// When it was made, in milliseconds since the start.
    #[serde(serialize_with = "millis")]
    pub created: Moment,
    /// The path of its submit.
    pub path: String,
    /// Every poll.
    pub polls: Vec<Poll>,
    /// How often its result was handed out (or spent by an answer that was cut).
    pub result_reads: u32,
    /// A once-only result was handed out.
    pub spent: bool,
    /// Polls after the first that handed out the result.
    pub polls_after_result: u32,
    /// Polls that began while another was in flight.
    pub overlapping_polls: u32,
    /// Polls in flight now.
    pub in_flight: u32,
}

/// One poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Poll {
    /// When it came, in milliseconds since the start.
    #[serde(serialize_with = "millis")]
    pub at: Moment,
    /// Which URL it asked.
    pub step: PollStep,
    /// What it was answered.
    pub answer: PollAnswer,
}

/// Which URL a poll asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PollStep {
    /// `status_url`
    Status,
    /// `response_url`
    Result,
}

/// What a poll was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PollAnswer {
    /// The task runs.
    Processing,
    /// The task is done; the result is elsewhere.
    Completed,
    /// 404 unknown: lagging, expired or already read.
    Unknown,
    /// The result, whole or cut.
    Result,
    /// A fault that says nothing of the task.
    Odd,
    /// Nothing.
    Silence,
}

/// A plain query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Query {
    /// When it came, in milliseconds since the start.
    #[serde(serialize_with = "millis")]
    pub at: Moment,
    /// Its path.
    pub path: String,
    /// Its shop.
    pub shop: String,
}

/// A poll that found no task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stray {
    /// When it came, in milliseconds since the start.
    #[serde(serialize_with = "millis")]
    pub at: Moment,
    /// The id that it asked for.
    pub request_id: String,
    /// It came without the credentials that it needs.
    pub unauthorized: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a field by reference"
)]
fn millis<S: Serializer>(moment: &Moment, serializer: S) -> Result<S::Ok, S::Error> {
    let millis = moment.since_start().as_millis();
    serializer.serialize_u64(u64::try_from(millis).unwrap_or(u64::MAX))
}
