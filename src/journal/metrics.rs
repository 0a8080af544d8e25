//! What the journal counts.
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// The counts of the journal.
#[derive(Clone, Debug)]
pub struct Metrics {
    up: Gauge,
    owed: Gauge,
    mark_fails: Gauge,
    begun: Gauge<u64, AtomicU64>,
    bytes: Gauge<u64, AtomicU64>,
    used: Gauge<f64, AtomicU64>,
    records: Counter,
    commit: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            up: Gauge::default(),
            owed: Gauge::default(),
            mark_fails: Gauge::default(),
            begun: Gauge::default(),
            bytes: Gauge::default(),
            used: Gauge::default(),
            records: Counter::default(),
            // From a disk with a cache of its own to one that hangs.
            commit: Histogram::new([
                0.0005, 0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.1, 0.25, 0.5, 1.0, 5.0,
            ]),
        }
    }
}

impl Metrics {
    /// Registers every metric of this room.
    pub fn register(&self, registry: &mut Registry) {
        let up = "1 if the journal can be written, 0 if not";
        registry.register("journal_up", up, self.up.clone());
        let owed = "Entries that wait for the journal to come back";
        registry.register("journal_owed", owed, self.owed.clone());
        let mark_fails = "1 if the journal's mark cannot be written, 0 if it can";
        registry.register("journal_mark_fails", mark_fails, self.mark_fails.clone());
        let begun = "When the journal was made";
        registry.register_with_unit(
            "journal_begun_timestamp",
            begun,
            Unit::Seconds,
            self.begun.clone(),
        );
        let bytes = "Length of the journal's file";
        registry.register_with_unit("journal", bytes, Unit::Bytes, self.bytes.clone());
        let used = "Share of the room for records that is taken or kept free for what runs";
        registry.register("journal_used", used, self.used.clone());
        let records = "Records made durable";
        registry.register("journal_records", records, self.records.clone());
        let commit = "How long a commit of the journal took";
        registry.register_with_unit("journal_commit", commit, Unit::Seconds, self.commit.clone());
    }

    pub(super) fn is_up(&self, up: bool) {
        self.up.set(i64::from(up));
    }

    pub(super) fn owed(&self, entries: usize) {
        self.owed.set(i64::try_from(entries).unwrap_or(i64::MAX));
    }

    /// Whether the mark could not be written, and whether it could not the last time.
    pub(super) fn mark_fails(&self, fails: bool) -> bool {
        self.mark_fails.set(i64::from(fails)) != 0
    }

    /// When the journal was begun, in seconds since 1970; 0 where it does not tell.
    pub(super) fn begun(&self, seconds: u64) {
        self.begun.set(seconds);
    }

    pub(super) fn length(&self, bytes: u64) {
        self.bytes.set(bytes);
    }

    pub(super) fn used(&self, share: f64) {
        self.used.set(share);
    }

    pub(super) fn committed(&self, records: usize, span: Duration) {
        self.records.inc_by(records as u64);
        self.commit.observe(span.as_secs_f64());
    }
}
