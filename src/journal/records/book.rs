//! The entries of one exchange, folded to what is remembered of it.
//!
//! The records of an exchange are a path of the machine. Which record may follow which is told here
//! in the journal's own words, so that a record that is missing or foreign is found.
use crate::journal::{Change, Entry, LastRecord, Place, Remembered};

/// Entries that no exchange can have written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::journal) enum Broken {
    /// The first entry is not the one that says which exchange it is.
    #[error("exchange {} does not begin with its submit", .0.number.0)]
    NoHead(Place),
    /// An entry cannot follow the one before it.
    #[error("entry {} of exchange {} cannot follow the one before it", .0.step, .0.number.0)]
    NoPath(Place),
}

impl Broken {
    pub(in crate::journal) const fn place(self) -> Place {
        match self {
            Self::NoHead(place) | Self::NoPath(place) => place,
        }
    }
}

/// One exchange, entry by entry.
#[derive(Clone, Debug)]
pub(in crate::journal) struct Book {
    remembered: Remembered,
    /// How it ended, if it has.
    end: Option<End>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Nothing follows.
    Closed,
    /// The gateway refused it. Where the driver was lost with this record under way, the exchange
    /// went on as one in doubt.
    Refused,
}

impl Book {
    /// Begins with an exchange's first entry.
    pub(in crate::journal) fn begin(entry: Entry) -> Result<Self, Broken> {
        let Change::Submitted(head) = entry.change else {
            return Err(Broken::NoHead(entry.place));
        };
        if entry.place.step != 0 {
            return Err(Broken::NoHead(entry.place));
        }
        let remembered = Remembered {
            number: entry.place.number,
            next_step: 1,
            head: *head,
            submitted: entry.stamp,
            changed: entry.stamp,
            last_record: LastRecord::Submitted,
            resubmits: 0,
            ticket: None,
            candidate: None,
            answer: None,
            ruled: None,
            closed_because: None,
        };
        Ok(Self {
            remembered,
            end: None,
        })
    }

    /// What is remembered so far.
    pub(in crate::journal) const fn so_far(&self) -> &Remembered {
        &self.remembered
    }

    /// What is remembered in the end.
    pub(in crate::journal) fn close(self) -> Remembered {
        self.remembered
    }

    /// Takes the next entry of the same exchange. Steps may be missing: a soft answer that another
    /// took the place of is removed.
    pub(in crate::journal) fn follow(&mut self, entry: Entry) -> Result<(), Broken> {
        let place = entry.place;
        let remembered = &mut self.remembered;
        let is_next = place.number == remembered.number && place.step >= remembered.next_step;
        if !is_next || !may_follow(remembered, self.end, &entry.change) {
            return Err(Broken::NoPath(place));
        }
        remembered.next_step = place.step.saturating_add(1);
        remembered.changed = entry.stamp;
        match entry.change {
            // A path has one; `may_follow` refuses another.
            Change::Submitted(_) => {}
            Change::Resubmitted(which) => {
                remembered.resubmits = which.max(remembered.resubmits);
                remembered.last_record = LastRecord::Submitted;
            }
            Change::Accepted(task) => {
                // What was told of another task says nothing of this one.
                if remembered.ticket.as_ref() != Some(&task) {
                    remembered.candidate = None;
                }
                remembered.ticket = Some(task);
                remembered.last_record = LastRecord::Accepted;
            }
            Change::Candidate(answer) => {
                remembered.candidate = answer.map(|_| place);
                remembered.last_record = LastRecord::Accepted;
            }
            Change::Completed(answer) => {
                remembered.candidate = None;
                remembered.answer = answer.map(|_| place);
                remembered.last_record = LastRecord::Completed;
            }
            Change::Delivered => remembered.last_record = LastRecord::Delivered,
            Change::InDoubt(doubt) => {
                if doubt.reason.is_some() {
                    remembered.ruled = Some(doubt.clone());
                }
                remembered.last_record = LastRecord::InDoubt(doubt);
            }
            Change::Withdrawn => {
                remembered.last_record = LastRecord::Ended;
                self.end = Some(End::Closed);
            }
            Change::Closed(reason) => {
                remembered.closed_because = reason;
                remembered.last_record = LastRecord::Ended;
                self.end = Some(End::Closed);
            }
            Change::Refused => {
                remembered.last_record = LastRecord::Ended;
                self.end = Some(End::Refused);
            }
        }
        Ok(())
    }
}

/// Which record may come next: what the machine of `exchange` writes, and a panic of the driver at any
/// record, after which the exchange goes on as one in doubt.
fn may_follow(so_far: &Remembered, end: Option<End>, next: &Change) -> bool {
    if end == Some(End::Closed) {
        return false;
    }
    let last = &so_far.last_record;
    match next {
        Change::Submitted(_) => false,
        // Only a submit of which no byte left is withdrawn, and the first entry is all it has.
        Change::Withdrawn => *last == LastRecord::Submitted && so_far.resubmits == 0,
        // The gateway's refusal counts only where no task is known.
        Change::Refused => {
            so_far.ticket.is_none()
                && matches!(last, LastRecord::Submitted | LastRecord::InDoubt(_))
        }
        // A soft answer is one to a poll, and a poll has a task.
        Change::Candidate(_) => so_far.ticket.is_some() && is_open(last),
        Change::Delivered => *last == LastRecord::Completed,
        Change::Resubmitted(_)
        | Change::Accepted(_)
        | Change::Completed(_)
        | Change::InDoubt(_) => *last != LastRecord::Delivered,
        Change::Closed(_) => true,
    }
}

