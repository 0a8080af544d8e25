//! The watcher: it sees what was done and what truly happened, and holds the invariants.
use std::fmt::Debug;
use std::time::Duration;

use super::super::{Doubt, Outcome, Polled, Record, RecordKind, Stood};
use super::gateway::{Answer, Gateway};
use super::restart::Disk;
use crate::protocol::RequestId;
use crate::timing::Moment;

/// So long the gateway knows a key for sure; between a resubmit's record and its first byte some
/// minutes may pass.
const KEY_IS_KNOWN: Duration = Duration::from_mins(23 * 60 + 20);

#[expect(
    clippy::struct_excessive_bools,
    reason = "each tells of another event of the run"
)]
/// What was done for an exchange, and the first rule that was broken.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    violation: Option<String>,
    /// The records in order: those that are durable or failed, and the one under way.
    records: Vec<RecordKind>,
    /// The doubt that the last record of this process tells, where the machine waited for it.
    doubt: Option<Doubt>,
    under_way: bool,
    last_failed: bool,
    submits: u32,
    told_too_many: u32,
    resubmits_recorded: u32,
    outcomes: Vec<Outcome<Answer>>,
    completed: Option<Answer>,
    /// The answer that may be the result.
    candidate: Option<Answer>,
    /// Those that were none, since the task was not unknown after them, and whether that was to be recorded.
    taken_back: Vec<(Answer, bool)>,
    /// The receipt that was recorded last.
    accepted: Option<RequestId>,
    /// Since when polls have been told nothing but that the task is unknown.
    unknown_since: Option<Moment>,
    first_left: Option<Moment>,
    /// True once the operator's word that it was executed is on disk.
    is_executed: bool,
    crashed: bool,
    seal_broke: bool,
    pub(super) driver_was_lost: bool,
    pub(super) operator_spoke: bool,
    pub(super) lost_was_told: bool,
}

impl Ledger {
    pub(super) fn require(&mut self, holds: bool, rule: &str, seen: impl Debug) {
        if !holds && self.violation.is_none() {
            self.violation = Some(format!("{rule}: {seen:?}"));
        }
    }

    pub(super) fn violation(&self) -> Option<&str> {
        self.violation.as_deref()
    }

    pub(super) fn has_outcome(&self) -> bool {
        !self.outcomes.is_empty()
    }

    /// A record begins.
    pub(super) fn records(&mut self, record: &Record<Answer>) {
        let (kind, last) = (record.kind(), self.records.last().copied());
        self.require(!self.under_way, "I14 one record at a time", kind);
        self.require(
            may_follow(last, kind),
            "I14 records form a path",
            (last, kind),
        );
        if let Record::Accepted(id) = record {
            self.accepted = Some(id.clone());
        }
        match record {
            Record::Candidate(answer) => {
                // It was told again, as by a task of another receipt.
                self.taken_back.retain(|(other, _)| other != answer);
                self.candidate = Some(*answer);
            }
            Record::TakenBack => self
                .taken_back
                .iter_mut()
                .for_each(|(_, recorded)| *recorded = true),
            _ => {}
        }
        if let Record::Candidate(answer) | Record::Completed(answer) = record {
            let foreign = matches!(answer, Answer::Foreign(_) | Answer::Refusal(_));
            self.require(!foreign, "I4 no invented answer", answer);
        }
        let is_overturned = self.is_executed && kind == RecordKind::Refused;
        self.require(!is_overturned, "the operator's word is the last", kind);
        let doubt = record.doubt();
        let is_news = doubt.is_none() || doubt != self.doubt || self.operator_spoke;
        self.require(is_news, "I12 a doubt is recorded once", doubt);
        self.doubt = doubt;
        self.records.push(kind);
        self.under_way = true;
    }

    /// A record that nobody waits for.
    pub(super) fn notes(&mut self, record: &Record<Answer>) {
        self.records(record);
        (self.under_way, self.doubt) = (false, None);
    }

    /// A record is durable, or failed.
    pub(super) fn recorded(&mut self, record: &Record<Answer>, durable: bool) {
        self.under_way = false;
        self.last_failed = !durable;
        if durable && record.kind() == RecordKind::Resubmitted {
            self.resubmits_recorded += 1;
        }
        self.is_executed |= durable && *record == Record::InDoubt(Doubt::Executed);
    }

    /// The gateway says something of the task, and not that it is unknown.
    pub(super) fn is_not_gone(&mut self) {
        let candidate = self.candidate.take();
        self.taken_back
            .extend(candidate.map(|answer| (answer, false)));
    }

    /// A poll brought that, or nothing whole.
    pub(super) fn polled(&mut self, told: Option<&Polled<Answer>>, now: Moment) {
        self.unknown_since = match told {
            Some(Polled::Unknown) => self.unknown_since.or(Some(now)),
            Some(_) | None => None,
        };
    }

