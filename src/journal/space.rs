//! How much of the file is taken, and how much may be.
//!
//! redb tells how much its pages take only after a look at all of them. So they are counted now and then,
//! beside whatever is written meanwhile, and in between the records are weighed, once they are durable;
//! what was written and removed since the last count may be a quarter more than it weighs, and is taken
//! for that. What the exchanges that run will still write is kept free for them, and so is what a commit
//! takes beside its records. A commit that failed and was taken all the same is less than that, and once
//! the file is opened anew its pages are counted.
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Change, Entry};

/// redb's page.
pub(super) const PAGE: u64 = 4096;

/// From here on redb's file grows by as much.
const REGION: u64 = 4 * 1024 * 1024 * 1024;

/// A record's key, and what a leaf keeps beside it.
const OVERHEAD: u64 = 24;

/// Leaves are between half and wholly full; what is told here is held to redb's own figures by a
/// test (`tests.rs`).
const FILLED: (u64, u64) = (8, 5);

/// What a commit may take beside its records: the log's megabyte, and pages that it writes anew while
/// the old ones are still taken.
const COMMIT: u64 = 2 * 1024 * 1024;

/// What one exchange that runs may still write, without its answer.
const PATH: u64 = 4096;

/// How far the file may grow beyond its limit so that holdline starts and exchanges that run can end,
/// where every page below it is taken. Nothing new comes until there is space below the limit again.
const ALLOWANCE: u64 = 4 * 1024 * 1024;

/// What a record takes of the file.
pub(super) const fn weight(sealed: usize) -> u64 {
    let bytes = sealed as u64 + OVERHEAD;
    let with_slack = bytes * FILLED.0 / FILLED.1;
    if bytes <= PAGE / 2 {
        with_slack
    } else if bytes <= PAGE {
        PAGE
    } else {
        // It stands with its neighbours in a run of pages, whose length is a power of two.
        with_slack.div_ceil(PAGE).next_power_of_two() * PAGE
    }
}

/// What another try at a growth that was refused has, on a file that is opened anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Nothing was refused, or all is given: then something has to go.
    None,
    /// All the length that there is up to the limit.
    Length,
    /// A higher limit, once.
    Allowance,
}

/// What is taken, and how much was written and removed since that was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Estimate {
    pub(super) taken: u64,
    pub(super) turned: u64,
}

/// What the records of a commit take, and what comes free with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Turnover {
    pub(super) taken: u64,
    pub(super) freed: u64,
}

/// The space of a journal; it outlives the file that is open.
#[derive(Clone, Debug)]
pub(super) struct Space(Arc<State>);

#[derive(Debug)]
struct State {
    max_bytes: u64,
    /// What the file may not grow beyond now.
    limit: AtomicU64,
    /// How long it is.
    length: AtomicU64,
    /// Set when a growth was refused.
    refused: AtomicBool,
    /// What the pages in use took when they were counted, and what the records weigh since.
    taken: AtomicU64,
    /// What was written and removed since.
    turned: AtomicU64,
    /// Set where a commit may not be in what was taken.
    unsure: AtomicBool,
    /// What the log holds, and will take.
    pending: AtomicU64,
    /// What an answer weighs, as the last ones tell.
    answer: AtomicU64,
    /// The exchanges that have no end yet.
    running: Mutex<HashSet<u64>>,
}

impl Space {
    /// The space of a file that may grow to `max_bytes`.
    pub(super) fn new(max_bytes: u64) -> Self {
        Self(Arc::new(State {
            max_bytes,
            limit: AtomicU64::new(max_bytes),
            length: AtomicU64::default(),
            refused: AtomicBool::default(),
            taken: AtomicU64::default(),
            turned: AtomicU64::default(),
            unsure: AtomicBool::default(),
            pending: AtomicU64::default(),
            answer: AtomicU64::default(),
            running: Mutex::default(),
        }))
    }

    /// `journal.max_bytes`.
    pub(super) fn max_bytes(&self) -> u64 {
        self.0.max_bytes
    }

    /// How long the file is.
    pub(super) fn length(&self) -> u64 {
        self.0.length.load(Ordering::Relaxed)
    }

