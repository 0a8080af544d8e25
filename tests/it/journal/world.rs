//! A journal on a simulated disk, and what a test knows about what must be in it.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdline::drain::Drain;
use holdline::journal::{
    AnswerKey, Change, Config, Entry, Head, Journal, LastRecord, Metrics, Number, OpenError, Parts,
    Place, Remembered, WrittenDoubt, open,
};
use holdline::timing::{Clock, Stamp, Stamps};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::disk::SimulatedDisk;

pub(crate) const PATH: &str = "/journal/holdline.redb";

pub(crate) const DAY: Duration = Duration::from_hours(24);

/// A running journal.
pub(crate) struct Running {
    pub(crate) journal: Journal,
    pub(crate) found: Vec<Remembered>,
    pub(crate) metrics: Metrics,
    writer: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.writer.abort();
    }
}

/// Opens the journal of a disk and runs its writer.
pub(crate) fn start(disk: &SimulatedDisk) -> Result<Running, OpenError> {
    start_with(disk, Config::default().max_bytes, DAY)
}

pub(crate) fn start_with(
    disk: &SimulatedDisk,
    max_bytes: u64,
    retention: impl Into<Option<Duration>>,
) -> Result<Running, OpenError> {
    let clock = Clock::start();
    let mut found = Vec::new();
    let parts = Parts {
        config: config(max_bytes),
        retention: retention.into(),
        disk: Arc::new(disk.clone()),
        clock,
        stamps: Stamps::new(clock, stamp(0)),
        metrics: Metrics::default(),
    };
    let metrics = parts.metrics.clone();
    let opened = open(parts, |remembered| found.push(remembered))?;
    let writer = Drain::new().spawn(opened.writer.run());
    Ok(Running {
        metrics,
        journal: opened.journal,
        found,
        writer,
    })
}

pub(crate) fn config(max_bytes: u64) -> Config {
    Config {
        in_memory: false,
        path: PathBuf::from(PATH),
        max_bytes,
    }
}

pub(crate) fn path() -> &'static Path {
    Path::new(PATH)
}

/// The journal's mark.
pub(crate) fn mark() -> PathBuf {
    PathBuf::from(format!("{PATH}.last"))
}

/// The journal's log.
pub(crate) fn log() -> PathBuf {
    PathBuf::from(format!("{PATH}.wal"))
}

/// The journal's key.
pub(crate) fn key() -> PathBuf {
    PathBuf::from(format!("{PATH}.key"))
}

/// Longer than anything stands in the log that the file has not taken in.
pub(crate) const CHECKPOINT: Duration = Duration::from_secs(3);

pub(crate) const fn stamp(millis: u64) -> Stamp {
    Stamp {
        wall: 1_700_000_000_000 + millis,
        since_boot: 1_000_000 + millis,
        boot: 7,
    }
}

pub(crate) fn head(number: u64, explicit: bool) -> Head {
    let seed = u8::try_from(number % 251).unwrap();
    Head {
        exchange: Uuid::from_u128(u128::from(number)),
        gateway: "begateway".into(),
        origin: "https://gateway.example".into(),
        operation: "payments".into(),
        owner: [seed; 32],
        credential: [seed; 32],
        fingerprint: [seed; 32],
        beside: None,
        key: "3f1d2a6e-0c57-4a43-9b11-6f0f7a3f5a10".into(),
        explicit,
        amount: Some("100".into()),
        currency: Some("USD".into()),
        reference: Some(format!("order-{number}").into()),
    }
}

pub(crate) fn entry(number: u64, step: u32, change: Change) -> Entry {
    Entry {
        place: Place {
            number: Number(number),
            step,
        },
        stamp: stamp(u64::from(step)),
        change,
    }
}

pub(crate) fn submitted(number: u64, explicit: bool) -> Change {
    Change::Submitted(Box::new(head(number, explicit)))
}

pub(crate) fn doubt() -> Change {
    Change::InDoubt(WrittenDoubt {
        cause: "submit-lost".into(),
        reason: None,
    })
}

pub(crate) fn answer(number: u64, step: u32, length: usize) -> holdline::journal::Sealed {
    let place = Place {
        number: Number(number),
        step,
    };
    let clear = Bytes::from(vec![b'a'; length]);
    let key = AnswerKey::new([9; 32]);
    key.seal(Uuid::from_u128(u128::from(number)), place, &clear)
        .unwrap()
}

