//! The file itself: what it takes, and what it is read as.
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redb::ReadableDatabase as _;

use super::fault::StoreError;
use super::files::disk::{DiskFile, Work, Working};
use super::files::key::KeyFile;
use super::files::site::{Gone, Site};
use super::keeping::store::{RECORDS, Removal, Store, taken};
use super::samples::{entry, head};
use super::space::{Space, Way};
use super::writing::reopen::reopen;
use super::{
    Change, Config, Disk, Entry, Metrics, Number, Parts, Place, ReadError, Remembered, Report,
    Sealed, SystemDisk, Unready, open,
};
use crate::drain::Drain;
use crate::timing::{Clock, Stamp, Stamps};

/// A directory in memory where there is one: nothing here is about its being durable.
pub(super) fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

pub(super) fn store(room: &Path) -> (Site, Store) {
    store_of(room, u64::MAX)
}

pub(super) fn store_of(room: &Path, max_bytes: u64) -> (Site, Store) {
    let site = site_of(room, max_bytes);
    let key = KeyFile::open(&SystemDisk, &site.path).unwrap();
    let now = Stamp::of_this_system();
    let store = site.open(&key, Gone::Make(now)).unwrap();
    (site, store)
}

pub(super) fn site_of(room: &Path, max_bytes: u64) -> Site {
    Site {
        disk: Arc::new(SystemDisk),
        path: room.join("a.redb"),
        space: Space::new(max_bytes),
        metrics: Metrics::default(),
    }
}

/// The entries of one step of some exchanges that run side by side.
fn step(numbers: impl Iterator<Item = u64>, step: u32, answer: usize) -> Vec<Entry> {
    let change = |number: u64| match step {
        0 => Change::Submitted(Box::new(head(u8::try_from(number % 251).unwrap()))),
        1 => Change::Accepted("a26e9b7f-7c6b-4c6b-9a3e-2f6d2f6f2d3b".into()),
        2 => Change::Completed(Some(Sealed(Bytes::from(vec![7; answer])))),
        _ => Change::Delivered,
    };
    numbers
        .map(|number| entry(number, step, change(number)))
        .collect()
}

/// What the records are weighed at, and what they take; both in bytes.
fn compared(answer: usize, exchanges: u64, forgotten: u64) -> (u64, u64) {
    let room = directory();
    let (site, store) = store(room.path());
    let side_by_side = 40;
    for first in (1..=exchanges).step_by(side_by_side) {
        let numbers = first..first + side_by_side as u64;
        for which in 0..4 {
            let entries = step(numbers.clone(), which, answer);
            store.append(&entries).unwrap();
        }
        if let Some(old) = first.checked_sub(forgotten) {
            let removals: Vec<_> = (old..old + side_by_side as u64)
                .map(|number| Removal::Exchange(Number(number)))
                .collect();
            store.checkpoint().unwrap();
            store.forget(&removals).unwrap();
        }
    }
    store.checkpoint().unwrap();
    let weighed = site.space.estimate().taken;
    (
        weighed,
        taken(&store.database.begin_read().unwrap()).unwrap(),
    )
}

#[test]
fn records_take_about_what_they_are_weighed_at() {
    for (answer, exchanges, forgotten) in [
        (0, 800, u64::MAX),
        (700, 800, u64::MAX),
        (700, 800, 200),
        (1_500, 400, u64::MAX),
        (3_000, 400, u64::MAX),
        (6_000, 200, u64::MAX),
        (20_000, 120, u64::MAX),
    ] {
        let (weighed, taken) = compared(answer, exchanges, forgotten);
        let percent = taken * 100 / weighed;
        assert!((45..=115).contains(&percent), "{answer} bytes: {percent} %");
    }
}

/// What the journal of a directory needs; nothing of it is forgotten.
pub(super) fn parts(room: &Path, disk: Arc<dyn Disk>) -> Parts {
    let clock = Clock::start();
    Parts {
        config: Config {
            path: room.join("a.redb"),
            ..Config::default()
        },
        retention: None,
        disk,
        clock,
        stamps: Stamps::of_this_system(clock),
        metrics: Metrics::default(),
    }
}