    pub(super) fn has_length(&self, bytes: u64) {
        self.0.length.store(bytes, Ordering::Relaxed);
    }

    /// What a file of this length is made before it is opened: redb would double it, and where that
    /// would be too much it gets all that it may have at once. `None` where it may grow by itself.
    pub(super) fn stretched(&self, length: u64) -> Option<u64> {
        let limit = self.0.limit.load(Ordering::Relaxed) / PAGE * PAGE;
        (length > 0 && length < limit && grown(length) > limit).then_some(limit)
    }

    /// True if the file is about to grow, and redb would take it beyond the limit.
    pub(super) fn wants_length(&self) -> bool {
        let length = self.length();
        self.stretched(length).is_some() && self.sum() > length / 4 * 3
    }

    /// Whether the file may become so long; where not, that is remembered.
    pub(super) fn may_grow(&self, length: u64) -> bool {
        let may = length <= self.0.limit.load(Ordering::Relaxed);
        if !may {
            self.0.refused.store(true, Ordering::Relaxed);
        }
        may
    }

    /// Takes the next way that there is for a growth that was refused. Where there is none any more the
    /// refusal stands, until [`was_refused`](Self::was_refused) is asked.
    pub(super) fn next_way(&self) -> Way {
        if !self.was_refused() {
            return Way::None;
        }
        let length = self.length();
        if self.stretched(length).is_some() {
            return Way::Length;
        }
        let limit = self.0.limit.load(Ordering::Relaxed);
        if limit > self.0.max_bytes {
            self.0.refused.store(true, Ordering::Relaxed);
            return Way::None;
        }
        let limit = limit.max(length).saturating_add(ALLOWANCE);
        self.0.limit.store(limit, Ordering::Relaxed);
        tracing::error!(
            limit,
            "every page of the journal is taken: it grows beyond journal.max_bytes, so that what \
             runs can end; raise journal.max_bytes"
        );
        Way::Allowance
    }

    /// True if a growth was refused since this was last asked.
    pub(super) fn was_refused(&self) -> bool {
        self.0.refused.swap(false, Ordering::Relaxed)
    }

    /// A commit is durable.
    pub(super) fn turns(&self, Turnover { taken, freed }: Turnover) {
        let turned = |now: u64| Some(now.saturating_add(taken).saturating_sub(freed));
        let now = &self.0.taken;
        let _ = now.fetch_update(Ordering::Relaxed, Ordering::Relaxed, turned);
        self.0.turned.fetch_add(taken + freed, Ordering::Relaxed);
    }

    /// The file is opened anew: whether it has a commit that failed is told by its pages only. True if
    /// they were not counted since the last time.
    pub(super) fn is_unsure(&self) -> bool {
        self.0.unsure.swap(true, Ordering::Relaxed)
    }

    /// What is taken, as it is known now.
    pub(super) fn estimate(&self) -> Estimate {
        Estimate {
            taken: self.0.taken.load(Ordering::Relaxed),
            turned: self.0.turned.load(Ordering::Relaxed),
        }
    }

