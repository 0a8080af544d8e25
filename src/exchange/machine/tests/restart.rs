//! The end of a process at any moment, what the disk then holds, and how the next one begins.
use super::super::{Begun, Doubt, Event, Machine, Record, RecordKind, Restored, State, Stood};
use super::gateway::{Answer, Reading};
use super::mutants::Mutant;
use super::world::{HOLD, Submit, World};
use crate::protocol::RequestId;
use crate::timing::Moment;

/// What is on disk, record by record, and what is still to be written: lazily, or once the disk
/// takes it again.
#[derive(Debug, Default)]
pub(super) struct Disk {
    records: Vec<(Record<Answer>, Moment)>,
    owed: Vec<(Record<Answer>, Moment)>,
}

/// What is read from it, and the answer that stands there under a seal.
type Remembered = (Restored, Option<Answer>);

impl Disk {
    /// Writes a record, after those that are owed.
    pub(super) fn write(&mut self, record: Record<Answer>, now: Moment) {
        self.write_owed();
        self.records.push((record, now));
    }

    /// A record that is written some time later, if the process lives until then.
    pub(super) fn owe(&mut self, record: Record<Answer>, now: Moment) {
        self.owed.push((record, now));
    }

    fn write_owed(&mut self) {
        self.records.append(&mut self.owed);
    }

    fn all(&self) -> impl DoubleEndedIterator<Item = &Record<Answer>> {
        self.records.iter().map(|(record, _)| record)
    }

    pub(super) fn kinds(&self) -> Vec<RecordKind> {
        self.all().map(Record::kind).collect()
    }

    /// The receipt that was recorded last.
    pub(super) fn accepted(&self) -> Option<RequestId> {
        self.all().rev().find_map(|record| match record {
            Record::Accepted(id) => Some(id.clone()),
            _ => None,
        })
    }

    /// The result that was recorded last.
    pub(super) fn completed(&self) -> Option<Answer> {
        self.all().rev().find_map(|record| match record {
            Record::Completed(answer) => Some(*answer),
            _ => None,
        })
    }

    /// The answer that may be the result, if no result came after it, and nothing that says that it is none.
    pub(super) fn candidate(&self) -> Option<Answer> {
        let (mut task, mut candidate) = (None, None);
        for record in self.all() {
            match record {
                Record::Accepted(id) => {
                    candidate = candidate.filter(|_| task == Some(id));
                    task = Some(id);
                }
                Record::Candidate(answer) => candidate = Some(*answer),
                Record::TakenBack | Record::Completed(_) => candidate = None,
                _ => {}
            }
        }
        candidate
    }

    /// The exchange as its records tell of it; `None` where nothing is loaded.
    fn remembered(&self, explicit_key: bool, has_tracking_id: bool) -> Option<Remembered> {
        let ((_, first), (last, changed)) = (self.records.first()?, self.records.last()?);
        let (stood, sealed) = match last {
            Record::Submitted | Record::Resubmitted(_) => {
                (Stood::InDoubt(Doubt::Restart), self.candidate())
            }
            Record::InDoubt(doubt) => (Stood::InDoubt(*doubt), self.candidate()),
            Record::Accepted(_) | Record::Candidate(_) | Record::TakenBack => {
                (Stood::Accepted, self.candidate())
            }
            Record::Completed(answer) => (Stood::Completed, Some(*answer)),
            Record::Delivered | Record::Withdrawn(_) | Record::Refused(_) | Record::Closed(_) => {
                return None;
            }
        };
        let resubmits = self.kinds().into_iter();
        let resubmits = resubmits.filter(|kind| *kind == RecordKind::Resubmitted);
        let restored = Restored {
            explicit_key,
            has_tracking_id,
            submitted_at: *first,
            remembered_since: *first,
            changed_at: *changed,
            age_is_sure: true,
            resubmits: u32::try_from(resubmits.count()).unwrap(),
            ruled: self.all().find_map(|record| match record {
                Record::InDoubt(Doubt::Executed) => Some(Doubt::Executed),
                _ => None,
            }),
            ticket: self.accepted(),
            stood,
        };
        Some((restored, sealed))
    }
}

impl World {
    /// The process ends at once, and another one begins. What was on its way to the disk is there,
    /// or it is not; what was on its way from the gateway nobody hears.
    pub(super) fn crash(&mut self, is_written: bool) {
        self.crashes -= 1;
        self.lose_memory(is_written);
        let plan = (self.explicit_key, self.tracking_id);
        let remembered = self.disk.remembered(plan.0, plan.1);
        match remembered.and_then(|it| self.mutant.recovers(it)) {
            Some((restored, sealed)) => {
                self.ledger.restarts(restored.stood);
                let (terms, now) = (self.machine.terms.clone(), self.now);
                self.machine = Machine::restored(terms, restored, now, 7);
                self.machine.most_resubmits = self.stated_resubmits;
                self.mutant.restores(&mut self.machine, now);
                self.sealed = sealed;
            }
            None => self.begin_again(),
        }
        self.trace(|world| format!("  restarted: {:?}", world.machine.state()));
    }

