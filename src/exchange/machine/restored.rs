//! How an exchange enters after a restart: the table of what its last record tells.
use super::action::Withdrawal;
use super::doubt::Doubt;
use super::event::Whole;
use super::ladder::LADDER_AGAIN;
use super::state::{Begun, Machine, State, Terms};
use crate::protocol::RequestId;
use crate::timing::Moment;

/// What the records of an exchange tell of it, once its process has ended.
#[derive(Clone, Debug)]
pub struct Restored {
    /// True if the client gave the key.
    pub explicit_key: bool,
    /// True if the transaction can be looked up.
    pub has_tracking_id: bool,
    /// When its first record was made: no byte left before.
    pub submitted_at: Moment,
    /// From when its retention counts.
    pub remembered_since: Moment,
    /// When its last record was made; later, where only the time of day told when that was.
    pub changed_at: Moment,
    /// False where nobody can tell how old its key is; the submit is then never repeated.
    pub age_is_sure: bool,
    /// How often the submit was repeated.
    pub resubmits: u32,
    /// The doubt that the operator's word left: it was executed, whatever was recorded after that.
    pub ruled: Option<Doubt>,
    /// The task that the gateway works on, or worked on.
    pub ticket: Option<RequestId>,
    /// Where it stood.
    pub stood: Stood,
}

/// Where an exchange stood when its process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stood {
    /// A submit may have left, and no answer to it is on record: Submitted, Resubmitted, `InDoubt`,
    /// or any other that nobody may be asked for.
    InDoubt(Doubt),
    /// Its task is known: Accepted, Candidate, `TakenBack`.
    Accepted,
    /// Its answer waits for its client: Completed.
    Completed,
}

impl<A: Whole> Machine<A> {
    /// An exchange of an earlier process, with nothing at hand. What may have been sent counts as
    /// sent, and its answer as lost.
    pub fn restored(terms: Terms, restored: Restored, now: Moment, seed: u64) -> Self {
        let submitted_at = restored.submitted_at;
        let begun = Begun {
            explicit_key: restored.explicit_key,
            has_tracking_id: restored.has_tracking_id,
            read_at: submitted_at,
            hold_until: now,
        };
        let (mut machine, _) = Self::start(terms, begun, seed);
        machine.remembered_since = restored.remembered_since;
        machine.first_sent = Some(submitted_at);
        machine.age_is_sure = restored.age_is_sure;
        machine.resubmits = restored.resubmits;
        (machine.has_body, machine.has_credentials) = (false, false);
        machine.withdrawal = Withdrawal::Driver;
        machine.finished_at = restored.changed_at;
        // The first repeat climbs the ladder at once.
        machine.laddered_at = now - LADDER_AGAIN;
        match restored.stood {
            Stood::InDoubt(doubt) => {
                machine.state = State::Doubtful;
                machine.lost = true;
                machine.doubt = Some(doubt);
                // These two may be what no record tells, and lead to a search.
                let is_found = matches!(doubt, Doubt::Restart | Doubt::SealBroken);
                machine.recorded_doubt = (!is_found).then_some(doubt);
                machine.settled = doubt.is_settled();
                machine.restore_ticket(restored.ticket, doubt);
            }
            Stood::Accepted => {
                machine.state = State::Waiting;
                machine.ticket = restored.ticket;
                machine.watch.restored(restored.changed_at);
            }
            Stood::Completed => {
                machine.state = State::Undelivered;
                machine.ticket = restored.ticket;
            }
        }
        if restored.ruled.is_some() {
            (machine.settled, machine.doubt) = (true, restored.ruled);
        }
        machine
    }

    /// A task whose exchange came to be in doubt was not known to the gateway any more: a receipt
    /// for the same one leads nowhere. It is not so where our own fault raised the doubt.
    fn restore_ticket(&mut self, ticket: Option<RequestId>, doubt: Doubt) {
        match doubt {
            Doubt::Driver | Doubt::OriginChanged | Doubt::GatewayGone => {
                self.ticket = ticket;
            }
            Doubt::SubmitTimeout
            | Doubt::SubmitLost
            | Doubt::SubmitHeadTooLarge
            | Doubt::SubmitTooLarge
            | Doubt::SubmitMalformed
            | Doubt::SubmitUnclear
            | Doubt::ResubmitRefused
            | Doubt::TaskUnknown
            | Doubt::Restart
            | Doubt::SealBroken
            | Doubt::Executed => self.lost_ticket = ticket,
        }
    }
}