    /// Corrects the estimate by redb's own count. `before` is the estimate when the count began; what changed
    /// since then is kept on top.
    pub(super) fn measured(&self, before: Estimate, bytes: u64) {
        let State { taken, turned, .. } = &*self.0;
        let corrected = |now: u64| Some(now.saturating_add(bytes).saturating_sub(before.taken));
        let _ = taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, corrected);
        let since = |now: u64| Some(now.saturating_sub(before.turned));
        let _ = turned.fetch_update(Ordering::Relaxed, Ordering::Relaxed, since);
        self.0.unsure.store(false, Ordering::Relaxed);
    }

    /// True if the file was opened anew, or so much was written and removed that counting the pages is
    /// worth its while. Far from the limit that never is.
    pub(super) fn is_vague(&self) -> bool {
        let turned = self.0.turned.load(Ordering::Relaxed);
        self.0.unsure.load(Ordering::Relaxed)
            || turned > self.0.max_bytes / 8 && self.sum() > self.usable() / 2
    }

    /// So much will be taken by what the log holds.
    pub(super) fn pends(&self, bytes: u64) {
        self.0.pending.store(bytes, Ordering::Relaxed);
    }

    /// An exchange runs, and will write what it becomes.
    pub(super) fn runs(&self, number: u64) {
        self.running().insert(number);
    }

    /// Follows which exchanges run, and what their answers weigh.
    pub(super) fn follow(&self, entries: &[Entry]) {
        let mut running = self.running();
        for entry in entries {
            let number = entry.place.number.0;
            match &entry.change {
                Change::Submitted(_) => {
                    running.insert(number);
                }
                Change::Completed(Some(sealed)) => {
                    running.remove(&number);
                    self.weighs(weight(sealed.0.len()));
                }
                Change::Completed(None)
                | Change::InDoubt(_)
                | Change::Withdrawn
                | Change::Refused
                | Change::Closed(_) => {
                    running.remove(&number);
                }
                Change::Resubmitted(_)
                | Change::Accepted(_)
                | Change::Candidate(_)
                | Change::Delivered => {}
            }
        }
    }

    /// The mean of what answers weigh moves a sixteenth towards each. Only the writer comes here.
    fn weighs(&self, answer: u64) {
        let mean = self.0.answer.load(Ordering::Relaxed);
        let moved = match mean {
            0 => answer,
            mean => mean - mean / 16 + answer / 16,
        };
        self.0.answer.store(moved, Ordering::Relaxed);
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashSet<u64>> {
        let running = &self.0.running;
        running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is taken, or will be, at most.
    fn sum(&self) -> u64 {
        let state = &self.0;
        let vague = state.turned.load(Ordering::Relaxed) / 4;
        let pending = state.pending.load(Ordering::Relaxed);
        let taken = state.taken.load(Ordering::Relaxed);
        let answer = state.answer.load(Ordering::Relaxed);
        let path = answer.saturating_mul(2).saturating_add(PATH);
        let owed = (self.running().len() as u64).saturating_mul(path);
        taken
            .saturating_add(pending)
            .saturating_add(vague)
            .saturating_add(owed)
    }

    /// What records may take.
    fn usable(&self) -> u64 {
        let max_bytes = self.0.max_bytes;
        (max_bytes - max_bytes / 16).saturating_sub(COMMIT)
    }

    /// How much of what records may take is taken: from 1 on nothing new may come.
    #[expect(clippy::cast_precision_loss, reason = "a share, for people")]
    pub(super) fn share(&self) -> f64 {
        self.sum() as f64 / self.usable().max(1) as f64
    }

    /// True if something has to go.
    pub(super) fn is_short(&self) -> bool {
        self.sum() > self.usable() / 8 * 7
    }

    /// True if what goes has to go as fast as it can.
    pub(super) fn is_pressed(&self) -> bool {
        self.sum() > self.usable() / 32 * 29
    }

    /// True if nothing new may come, whatever may still be found to go.
    pub(super) fn is_spent(&self) -> bool {
        self.sum() > self.usable()
    }

    /// True if something new may come where nothing might.
    pub(super) fn has_space_again(&self) -> bool {
        self.sum() <= self.usable() / 32 * 31
    }

    /// True if enough has gone.
    pub(super) fn is_ample(&self) -> bool {
        self.sum() <= self.usable() / 8 * 6
    }

    /// How many exchanges may be removed in one commit: the pages that they stood in are written
    /// anew before the old ones are free.
    pub(super) fn removable(&self) -> usize {
        let pages = usize::try_from(self.0.max_bytes / PAGE).unwrap_or(usize::MAX);
        (pages / 64).clamp(8, 256)
    }
}

/// What redb makes of a file that is too short.
const fn grown(length: u64) -> u64 {
    if length <= REGION {
        (length.saturating_sub(PAGE) * 2).saturating_add(PAGE)
    } else {
        length.saturating_add(REGION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEBIBYTE: u64 = 1024 * 1024;

    #[test]
    fn a_file_that_may_not_double_gets_all_that_it_may_have() {
        let space = Space::new(16 * MEBIBYTE + 100);
        assert_eq!(space.stretched(0), None, "there is none yet");
        assert_eq!(space.stretched(8 * MEBIBYTE), None, "it may double");
        let whole = Some(16 * MEBIBYTE);
        assert_eq!(space.stretched(8 * MEBIBYTE + 2 * PAGE), whole);
        assert_eq!(space.stretched(16 * MEBIBYTE), None, "it has it");
        assert_eq!(space.stretched(20 * MEBIBYTE), None, "it is longer");
        let space = Space::new(3 * REGION);
        assert_eq!(space.stretched(2 * REGION), None);
        assert_eq!(space.stretched(2 * REGION + PAGE), Some(3 * REGION));
    }

    #[test]
    fn a_growth_that_was_refused_is_made_good_by_length_and_then_by_an_allowance_once() {
        let space = Space::new(16 * MEBIBYTE);
        space.has_length(9 * MEBIBYTE);
        assert_eq!(space.next_way(), Way::None, "nothing was refused");
        assert!(!space.may_grow(18 * MEBIBYTE));
        assert_eq!(space.next_way(), Way::Length);
        assert_eq!(space.stretched(9 * MEBIBYTE), Some(16 * MEBIBYTE));
        space.has_length(16 * MEBIBYTE);
        assert!(!space.may_grow(32 * MEBIBYTE));
        assert_eq!(space.next_way(), Way::Allowance);
        let beyond = 16 * MEBIBYTE + ALLOWANCE;
        assert_eq!(space.stretched(16 * MEBIBYTE), Some(beyond));
        space.has_length(beyond);
        assert!(!space.may_grow(2 * beyond));
        assert_eq!(space.next_way(), Way::None, "that was all");
        assert!(space.was_refused() && !space.was_refused());
    }

    #[test]
    fn what_is_taken_is_freed_and_never_below_nothing() {
        let space = Space::new(16 * MEBIBYTE);
        let counted = |bytes| space.measured(space.estimate(), bytes);
        let free = |freed| space.turns(Turnover { taken: 0, freed });
        counted(13 * MEBIBYTE + 1);
        assert!(space.is_spent() && space.is_pressed() && space.is_short());
        assert!(space.share() > 1.0);
        counted(11 * MEBIBYTE + MEBIBYTE / 2);
        assert!(!space.is_spent() && space.is_short() && space.has_space_again());
        free(2 * MEBIBYTE);
        assert!(!space.is_short() && !space.is_ample(), "between the two");
        free(20 * MEBIBYTE);
        assert_eq!(space.estimate().taken, 0);
        counted(9 * MEBIBYTE);
        assert!(space.is_ample());
    }

    #[test]
    fn what_is_written_and_removed_during_a_count_is_added_to_it() {
        let space = Space::new(16 * MEBIBYTE);
        let turn = |taken, freed| space.turns(Turnover { taken, freed });
        turn(5_000, 0);
        let before = space.estimate();
        turn(300, 100);
        space.measured(before, 4_000);
        let (taken, turned) = (4_200, 400);
        assert_eq!(space.estimate(), Estimate { taken, turned });
        let before = space.estimate();
        turn(0, 9_000);
        space.measured(before, 4_000);
        assert_eq!(space.estimate().taken, 0, "never below nothing");
    }

    #[test]
    fn what_runs_keeps_its_space_until_it_has_ended() {
        let space = Space::new(16 * MEBIBYTE);
        space.measured(space.estimate(), 11 * MEBIBYTE);
        assert!(!space.is_spent());
        for number in 0..1_000 {
            space.runs(number);
        }
        assert!(space.is_spent());
        let ended = |number| super::super::samples::entry(number, 1, Change::Withdrawn);
        space.follow(&(0..1_000).map(ended).collect::<Vec<_>>());
        assert!(!space.is_spent());
    }

    #[test]
    fn a_long_record_takes_pages_of_its_own() {
        assert_eq!(weight(100), 198);
        assert_eq!(weight(3_000), PAGE);
        assert_eq!(weight(5_000), 2 * PAGE);
        assert_eq!(weight(6_000), 4 * PAGE);
        assert_eq!(weight(20_000), 8 * PAGE);
    }
}
