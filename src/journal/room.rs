//! How much of the file is taken, and how much may be.
//!
//! redb does not tell cheaply how many of its pages are free, so the records are weighed. Its file
//! doubles when the pages run out (by 4 GiB once it has 4 GiB), so what may be taken is the last
//! doubling below the limit.
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// redb's page.
const PAGE: u64 = 4096;

/// From here on redb's file grows by as much.
const REGION: u64 = 4 * 1024 * 1024 * 1024;

/// A record's key, and what a leaf keeps beside it.
const OVERHEAD: u64 = 24;

/// Leaves are between half and wholly full; what is told here is held to redb's own figures by a
/// test (`tests.rs`).
const FILLED: (u64, u64) = (8, 5);

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

/// The room of an open file.
#[derive(Clone, Debug)]
pub(super) struct Room {
    taken: Arc<AtomicU64>,
    /// What was dropped from pages that stay. redb joins two pages only when one is less than a third
    /// full, so it is counted as taken until the pages are counted.
    loose: Arc<AtomicU64>,
    /// What the log holds, and will take.
    pending: Arc<AtomicU64>,
    length: u64,
    capacity: u64,
}

impl Room {
    /// The room of a file of `length` that may grow to `max_bytes`. What is taken is counted on
    /// while the file is opened again.
    pub(super) fn new(length: u64, max_bytes: u64, taken: Arc<AtomicU64>) -> Self {
        Self {
            taken,
            loose: Arc::default(),
            pending: Arc::default(),
            length,
            capacity: capacity(length, max_bytes),
        }
    }

    /// How long the file was when it was opened.
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn take(&self, bytes: u64) {
        self.taken.fetch_add(bytes, Ordering::Relaxed);
    }

    /// What is taken, as redb counts it.
    pub(super) fn measured(&self, bytes: u64) {
        self.taken.store(bytes, Ordering::Relaxed);
        self.loose.store(0, Ordering::Relaxed);
    }

    /// So much less stands in pages that stay.
    pub(super) fn loosen(&self, bytes: u64) {
        self.loose.fetch_add(bytes, Ordering::Relaxed);
    }

    /// True if so much is loose that counting the pages is worth its while; at the end of a walk any
    /// is.
    pub(super) fn is_loose(&self, at_the_end: bool) -> bool {
        let least = if at_the_end { 0 } else { self.capacity / 16 };
        self.loose.load(Ordering::Relaxed) > least
    }

    pub(super) fn free(&self, bytes: u64) {
        let less = |taken: u64| Some(taken.saturating_sub(bytes));
        let _ = self
            .taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// So much will be taken by what the log holds.
    pub(super) fn pends(&self, bytes: u64) {
        self.pending.store(bytes, Ordering::Relaxed);
    }

    /// What is taken, or will be.
    fn sum(&self) -> u64 {
        let pending = self.pending.load(Ordering::Relaxed);
        self.taken.load(Ordering::Relaxed).saturating_add(pending)
    }

    /// True if something has to go.
    pub(super) fn is_short(&self) -> bool {
        self.sum() > self.capacity / 16 * 13
    }

    /// True if nothing new may come, whatever may still be found to go.
    pub(super) fn is_spent(&self) -> bool {
        self.sum() > self.capacity / 8 * 7
    }

    /// How many exchanges may be removed in one commit: the pages that they stood in are written
    /// anew before the old ones are free.
    pub(super) fn removable(&self) -> usize {
        let pages = usize::try_from(self.capacity / PAGE).unwrap_or(usize::MAX);
        (pages / 64).clamp(8, 256)
    }

    /// True if enough has gone.
    pub(super) fn is_ample(&self) -> bool {
        self.sum() <= self.capacity / 16 * 11
    }
}

/// What a file of `length` grows to before a growth would take it beyond `max_bytes`.
const fn capacity(length: u64, max_bytes: u64) -> u64 {
    let mut capacity = length;
    while capacity <= REGION {
        let grown = capacity.saturating_sub(PAGE) * 2 + PAGE;
        if grown > max_bytes || grown <= capacity {
            return capacity;
        }
        capacity = grown;
    }
    capacity + max_bytes.saturating_sub(capacity) / REGION * REGION
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEBIBYTE: u64 = 1024 * 1024;

    #[test]
    fn the_capacity_is_the_last_growth_below_the_limit() {
        let start = MEBIBYTE + PAGE;
        assert_eq!(capacity(start, 16 * MEBIBYTE), 8 * MEBIBYTE + PAGE);
        assert_eq!(capacity(start, 16 * MEBIBYTE + PAGE), 16 * MEBIBYTE + PAGE);
        assert_eq!(capacity(start, MEBIBYTE), start, "it is larger already");
        assert_eq!(capacity(REGION + PAGE, 3 * REGION), 2 * REGION + PAGE);
        assert!(capacity(start, u64::MAX) > u64::MAX - 2 * REGION);
    }

    #[test]
    fn what_is_taken_is_freed_and_never_below_nothing() {
        let room = Room::new(MEBIBYTE, MEBIBYTE, Arc::default());
        room.take(MEBIBYTE);
        assert!(room.is_short() && !room.is_ample());
        room.free(MEBIBYTE / 4);
        assert!(!room.is_short() && !room.is_ample(), "between the two");
        room.free(2 * MEBIBYTE);
        assert!(room.is_ample());
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
