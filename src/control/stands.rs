//! Where the exchanges of a journal stand: by the process that has them, and else by their records.
use std::collections::HashMap;

use uuid::Uuid;

use crate::exchange::machine::Doubt;
use crate::exchange::{Flights, Glance, Group};
use crate::journal::{LastRecord, Remembered};

/// Where an exchange counts, and why it is in doubt if it is or was.
pub(super) type Stand = (Group, Option<Doubt>);

/// What is known of exchanges beside their records.
pub(super) enum Stands {
    /// No process has them, and so none waits for the answer to a submit.
    Unattended,
    /// What this process has.
    Held(HashMap<Uuid, Stand>),
}

impl Stands {
    /// Of the process that has these flights, or of none.
    pub(super) fn of(flights: Option<&Flights>) -> Self {
        let Some(flights) = flights else {
            return Self::Unattended;
        };
        let stand = |glance: Glance| (glance.group, glance.doubt);
        let all = flights.all();
        let all = all.iter();
        Self::Held(all.map(|it| (it.id(), stand(it.glance()))).collect())
    }

    /// Where an exchange stands. Its records may be newer than what was held.
    pub(super) fn find(&self, exchange: &Remembered) -> Stand {
        let mut recorded = Group::of_records(&exchange.last_record);
        let Self::Held(held) = self else {
            return recorded;
        };
        let held = held.get(&exchange.head.exchange).copied();
        // Only a process that ended leaves a task for which nobody asks.
        if recorded.0 == Group::Interrupted && held.is_none_or(|(it, _)| it != Group::Interrupted) {
            recorded.0 = Group::Running;
        }
        match (recorded.0, held) {
            // A submit is in doubt only where nobody waits for its answer.
            (_, None) if exchange.last_record == LastRecord::Submitted => (Group::Running, None),
            (Group::InDoubt, Some(held)) => held,
            (Group::Running | Group::Undelivered, Some(held)) if is_last(held) => held,
            (
                Group::InDoubt
                | Group::Running
                | Group::Interrupted
                | Group::Undelivered
                | Group::Settled
                | Group::Delivered
                | Group::Ended,
                _,
            ) => recorded,
        }
    }
}

/// True of a doubt that no later record of the same exchange ends by itself: nobody asks any more, or what
/// was kept is lost, or the task that would have gone on, or the gateway that could be asked.
fn is_last((group, doubt): Stand) -> bool {
    let is_lost = matches!(
        doubt,
        Some(Doubt::SealBroken | Doubt::Driver | Doubt::GatewayGone | Doubt::OriginChanged)
    );
    group.has_doubt() && (is_lost || doubt.is_some_and(Doubt::is_settled))
}