/// What was appended and what was acknowledged, by exchange.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    exchanges: BTreeMap<Number, Told>,
}

#[derive(Clone, Debug, Default)]
struct Told {
    appended: Vec<Entry>,
    /// The first so many are acknowledged.
    durable: usize,
}

impl Model {
    pub(crate) fn appended(&mut self, entry: &Entry) {
        let told = self.exchanges.entry(entry.place.number).or_default();
        told.appended.push(entry.clone());
    }

    pub(crate) fn acknowledged(&mut self, entry: &Entry) {
        let told = self.exchanges.entry(entry.place.number).or_default();
        told.durable = told
            .appended
            .iter()
            .position(|it| it.place == entry.place)
            .unwrap()
            + 1;
    }

    /// What is wrong with what was found: an acknowledged entry that is missing, or something that
    /// was never appended.
    pub(crate) fn faults(&self, found: &[Remembered]) -> Vec<String> {
        let mut faults = Vec::new();
        for remembered in found {
            let told = self.exchanges.get(&remembered.number);
            let is_a_prefix = told.is_some_and(|told| {
                (told.durable..=told.appended.len())
                    .any(|length| looks(&told.appended[..length]).as_ref() == Some(remembered))
            });
            if !is_a_prefix {
                faults.push(format!(
                    "{remembered:?} is none of what was appended: {told:?}"
                ));
            }
        }
        for (number, told) in &self.exchanges {
            let is_found = found.iter().any(|it| it.number == *number);
            if told.durable > 0 && !is_found {
                faults.push(format!("{number:?} is lost"));
            }
        }
        faults
    }
}

/// What is remembered of these entries, told once more and otherwise than in the room itself.
fn looks(entries: &[Entry]) -> Option<Remembered> {
    let (first, last) = (entries.first()?, entries.last()?);
    let Change::Submitted(head) = &first.change else {
        return None;
    };
    let find = |wanted: fn(&Change) -> bool| entries.iter().rfind(|it| wanted(&it.change));
    let done = find(|it| matches!(it, Change::Completed(_)));
    let soft = find(|it| matches!(it, Change::Candidate(_)));
    let soft = soft.filter(|it| matches!(it.change, Change::Candidate(Some(_))));
    let task = entries.iter().rev().find_map(|it| match &it.change {
        Change::Accepted(task) => Some(task.clone()),
        _ => None,
    });
    let resubmits = entries.iter().rev().find_map(|it| match it.change {
        Change::Resubmitted(which) => Some(which),
        _ => None,
    });
    let last_record = match &last.change {
        Change::Submitted(_) | Change::Resubmitted(_) => LastRecord::Submitted,
        Change::Accepted(_) | Change::Candidate(_) => LastRecord::Accepted,
        Change::Completed(_) => LastRecord::Completed,
        Change::Delivered => LastRecord::Delivered,
        Change::InDoubt(doubt) => LastRecord::InDoubt(doubt.clone()),
        Change::Withdrawn | Change::Refused | Change::Closed(_) => LastRecord::Ended,
    };
    Some(Remembered {
        number: first.place.number,
        next_step: last.place.step + 1,
        head: (**head).clone(),
        submitted: first.stamp,
        changed: last.stamp,
        last_record,
        resubmits: resubmits.unwrap_or(0),
        ticket: task,
        candidate: soft.filter(|_| done.is_none()).map(|it| it.place),
        answer: done.map(|it| it.place),
        ruled: entries.iter().rev().find_map(|it| match &it.change {
            Change::InDoubt(doubt) if doubt.reason.is_some() => Some(doubt.clone()),
            _ => None,
        }),
        closed_because: match &last.change {
            Change::Closed(reason) => reason.clone(),
            _ => None,
        },
    })
}

/// Everything that a journal remembers, a small page at a time.
pub(crate) async fn all(journal: &Journal) -> Vec<Remembered> {
    let mut all = Vec::new();
    let mut from = Some(Number(0));
    while let Some(number) = from {
        let page = journal.remembered(number, 2).await.unwrap();
        all.extend(page.exchanges);
        from = page.next;
    }
    all
}