/// Everything that a start finds, and its journal is let go.
fn started(room: &Path, max_bytes: u64) -> Vec<Remembered> {
    let mut parts = parts(room, Arc::new(SystemDisk));
    parts.config.max_bytes = max_bytes;
    let mut found = Vec::new();
    open(parts, |remembered| found.push(remembered)).unwrap();
    found
}

#[test]
fn a_file_of_which_every_page_is_taken_is_opened_with_all_that_was_durable() {
    const LIMIT: u64 = 16 * 1024 * 1024;
    let room = directory();
    let mut durable = 0;
    let mut next = 1;
    // Whoever writes without asking for space: first to the doubling that is refused, then to the limit.
    for _ in 0..2 {
        let (site, store) = store_of(room.path(), LIMIT);
        loop {
            let entries = step(next..next + 40, 0, 0);
            if store.append(&entries).is_err() {
                break;
            }
            (durable, next) = (durable + 40, next + 40);
        }
        assert_ne!(site.space.next_way(), Way::None, "a growth was refused");
    }
    let path = room.path().join("a.redb");
    for _ in 0..3 {
        let found = started(room.path(), LIMIT);
        assert!(found.len() >= durable, "{} of {durable}", found.len());
    }
    let length = std::fs::metadata(&path).unwrap().len();
    assert!(length > LIMIT / 10 * 9 && length < LIMIT + 5 * 1024 * 1024);
}

#[test]
fn a_look_at_every_record_is_taken_in_pieces_and_finds_what_one_look_finds() {
    let room = directory();
    let (_site, store) = store(room.path());
    for which in 0..4 {
        store.append(&step(1..=600, which, 6_000)).unwrap();
    }
    let whole = Report::of(&store).unwrap();
    assert!(whole.is_sound(), "{whole:?}");
    assert_eq!((whole.exchanges, whole.records), (600, 1200));
    let (mut report, mut from) = Report::begin(&store).unwrap();
    let mut pieces = 0;
    while let Some(number) = from {
        from = report.add(&store, number);
        pieces += 1;
    }
    assert_eq!((report, pieces), (whole, 4));
}

#[tokio::test]
#[expect(
    clippy::await_holding_lock,
    reason = "it is what others do in a thread of their own"
)]
async fn whoever_reads_keeps_no_stop_from_knowing_that_all_is_written() {
    let room = directory();
    let opened = open(parts(room.path(), Arc::new(SystemDisk)), drop).unwrap();
    let _writing = Drain::new().spawn(opened.writer.run());
    let journal = opened.journal;
    let begun = entry(1, 0, Change::Submitted(Box::new(head(1))));
    journal.append(begun).await.unwrap();
    assert_eq!(journal.left_over(), None, "it is open");
    let reading = journal.0.files.read().unwrap();
    let mut closing = Box::pin(journal.close());
    while journal.left_over().is_none() {
        assert!(futures_util::poll!(&mut closing).is_pending());
        tokio::task::yield_now().await;
    }
    assert_eq!(journal.left_over(), Some(0));
    assert!(futures_util::poll!(&mut closing).is_pending());
    drop(reading);
    assert_eq!(closing.await, 0);
}

/// Writes something into the file that carries no seal of ours.
fn spoil(store: &Store, Place { number, step }: Place) {
    let write = store.database.begin_write().unwrap();
    let mut records = write.open_table(RECORDS).unwrap();
    records
        .insert((number.0, step), [7; 40].as_slice())
        .unwrap();
    drop(records);
    write.commit().unwrap();
}

#[test]
fn what_the_file_failed_to_take_in_waits_until_both_are_opened_anew() {
    let room = directory();
    let (_site, store) = store(room.path());
    store.append(&step(1..=1, 0, 0)).unwrap();
    store.checkpoint().unwrap();
    store.append(&step(1..=1, 1, 0)).unwrap();
    spoil(&store, entry(1, 0, Change::Withdrawn).place);
    let failed = store.checkpoint().unwrap_err();
    assert!(matches!(failed, StoreError::Seal { .. }), "{failed}");
    // Whoever reads asks for it too.
    let failed = store.checkpoint().unwrap_err();
    assert!(matches!(failed, StoreError::NotTakenIn(_)), "{failed}");
}

