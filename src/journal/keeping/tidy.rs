//! What the journal forgets: what is old enough, and, where space is short, what was delivered.
use std::time::Duration;

use super::store::{Removal, Store};
use crate::journal::fault::StoreError;
use crate::journal::{LastRecord, Number, Place, Remembered};
use crate::timing::Ages;

/// How many exchanges are looked at in one go, so that commits do not wait for long.
const LOOKED_AT: usize = 1024;

/// How many bytes of them: all are read, and opened, before they go.
const READ: usize = 8 * 1024 * 1024;

/// What is looked for.
#[derive(Clone, Debug)]
pub(in crate::journal) enum Goal {
    /// What was delivered or ended longer ago than the retention.
    Expired {
        /// How old what is remembered is.
        ages: Ages,
        /// `cache.retention`.
        retention: Duration,
    },
    /// Whatever may go, the oldest first.
    Space,
}

/// What was found in one go.
#[derive(Debug)]
pub(in crate::journal) struct Found {
    pub(in crate::journal) removals: Vec<Removal>,
    /// From where to go on; `None` where all was looked at.
    pub(in crate::journal) next: Option<Number>,
    /// The first that may go later; the last one, where all that was looked at is done.
    pub(in crate::journal) undone: Number,
    /// A record whose exchange is passed over, and what is wrong with it.
    pub(in crate::journal) damaged: Option<(Place, StoreError)>,
}

/// Looks for what may go, from an exchange on. One that is damaged stays, and ends the piece.
pub(in crate::journal) fn look(
    store: &Store,
    goal: &Goal,
    from: Number,
) -> Result<Found, StoreError> {
    let mut found = Found {
        removals: Vec::new(),
        next: None,
        undone: from,
        damaged: None,
    };
    let mut is_done = true;
    let (mut looked_at, mut read, removable) = (0, 0, store.space().removable());
    let walked = store.walk_records(from, |remembered, extent| {
        if looked_at == LOOKED_AT || read >= READ || found.removals.len() == removable {
            found.next = Some(remembered.number);
            return false;
        }
        looked_at += 1;
        read += extent.bytes;
        if is_done {
            found.undone = remembered.number;
            is_done = matches!(
                remembered.last_record,
                LastRecord::Delivered | LastRecord::Ended
            );
        }
        found
            .removals
            .extend(removal(&remembered, extent.records, goal));
        goal.goes_on(&remembered)
    });
    if let Err(error) = walked {
        let Some(place) = error.record() else {
            return Err(error);
        };
        found.next = place.number.0.checked_add(1).map(Number);
        found.damaged = Some((place, error));
    }
    Ok(found)
}

impl Goal {
    /// Exchanges stand in the order in which they began: behind one that began within the retention
    /// none is old enough.
    fn goes_on(&self, remembered: &Remembered) -> bool {
        match self {
            Self::Expired { ages, retention } => ages.age(remembered.submitted) > *retention,
            Self::Space => true,
        }
    }
}

/// How an exchange that stands in so many records makes space. One that runs, waits for its client or is
/// in doubt never does.
fn removal(remembered: &Remembered, records: usize, goal: &Goal) -> Option<Removal> {
    let whole = Removal::Exchange(remembered.number);
    match (&remembered.last_record, goal) {
        (LastRecord::Delivered | LastRecord::Ended, Goal::Expired { ages, retention }) => {
            (ages.age(remembered.changed) > *retention).then_some(whole)
        }
        // With an explicit key the fact stays: the same key must not pay twice.
        (LastRecord::Delivered, Goal::Space) if remembered.head.explicit => {
            let is_folded = records == 1 && remembered.answer.is_none();
            (!is_folded).then_some(Removal::Answer(remembered.number))
        }
        (LastRecord::Delivered | LastRecord::Ended, Goal::Space) => Some(whole),
        (
            LastRecord::Submitted
            | LastRecord::Accepted
            | LastRecord::Completed
            | LastRecord::InDoubt(_),
            Goal::Expired { .. } | Goal::Space,
        ) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::WrittenDoubt;
    use crate::journal::samples::remembered;
    use crate::timing::{Boot, Clock, Stamp, Stamps};

    const DAY: Duration = Duration::from_hours(24);

    const NOW: Stamp = Stamp {
        wall: 1_000_000_000,
        since_boot: 1_000_000_000,
        boot: 0,
    };

    fn expired(age: Duration, last: LastRecord) -> Option<Removal> {
        let changed = Stamp {
            since_boot: NOW.since_boot - u64::try_from(age.as_millis()).unwrap(),
            ..NOW
        };
        let boot = Boot {
            first: changed,
            last: changed,
        };
        let stamps = Stamps::new(Clock::start(), NOW);
        let goal = Goal::Expired {
            ages: Ages::new(stamps, vec![boot]),
            retention: DAY,
        };
        let remembered = Remembered {
            changed,
            ..remembered(1, last)
        };
        removal(&remembered, 4, &goal)
    }

    fn doubt() -> LastRecord {
        LastRecord::InDoubt(WrittenDoubt {
            cause: "lost".into(),
            reason: None,
        })
    }

    #[test]
    fn what_awaits_a_client_never_goes() {
        for last in [
            LastRecord::Submitted,
            LastRecord::Accepted,
            LastRecord::Completed,
            doubt(),
        ] {
            assert_eq!(expired(DAY * 9, last.clone()), None, "{last:?}");
            assert_eq!(removal(&remembered(1, last), 4, &Goal::Space), None);
        }
    }

    #[test]
    fn what_is_done_goes_after_the_retention() {
        for last in [LastRecord::Delivered, LastRecord::Ended] {
            assert_eq!(expired(DAY, last.clone()), None);
            assert_eq!(
                expired(DAY + Duration::from_millis(1), last),
                Some(Removal::Exchange(Number(1)))
            );
        }
    }

    #[test]
    fn for_space_a_fact_with_a_key_loses_its_answer_only_and_once() {
        let mut keyed = remembered(1, LastRecord::Delivered);
        keyed.head.explicit = true;
        let answer = Some(Removal::Answer(Number(1)));
        assert_eq!(removal(&keyed, 4, &Goal::Space), answer);
        assert_eq!(removal(&keyed, 1, &Goal::Space), None, "it is folded");
        keyed.head.explicit = false;
        let whole = Some(Removal::Exchange(Number(1)));
        assert_eq!(removal(&keyed, 1, &Goal::Space), whole);
        let ended = remembered(1, LastRecord::Ended);
        assert_eq!(removal(&ended, 1, &Goal::Space), whole);
    }
}