const fn is_open(last: &LastRecord) -> bool {
    match last {
        LastRecord::Submitted | LastRecord::Accepted | LastRecord::InDoubt(_) => true,
        LastRecord::Completed | LastRecord::Delivered | LastRecord::Ended => false,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::journal::samples::{entry, head};
    use crate::journal::{Number, Sealed, WrittenDoubt};

    fn sealed() -> Sealed {
        Sealed(Bytes::from_static(b"sealed"))
    }

    fn submitted() -> Change {
        Change::Submitted(Box::new(head(1)))
    }

    fn doubt() -> Change {
        Change::InDoubt(WrittenDoubt {
            cause: "lost".into(),
            reason: None,
        })
    }

    fn fold(changes: &[(u32, Change)]) -> Result<Remembered, Broken> {
        let mut entries = changes
            .iter()
            .map(|(step, change)| entry(7, *step, change.clone()));
        let mut book = Book::begin(entries.next().unwrap())?;
        for entry in entries {
            book.follow(entry)?;
        }
        Ok(book.close())
    }

    #[test]
    fn a_payment_is_remembered_where_it_stood() {
        let path = [
            (0, submitted()),
            (1, Change::Accepted("task".into())),
            (2, Change::Candidate(Some(sealed()))),
            (4, Change::Candidate(Some(sealed()))),
            (5, Change::Completed(Some(sealed()))),
            (6, Change::Delivered),
        ];
        let place = |step| Place {
            number: Number(7),
            step,
        };
        let soft = fold(&path[..4]).unwrap();
        assert_eq!(soft.last_record, LastRecord::Accepted);
        assert_eq!((soft.candidate, soft.answer), (Some(place(4)), None));
        let mut runs = path[..4].to_vec();
        runs.push((5, Change::Candidate(None)));
        assert_eq!(fold(&runs).unwrap().candidate, None);
        let all = fold(&path).unwrap();
        assert_eq!(all.last_record, LastRecord::Delivered);
        assert_eq!((all.candidate, all.answer), (None, Some(place(5))));
        assert_eq!((all.next_step, all.ticket.as_deref()), (7, Some("task")));
    }

    #[test]
    fn a_soft_answer_of_one_task_is_none_of_another() {
        let path = |next: &str| {
            let accepted = |task: &str| Change::Accepted(task.into());
            let candidate = Change::Candidate(Some(sealed()));
            let steps = [submitted(), accepted("task"), candidate, accepted(next)];
            let path: Vec<_> = (0..).zip(steps).collect();
            fold(&path).unwrap()
        };
        assert!(path("task").candidate.is_some());
        assert_eq!(path("another").candidate, None);
    }

    #[test]
    fn a_doubt_may_end_in_any_way() {
        for end in [
            Change::Completed(None),
            Change::Refused,
            Change::Closed(Some("not executed".into())),
            Change::Accepted("late".into()),
        ] {
            fold(&[(0, submitted()), (1, doubt()), (2, end)]).unwrap();
        }
        let resubmitted = fold(&[(0, submitted()), (1, doubt()), (2, Change::Resubmitted(1))]);
        assert_eq!(resubmitted.unwrap().resubmits, 1);
    }

    #[test]
    fn what_no_exchange_writes_is_found() {
        let accepted = || Change::Accepted("task".into());
        let done = || Change::Completed(None);
        for (path, at) in [
            (vec![(0, submitted()), (1, submitted())], 1),
            (vec![(0, submitted()), (0, accepted())], 0),
            (vec![(0, submitted()), (1, Change::Delivered)], 1),
            (
                vec![(0, submitted()), (1, Change::Candidate(Some(sealed())))],
                1,
            ),
            (
                vec![(0, submitted()), (1, accepted()), (2, Change::Withdrawn)],
                2,
            ),
            (
                vec![(0, submitted()), (1, accepted()), (2, Change::Refused)],
                2,
            ),
            (
                vec![(0, submitted()), (1, Change::Withdrawn), (2, accepted())],
                2,
            ),
            (
                vec![
                    (0, submitted()),
                    (1, done()),
                    (2, Change::Delivered),
                    (3, doubt()),
                ],
                3,
            ),
            (
                vec![(0, submitted()), (1, Change::Closed(None)), (2, done())],
                2,
            ),
            (vec![(0, submitted()), (2, accepted()), (1, done())], 1),
        ] {
            assert_eq!(
                fold(&path).err(),
                Some(Broken::NoPath(Place {
                    number: Number(7),
                    step: at
                })),
                "{path:?}"
            );
        }
        for first in [(1, submitted()), (0, Change::Delivered)] {
            assert!(matches!(fold(&[first]), Err(Broken::NoHead(_))));
        }
    }

    #[test]
    fn a_panic_at_a_record_leaves_a_path() {
        for first in [Change::Completed(None), Change::Refused] {
            let path = [(0, submitted()), (1, first), (2, doubt())];
            let remembered = fold(&path).unwrap();
            assert!(matches!(remembered.last_record, LastRecord::InDoubt(_)));
        }
    }
}