    /// True if the process has come to its end by a drain, and another one begins.
    pub(super) fn starts_again(&mut self) -> bool {
        let again = self.is_over() && self.crashes > 0;
        if again {
            self.trace(|_| "the next process begins".to_owned());
            self.crash(true);
        }
        again
    }

    fn lose_memory(&mut self, is_written: bool) {
        let under_way = self.record.take();
        let unwritten = under_way
            .iter()
            .chain(self.disk.owed.iter().map(|it| &it.0));
        let holds_answer =
            |record: &Record<Answer>| matches!(record, Record::Candidate(_) | Record::Completed(_));
        let is_lost = !is_written && unwritten.into_iter().any(holds_answer);
        let has_its_own = matches!(
            self.machine.state(),
            State::Undelivered | State::Delivered | State::Ended
        );
        // What another exchange has on disk is not looked for by one that gave the task up.
        let is_overlooked = self.read_elsewhere.take().is_some() && !has_its_own;
        if is_overlooked || is_lost {
            self.gateway.lose_what_was_read();
        }
        if is_written {
            self.disk.write_owed();
            if let Some(record) = under_way {
                self.disk.write(record, self.now);
            }
        }
        self.disk.owed.clear();
        if let Some(poll) = self.poll.take().filter(|_| is_written) {
            self.gateway.poll(&poll.id, Reading::Cut, self.now);
        }
        self.ledger.crashes(&self.disk);
        (self.connecting, self.looking, self.reader) = (false, false, false);
        (self.body, self.credentials) = (false, false);
        (self.sealed, self.drained) = (None, None);
        self.waiters.clear();
        self.submits
            .retain(|submit| matches!(submit, Submit::OnItsWay | Submit::Orphan));
        self.submits.fill(Submit::Orphan);
    }

    /// Nothing is loaded: the exchange has ended, or its intent is not on disk, and the client's
    /// repeat begins another.
    fn begin_again(&mut self) {
        use RecordKind::{Closed, Delivered, Refused};
        let last = self.disk.kinds().last().copied();
        if matches!(last, Some(Delivered | Refused | Closed)) {
            self.machine.state = State::Ended;
            return;
        }
        self.disk = Disk::default();
        self.ledger.begins_again();
        let hold_until = self.now + HOLD;
        (self.body, self.credentials) = (true, true);
        (self.began_at, self.joined_at) = (self.now, self.now);
        self.waiters.push(hold_until);
        let (machine, actions) = Machine::start(
            self.machine.terms.clone(),
            Begun {
                explicit_key: self.explicit_key,
                has_tracking_id: self.tracking_id,
                read_at: self.now,
                hold_until,
            },
            7,
        );
        self.machine = machine;
        self.machine.most_resubmits = self.stated_resubmits;
        self.act(actions);
    }

    /// A repeat's credentials open what stands on disk, before the repeat is let in.
    pub(super) fn open_what_is_kept(&mut self) {
        let opens = matches!(
            self.machine.state(),
            State::Waiting | State::Undelivered | State::Doubtful
        );
        let sealed = if opens { self.sealed.take() } else { None };
        match sealed {
            Some(_) if self.seal_is_broken => {
                self.ledger.seal_breaks();
                self.tell(Event::SealBroken);
            }
            Some(answer) => self.tell(Event::Opened(answer)),
            None => {}
        }
    }
}

impl Mutant {
    /// What the tampered recovery makes of what is remembered.
    fn recovers(self, (mut restored, mut sealed): Remembered) -> Option<Remembered> {
        let stood = restored.stood;
        if self == Self::ForgetsSubmits && stood == Stood::InDoubt(Doubt::Restart) {
            return None;
        }
        if self == Self::PollsAfterResult && stood == Stood::Completed {
            restored.stood = Stood::Accepted;
        }
        if self == Self::ForgetsVerdict && stood == Stood::InDoubt(Doubt::Executed) {
            restored.stood = Stood::InDoubt(Doubt::Restart);
            restored.ruled = None;
        }
        if self == Self::ForgetsResubmits {
            restored.resubmits = 0;
        }
        if self == Self::ForgetsSoftAnswer && stood == Stood::Accepted {
            sealed = None;
        }
        Some((restored, sealed))
    }

    /// What the tampered recovery makes of the machine.
    fn restores(self, machine: &mut Machine<Answer>, now: Moment) {
        if self == Self::ForgetsLoss {
            machine.lost = false;
        }
        if self == Self::ForgetsAge {
            machine.first_sent = Some(now);
        }
    }
}