    /// The task is believed to be unknown.
    pub(super) fn believes_unknown(&mut self, grace: Duration, now: Moment) {
        let has_lasted = self
            .unknown_since
            .is_some_and(|since| now.since(since) >= grace);
        self.require(has_lasted, "unknown is believed when it has lasted", now);
    }

    /// The process ends: what was not written has never been.
    pub(super) fn crashes(&mut self, disk: &Disk) {
        self.crashed = true;
        self.unknown_since = None;
        self.records = disk.kinds();
        (self.under_way, self.last_failed, self.doubt) = (false, false, None);
        let resubmits = self.records.iter();
        let resubmits = resubmits.filter(|kind| **kind == RecordKind::Resubmitted);
        self.resubmits_recorded = u32::try_from(resubmits.count()).unwrap();
        // A late receipt takes the exchange on from a doubt, and from what was told of it.
        self.lost_was_told = false;
        self.accepted = disk.accepted();
        self.completed = disk.completed().filter(|_| !self.seal_broke);
        self.candidate = disk.candidate();
        // That it was none was recorded too late.
        let is_back = |(answer, recorded): &(_, _)| *recorded && self.candidate == Some(*answer);
        self.taken_back.retain(|it| !is_back(it));
        self.outcomes.clear();
    }

    /// What the next process knows of the exchange: a doubt is told to whoever asks.
    pub(super) fn restarts(&mut self, stood: Stood) {
        if let Stood::InDoubt(doubt) = stood {
            self.outcomes.push(Outcome::InDoubt(doubt));
            // It may have no record of its own: the last one is read as a doubt.
            self.records.push(RecordKind::InDoubt);
        }
    }

    /// What was kept is lost.
    pub(super) fn seal_breaks(&mut self) {
        self.seal_broke = true;
        self.completed = None;
    }

    /// Another exchange begins for the same request.
    pub(super) fn begins_again(&mut self) {
        self.require(
            self.submits == 0,
            "I1 no other exchange while one may have been sent",
            self.submits,
        );
        self.records.clear();
    }

    /// True where submits are under way that the machine cannot know of.
    pub(super) const fn lost_count(&self) -> bool {
        self.driver_was_lost || self.crashed
    }

    /// The gateway is asked what became of it.
    pub(super) fn asks(&mut self) {
        self.require(!self.is_executed, "the operator's word is the last", ());
    }

    /// The driver dies: whether the record under way is durable nobody says.
    pub(super) fn driver_lost(&mut self) {
        self.driver_was_lost = true;
        if self.under_way && self.records.last() != Some(&RecordKind::Closed) {
            self.records.pop();
        }
        self.under_way = false;
    }

    pub(super) fn connects(&mut self, draining: bool) {
        let last = self.records.last().copied();
        let intent = matches!(last, Some(RecordKind::Submitted | RecordKind::Resubmitted));
        let durable = intent && !self.under_way && !self.last_failed;
        self.require(durable, "I10 the intent is durable before a submit", last);
        self.require(!draining, "I11 no new submit while draining", last);
        self.asks();
    }

    /// The first byte of a submit leaves.
    pub(super) fn hands_over(&mut self, allowed: u32, now: Moment) {
        self.submits += 1;
        let first = *self.first_left.get_or_insert(now);
        self.require(
            now.since(first) < KEY_IS_KNOWN,
            "I1 no submit once its key may be forgotten",
            now,
        );
        let may_charge = self.submits - self.told_too_many;
        let repeats = self.resubmits_recorded.min(allowed);
        self.require(
            may_charge <= 1 + repeats,
            "I1 one submit that may charge",
            may_charge,
        );
    }

    pub(super) fn told_too_many(&mut self) {
        self.told_too_many += 1;
    }

    pub(super) fn charged(&mut self, gateway: &Gateway) {
        self.require(gateway.charges() <= 1, "I1 one charge", gateway.charges());
    }

    /// A poll leaves at `now` and ends at `ends` at the latest.
    pub(super) fn polls(&mut self, under_way: bool, ends: Moment, drained: Option<Moment>) {
        self.require(!under_way, "I6 one poll at a time", ends);
        self.require(
            !self.under_way,
            "I6 no poll before the Soft answer is durable",
            ends,
        );
        let result = self.records.contains(&RecordKind::Completed) && !self.driver_was_lost;
        self.require(!result, "I6 no poll after the result", ends);
        let fits = drained.is_none_or(|until| ends <= until);
        self.require(fits, "I11 a poll ends before the drain", (ends, drained));
    }

