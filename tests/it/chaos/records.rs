//! The judges of the journal and of the ends of processes: what was durable when, and what a crash
//! explains.
use std::collections::{BTreeMap, BTreeSet};

use holdline::exchange::machine::RecordKind;
use holdline::timing::Moment;
use uuid::Uuid;

use super::judge::{Evidence, is_clear};
use super::wire::{Answer, Call};
use crate::simulated::journal::Entry;
use crate::simulated::world::Reply;

impl Evidence {
    /// True if a process ended from one moment to another.
    pub(super) fn died_between(&self, from: Moment, to: Moment) -> bool {
        let mut endings = self.endings.iter();
        endings.any(|ending| from <= ending.at && ending.at <= to)
    }

    fn records_of(&self, exchange: Uuid) -> impl Iterator<Item = &Entry> {
        let mine = move |entry: &&Entry| entry.exchange == exchange;
        self.journal.iter().filter(mine)
    }

    /// A doubt has a cause: a submit without a clear answer, a task that became unknown before its
    /// answer was kept, a panic, or the end of a process in between.
    pub(super) fn doubts(&self) -> Vec<String> {
        let unjustified = self.told.iter().filter_map(|told| {
            let Some(Reply::InDoubt(doubt)) = &told.reply else {
                return None;
            };
            let (exchange, key) = told.flight.as_ref()?;
            let justified = self.records_of(*exchange).any(|entry| entry.panicked)
                || self.submits_of(key).any(|call| !is_clear(call))
                || self.polls_of(key).any(|call| self.is_loss(call, *exchange))
                || self.died_after_submit(*exchange, told.at);
            (!justified).then(|| format!("{exchange} ({key}): {doubt:?}"))
        });
        unjustified.collect()
    }

    /// A poll that was told that there is no such task, and no answer to an earlier one is durable
    /// that could be the result.
    fn is_loss(&self, poll: &Call, exchange: Uuid) -> bool {
        let is_unknown = poll.answer.as_ref().is_some_and(Answer::is_unknown);
        let is_kept = |entry: &Entry| {
            let may_be_it = matches!(entry.kind, RecordKind::Candidate | RecordKind::Completed);
            may_be_it && entry.durable_at.is_some_and(|durable| durable <= poll.at)
        };
        is_unknown && !self.records_of(exchange).any(is_kept)
    }

    /// True if a process ended after the intent, or the repeat of the submit, may have been durable,
    /// and before what came of it was.
    fn died_after_submit(&self, exchange: Uuid, told: Moment) -> bool {
        let opens =
            |entry: &&Entry| matches!(entry.kind, RecordKind::Submitted | RecordKind::Resubmitted);
        let mut opened = self.records_of(exchange).filter(opens);
        opened.any(|open| {
            let settles = |entry: &&Entry| {
                let settles = matches!(entry.kind, RecordKind::Accepted | RecordKind::Completed);
                settles && entry.asked_at >= open.asked_at
            };
            let settled = self.records_of(exchange).filter(settles);
            let durable = settled.filter_map(|entry| entry.durable_at).min();
            self.died_between(
                open.asked_at,
                durable.map_or(told, |durable| durable.min(told)),
            )
        })
    }

    /// I6: one `GET` at a time, and none after the result; a process that ended may have taken an
    /// answer along that was not durable.
    pub(super) fn gets(&self) -> Vec<String> {
        let mut found = Vec::new();
        for task in &self.ledger.tasks {
            let pairs = task.polls.windows(2);
            let renewed = pairs.filter(|pair| self.died_between(pair[0].at, pair[1].at));
            let excused = u32::try_from(renewed.count()).unwrap_or(u32::MAX);
            if task.overlapping_polls > excused {
                let (task, count) = (&task.request_id, task.overlapping_polls);
                found.push(format!("{task}: {count} at once"));
            }
        }
        let mut done: BTreeMap<&str, Moment> = BTreeMap::new();
        for call in &self.calls {
            let Some(task) = call.polled() else { continue };
            if let Some(since) = done.get(task)
                && (!self.died_between(*since, call.at) || self.was_kept(task, *since, call.at))
            {
                found.push(format!("{task}: polled again at {:?}", call.at));
            }
            let answer = call.answer.as_ref().filter(|answer| answer.status == 200);
            if let Some(answer) = answer
                && answer.json().get("transaction").is_some()
            {
                done.insert(task, answer.at);
            }
        }
        found
    }

    /// True if the disk refused an exchange's result, and the process that had it in memory ended.
    pub(super) fn was_lost(&self, exchange: Uuid, from: Moment, to: Moment) -> bool {
        let refused = |entry: &Entry| entry.kind == RecordKind::Completed && entry.failed;
        self.died_between(from, to) && self.records_of(exchange).any(refused)
    }