#[tokio::test(start_paused = true)]
async fn what_stands_behind_a_damaged_record_is_forgotten_all_the_same() {
    const RETENTION: Duration = Duration::from_mins(5);
    let room = directory();
    let mut parts = parts(room.path(), Arc::new(SystemDisk));
    parts.retention = Some(RETENTION);
    parts.stamps = Stamps::new(parts.clock, entry(9, 0, Change::Withdrawn).stamp);
    let opened = open(parts, drop).unwrap();
    let _writing = Drain::new().spawn(opened.writer.run());
    let journal = opened.journal;
    for number in 1..=5 {
        for (step, change) in (0..).zip([Change::Submitted(Box::new(head(1))), Change::Withdrawn]) {
            journal.append(entry(number, step, change)).await.unwrap();
        }
    }
    let entries = |number| journal.entries(Number(number));
    let damaged = entries(3).await.unwrap()[1].place;
    journal.0.with_store(|store| spoil(store, damaged)).unwrap();
    tokio::time::sleep(RETENTION * 2).await;
    assert_eq!(entries(3).await, Err(ReadError::Damaged(damaged)));
    for number in [1, 2, 4, 5] {
        assert_eq!(entries(number).await, Ok(vec![]), "{number}");
    }
    assert!(journal.is_up());
}

/// Enough to see what is counted of it.
fn some_pages(store: &Store) {
    for which in 0..4 {
        store.append(&step(1..=600, which, 700)).unwrap();
    }
    store.checkpoint().unwrap();
}

#[test]
fn a_file_that_is_opened_anew_is_counted_later_and_nobody_waits_for_it() {
    let room = directory();
    let opened = open(parts(room.path(), Arc::new(SystemDisk)), drop).unwrap();
    let shared = opened.journal.0;
    let space = &shared.site.space;
    shared.with_store(some_pages).unwrap();
    let weighed = space.estimate();
    assert!(weighed.turned > 0 && !space.is_vague());
    reopen(&mut shared.files.write().unwrap(), &shared.site, true).unwrap();
    assert_eq!(space.estimate(), weighed);
    assert!(space.is_vague());
    // Nobody could count it meanwhile, so the next one does.
    reopen(&mut shared.files.write().unwrap(), &shared.site, true).unwrap();
    assert_eq!(space.estimate().turned, 0);
    assert!(!space.is_vague());
}

#[test]
fn what_is_not_committed_neither_takes_room_nor_makes_it() {
    let room = directory();
    let (site, store) = store(room.path());
    some_pages(&store);
    let weighed = site.space.estimate();
    // It is read before it is folded, behind the others.
    let damaged = entry(600, 4, Change::Withdrawn).place;
    spoil(&store, damaged);
    let removals = [1, 2, 600].map(|number| Removal::Answer(Number(number)));
    for _ in 0..3 {
        store.forget(&removals).unwrap_err();
    }
    assert_eq!(site.space.estimate(), weighed);
}

/// A disk that panics where the writer asks for it.
#[derive(Debug)]
struct Panics;

impl Disk for Panics {
    fn open(&self, path: &Path) -> io::Result<Option<Arc<dyn DiskFile>>> {
        SystemDisk.open(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        SystemDisk.create(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        SystemDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        SystemDisk.remove(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        SystemDisk.sync_directory(path)
    }

    fn run(&self, _work: Work) -> Working {
        panic!("a fault of ours")
    }
}

#[tokio::test]
async fn a_writer_that_panics_lets_nobody_wait_and_the_journal_is_down() {
    let room = directory();
    let opened = open(parts(room.path(), Arc::new(Panics)), drop).unwrap();
    let intent = |number| entry(number, 0, Change::Submitted(Box::new(head(1))));
    let under_way = opened.journal.append(intent(1));
    let writing = Drain::new().spawn(opened.writer.run());
    assert!(under_way.await.is_err());
    assert!(writing.await.unwrap_err().is_panic());
    let down = Unready::Down("its writer panicked".into());
    assert_eq!(opened.journal.may_start(), Err(down));
    assert!(opened.journal.append(intent(2)).await.is_err());
    opened.journal.close().await;
}
