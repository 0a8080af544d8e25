//! An exchange as the operator sees it: ids, times, where it stands; never a body or an answer.
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Only;
use super::stands::Stand;
use crate::exchange::Group;
use crate::exchange::machine::Doubt;
use crate::journal::{self, LastRecord, Remembered};
use crate::timing::Stamp;

/// One exchange of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its own id, as clients and logs were told it.
    pub exchange: String,
    /// in-doubt, running, interrupted (by a restart), undelivered, settled (by the operator, as executed),
    /// delivered or ended.
    pub state: String,
    /// Why it is in doubt.
    pub cause: Option<String>,
    /// What the operator said became of it: executed or not-executed.
    pub verdict: Option<String>,
    /// What the operator gave as the reason of a verdict.
    pub reason: Option<String>,
    /// When the operator said so, RFC 3339.
    pub settled: Option<String>,
    /// The key that every submit of it carried.
    pub idempotency_key: String,
    /// True if the client gave the key.
    pub explicit_key: bool,
    /// The task's id at the gateway.
    pub request_id: Option<String>,
    /// The merchant's own id.
    pub tracking_id: Option<String>,
    /// As the request wrote it, in minor units.
    pub amount: Option<String>,
    /// The currency's code.
    pub currency: Option<String>,
    /// The gateway's configured name.
    pub gateway: String,
    /// Where the gateway was.
    pub origin: String,
    /// Like `payments`.
    pub operation: String,
    /// Repeats of the submit.
    pub resubmits: u32,
    /// True while its answer can be given again.
    pub answer_kept: bool,
    /// When its submit was recorded, RFC 3339.
    pub submitted: String,
    /// When its last record was made, RFC 3339.
    pub changed: String,
    /// Since its submit was recorded.
    pub age_seconds: f64,
}

impl Row {
    /// The row of a remembered exchange that stands where `stand` says.
    pub(super) fn of(exchange: &Remembered, stand: Stand, now: Stamp) -> Self {
        let head = &exchange.head;
        let owned = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
        let (verdict, reason) = word(exchange).unzip();
        Self {
            exchange: head.exchange.to_string(),
            state: stand.0.name().to_owned(),
            cause: cause(exchange, stand).map(str::to_owned),
            settled: verdict.map(|_| written(exchange.changed)),
            verdict: verdict.map(str::to_owned),
            reason: reason.flatten(),
            idempotency_key: head.key.to_string(),
            explicit_key: head.explicit,
            request_id: owned(&exchange.ticket),
            tracking_id: owned(&head.reference),
            amount: owned(&head.amount),
            currency: owned(&head.currency),
            gateway: head.gateway.to_string(),
            origin: head.origin.to_string(),
            operation: head.operation.to_string(),
            resubmits: exchange.resubmits,
            answer_kept: exchange.answer.is_some(),
            submitted: written(exchange.submitted),
            changed: written(exchange.changed),
            age_seconds: now.since(exchange.submitted).as_secs_f64(),
        }
    }
}

impl Only {
    /// True if exchanges that count here are among those that are asked for.
    pub(super) fn takes(self, group: Group) -> bool {
        match self {
            Self::All => true,
            Self::Undelivered => group == Group::Undelivered,
            Self::InDoubt => group == Group::InDoubt,
        }
    }
}

/// Why it is in doubt, or was before the operator's word.
fn cause(exchange: &Remembered, (group, doubt): Stand) -> Option<&str> {
    // Another version may know a cause that this one does not.
    let written = match &exchange.last_record {
        LastRecord::InDoubt(doubt) => Some(&*doubt.cause),
        LastRecord::Submitted
        | LastRecord::Accepted
        | LastRecord::Completed
        | LastRecord::Delivered
        | LastRecord::Ended => None,
    };
    let cause = doubt.map(Doubt::name).or(written);
    cause.filter(|_| group.has_doubt())
}

/// The operator's verdict, and how it is known: nothing follows upon the record that holds it.
fn word(exchange: &Remembered) -> Option<(&'static str, Option<String>)> {
    let owned = |text: &str| Some(text.to_owned());
    match &exchange.last_record {
        LastRecord::InDoubt(doubt) if is_executed(doubt) => {
            Some(("executed", doubt.reason.as_deref().and_then(owned)))
        }
        LastRecord::Ended => {
            let reason = exchange.closed_because.as_deref()?;
            Some(("not-executed", owned(reason)))
        }
        LastRecord::Submitted
        | LastRecord::Accepted
        | LastRecord::Completed
        | LastRecord::Delivered
        | LastRecord::InDoubt(_) => None,
    }
}

/// True if the operator has said so: it is a doubt no more.
pub(super) fn is_executed(doubt: &journal::WrittenDoubt) -> bool {
    *doubt.cause == *Doubt::Executed.name()
}

fn written(stamp: Stamp) -> String {
    Timestamp::try_from(stamp.time_of_day())
        .map(|time| time.to_string())
        .unwrap_or_default()
}
