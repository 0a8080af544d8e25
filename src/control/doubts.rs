//! Which exchanges are in doubt though no record says so: what a process left that was killed.
use std::collections::HashMap;

use uuid::Uuid;

use crate::exchange::machine::Doubt;
use crate::exchange::{Flights, Group};
use crate::journal::{Remembered, Standing};

/// What is known of doubts beside the records.
pub(super) enum Doubts {
    /// No process has the exchanges, and so none waits for the answer to a submit.
    Unattended,
    /// What this process holds in doubt.
    Held(HashMap<Uuid, Doubt>),
}

impl Doubts {
    /// Of the process that has these flights, or of none.
    pub(super) fn of(flights: Option<&Flights>) -> Self {
        let Some(flights) = flights else {
            return Self::Unattended;
        };
        let all = flights.all();
        let doubtful = all
            .iter()
            .filter(|flight| matches!(flight.glance().group, Group::InDoubt | Group::Settled));
        Self::Held(
            doubtful
                .map(|flight| (flight.id(), flight.standing().1.unwrap_or(Doubt::Restart)))
                .collect(),
        )
    }

    /// Why an exchange is in doubt of which the records tell another thing.
    pub(super) fn beside(&self, exchange: &Remembered) -> Option<Doubt> {
        let held = match self {
            Self::Unattended => None,
            Self::Held(held) => held.get(&exchange.head.exchange).copied(),
        };
        match exchange.standing {
            Standing::Submitted => match self {
                Self::Unattended => Some(Doubt::Restart),
                Self::Held(_) => held,
            },
            // These records may be newer than what was held, unless nobody will ever ask again.
            Standing::Accepted | Standing::Completed => {
                held.filter(|doubt| doubt.is_settled() || *doubt == Doubt::SealBroken)
            }
            Standing::InDoubt(_) | Standing::Delivered | Standing::Ended => None,
        }
    }
}