    /// True if the result of a task was durable before the first process ended after it came.
    fn was_kept(&self, task: &str, since: Moment, until: Moment) -> bool {
        let keys: BTreeSet<&str> = self
            .calls
            .iter()
            .filter(|call| call.task().as_deref() == Some(task))
            .map(|call| &*call.key)
            .collect();
        let exchanges = self.exchanges().into_iter();
        let mine = exchanges.filter(|(_, key)| keys.contains(key));
        let mut entries = mine.flat_map(|(exchange, _)| self.records_of(exchange));
        entries.any(|entry| {
            let durable = entry
                .durable_at
                .filter(|durable| (since..until).contains(durable));
            entry.kind == RecordKind::Completed
                && durable.is_some_and(|durable| !self.died_between(since, durable))
        })
    }

    /// I10: no byte of a submit before its intent is durable.
    pub(super) fn early_submits(&self) -> Vec<String> {
        let exchanges = self.exchanges();
        let durable = |key: &str| {
            let mine = |entry: &&Entry| {
                entry.kind == RecordKind::Submitted
                    && exchanges
                        .get(&entry.exchange)
                        .is_some_and(|other| *other == key)
            };
            self.journal
                .iter()
                .filter(mine)
                .filter_map(|entry| entry.durable_at)
                .min()
        };
        let known: BTreeSet<&str> = exchanges.values().copied().collect();
        let early = known.into_iter().filter_map(|key| {
            let first = self.submits_of(key).next()?;
            let is_early = durable(key).is_none_or(|durable| first.at < durable);
            is_early.then(|| format!("{key}: submitted at {:?}", first.at))
        });
        early.collect()
    }

    /// I6: no poll while an answer that may be the result is on its way to the disk.
    pub(super) fn early_polls(&self) -> Vec<String> {
        let exchanges = self.exchanges();
        let candidates = self
            .journal
            .iter()
            .filter(|entry| entry.kind == RecordKind::Candidate);
        let early = candidates.filter_map(|entry| {
            // Of two that have the same task each keeps the answer for itself.
            let key = exchanges
                .get(&entry.exchange)
                .filter(|key| !self.is_shared(key))?;
            // One that failed is owed, and the exchange goes on from memory. One whose driver was lost
            // over it is waited for by nobody: its exchange is in doubt, and what asks then asks anew.
            let is_awaited = !entry.failed && !entry.panicked;
            let durable = entry.durable_at.filter(|_| is_awaited)?;
            let mut polls = self.polls_of(key);
            let early = polls.find(|call| entry.asked_at < call.at && call.at < durable)?;
            Some(format!("{key}: polled at {:?}", early.at))
        });
        early.collect()
    }

    /// I14: the records of an exchange are a path of the machine. One that failed is owed, and is
    /// written later or lost with its process; one that was under way when its process ended may be
    /// none.
    pub(super) fn strange_paths(&self) -> Vec<String> {
        let mut paths: BTreeMap<Uuid, Vec<(RecordKind, bool)>> = BTreeMap::new();
        for entry in &self.journal {
            let is_sure = entry.durable_at.is_some();
            if is_sure || entry.failed || entry.panicked {
                let path = paths.entry(entry.exchange).or_default();
                path.push((entry.kind, is_sure));
            }
        }
        let strange = paths.into_iter().filter(|(_, path)| !is_path(None, path));
        strange
            .map(|(exchange, path)| format!("{exchange}: {path:?}"))
            .collect()
    }
}

/// True if each record may follow the one before it, where those that are not sure may be missing.
fn is_path(last: Option<RecordKind>, path: &[(RecordKind, bool)]) -> bool {
    let Some(((next, is_sure), rest)) = path.split_first() else {
        return true;
    };
    let follows = last.map_or(*next == RecordKind::Submitted, |last| follows(last, *next));
    (follows && is_path(Some(*next), rest)) || (!is_sure && is_path(last, rest))
}

/// True if a record may follow another. A panic at any record puts an exchange in doubt, and so does a
/// restart.
fn follows(last: RecordKind, next: RecordKind) -> bool {
    use RecordKind as R;
    match next {
        R::Submitted => false,
        R::Withdrawn => last == R::Submitted,
        R::Refused => matches!(last, R::Submitted | R::Resubmitted | R::InDoubt),
        R::Delivered => last == R::Completed,
        R::Candidate => {
            matches!(last, R::Accepted | R::Candidate | R::TakenBack | R::InDoubt)
        }
        R::TakenBack => matches!(last, R::Candidate | R::TakenBack | R::Accepted),
        R::Resubmitted | R::Accepted | R::Completed | R::InDoubt => {
            !matches!(last, R::Delivered | R::Withdrawn | R::Closed)
        }
        R::Closed => !matches!(last, R::Withdrawn | R::Closed),
    }
}