    /// The exchange has an outcome.
    pub(super) fn finishes(&mut self, outcome: &Outcome<Answer>, gateway: &Gateway) {
        let last = self.records.last().copied();
        let after = match outcome {
            Outcome::Completed(_) => last == Some(RecordKind::Completed),
            Outcome::Refused(_) => last == Some(RecordKind::Refused),
            Outcome::Expired => last == Some(RecordKind::Closed),
            Outcome::NotSubmitted(_) => {
                let failed = last == Some(RecordKind::Submitted) && self.last_failed;
                last == Some(RecordKind::Withdrawn) || failed || self.driver_was_lost
            }
            Outcome::InDoubt(_) => {
                let failed = last == Some(RecordKind::Resubmitted) && self.last_failed;
                last == Some(RecordKind::InDoubt) || failed || self.driver_was_lost
            }
        };
        self.require(
            after && !self.under_way,
            "record before Finish",
            (outcome, last),
        );
        self.verdict_is_true(outcome, gateway);
        if matches!(outcome, Outcome::InDoubt(_)) && last != Some(RecordKind::InDoubt) {
            // It has no record of its own: a restart would read the last one as a doubt.
            self.records.push(RecordKind::InDoubt);
        }
        self.outcomes.push(outcome.clone());
    }

    fn verdict_is_true(&mut self, outcome: &Outcome<Answer>, gateway: &Gateway) {
        match outcome {
            Outcome::Completed(answer) => {
                let is_ours = gateway.gave(*answer) && !matches!(answer, Answer::Refusal(_));
                self.require(is_ours, "I4 no invented answer", outcome);
                let stands = self.taken_back.iter().all(|(other, _)| other != answer);
                self.require(
                    stands,
                    "I4 no answer after which the task was not unknown",
                    outcome,
                );
                let same = self.completed.is_none_or(|before| before == *answer);
                self.require(same, "I5 the same answer", outcome);
                self.completed = Some(*answer);
            }
            Outcome::Refused(answer) => {
                let refused = gateway.gave(*answer) && matches!(answer, Answer::Refusal(_));
                self.require(refused, "I4 no invented refusal", outcome);
                self.require(gateway.charges() == 0, "a refusal means no charge", outcome);
            }
            Outcome::NotSubmitted(_) => {
                self.require(
                    self.submits == 0,
                    "I2 not submitted means no byte left",
                    outcome,
                );
            }
            Outcome::InDoubt(_) => {
                // After a crash nobody knows whether one left.
                let may_have_left = self.submits > 0 || self.crashed;
                self.require(may_have_left, "in doubt only if a byte left", outcome);
                self.require(self.completed.is_none(), "I5 the same answer", outcome);
            }
            Outcome::Expired => {}
        }
    }

    /// I3: an accepted task ends in its own answer, unless something destroyed it on the way or
    /// took the exchange out of the machine's hands.
    pub(super) fn keeps_promise(
        &mut self,
        gateway: &Gateway,
        elsewhere: Option<&(RequestId, Answer)>,
        drained: bool,
    ) {
        let accepted = self.accepted.as_ref();
        // However late another exchange was given it.
        let at_hand = elsewhere.filter(|(id, _)| accepted == Some(id));
        let result = accepted.and_then(|id| gateway.result_of(id));
        let result = result.or(at_hand.map(|(_, answer)| *answer));
        // Nobody came for it in time.
        let expired = self.records.contains(&RecordKind::Closed);
        let fault = self.driver_was_lost || self.seal_broke;
        let out_of_hands = drained || self.operator_spoke || expired || fault;
        if result.is_some() && !out_of_hands {
            let ends_in_it = self.completed == result;
            self.require(
                ends_in_it,
                "I3 an accepted task ends in its answer",
                self.completed,
            );
        }
    }
}

/// I14: the path that the records of an exchange form.
fn may_follow(last: Option<RecordKind>, next: RecordKind) -> bool {
    use RecordKind::{
        Accepted, Candidate, Closed, Completed, Delivered, InDoubt, Refused, Resubmitted,
        Submitted, TakenBack, Withdrawn,
    };
    let allowed: &[RecordKind] = match last {
        // A driver that is lost with its intent under way withdraws it, wherever the intent is.
        None => &[Submitted, Withdrawn],
        Some(Submitted) => &[
            Resubmitted,
            Accepted,
            Completed,
            InDoubt,
            Withdrawn,
            Refused,
        ],
        Some(Resubmitted) => &[Resubmitted, Accepted, Completed, InDoubt, Refused],
        Some(Accepted | Candidate | TakenBack) => &[
            Resubmitted,
            Accepted,
            Candidate,
            TakenBack,
            Completed,
            InDoubt,
            Closed,
        ],
        // In doubt if the seal does not open after a restart.
        Some(Completed) => &[Delivered, Closed, InDoubt],
        Some(InDoubt) => &[Resubmitted, Accepted, Completed, InDoubt, Refused, Closed],
        Some(Delivered) => &[Closed],
        Some(Withdrawn | Refused | Closed) => &[],
    };
    allowed.contains(&next)
}
