//! What is folded is remembered as it was, whenever the file took it in, and under any format; without its
//! answer, where that had to go.
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use redb::ReadableDatabase as _;

use super::store::{FORMAT, META, RECORDS, Removal, Store};
use crate::journal::fault::StoreError;
use crate::journal::records::book::Book;
use crate::journal::records::seal::SealError;
use crate::journal::samples::{entry, head};
use crate::journal::tests::{directory, store, store_of};
use crate::journal::{
    Change, Config, Entry, LastRecord, Number, Place, Reader, Remembered, Sealed, SystemDisk,
    WrittenDoubt,
};

fn change(kind: u8) -> Change {
    let sealed = || Sealed(Bytes::from(vec![kind; 40]));
    match kind % 9 {
        0 => Change::Resubmitted(u32::from(kind)),
        1 | 2 => Change::Accepted(format!("task-{kind}").into()),
        // The fixtures know no such kind.
        3 if kind > 100 => Change::Candidate(None),
        3 => Change::Candidate(Some(sealed())),
        4 | 5 => Change::Completed(Some(sealed())),
        6 => Change::InDoubt(WrittenDoubt {
            cause: "lost".into(),
            reason: None,
        }),
        7 => Change::Refused,
        _ => Change::Delivered,
    }
}

/// The path of an exchange that these kinds lead along; what cannot follow is passed over.
fn path(number: u64, kinds: &[u8]) -> Vec<Entry> {
    let seed = u8::try_from(number).unwrap();
    let mut path = vec![entry(number, 0, Change::Submitted(Box::new(head(seed))))];
    let mut book = Book::begin(path[0].clone()).unwrap();
    for kind in kinds {
        let next = entry(number, book.so_far().next_step, change(*kind));
        let mut longer = book.clone();
        if longer.follow(next.clone()).is_ok() {
            book = longer;
            path.push(next);
        }
    }
    path
}

fn remembered(store: &Store) -> Vec<Remembered> {
    let mut all = Vec::new();
    let walked = store.walk(Number(0), |it| {
        all.push(it);
        true
    });
    walked.unwrap();
    all
}

fn append(store: &Store, entries: impl Iterator<Item = Entry>) {
    let entries: Vec<_> = entries.collect();
    if !entries.is_empty() {
        store.append(&entries).unwrap();
    }
}

fn write(store: &Store, entries: impl Iterator<Item = Entry>) {
    append(store, entries);
    store.checkpoint().unwrap();
}

/// Drops the answers of all that were delivered; which these are.
fn fold(store: &Store) -> Vec<Number> {
    let delivered: Vec<_> = remembered(store)
        .into_iter()
        .filter(|it| it.last_record == LastRecord::Delivered)
        .map(|it| it.number)
        .collect();
    let removals: Vec<_> = delivered.iter().copied().map(Removal::Answer).collect();
    store.forget(&removals).unwrap();
    delivered
}

fn without_answers(mut all: Vec<Remembered>) -> Vec<Remembered> {
    for it in &mut all {
        if it.last_record == LastRecord::Delivered {
            it.answer = None;
        }
    }
    all
}

/// What is to be remembered of an exchange.
fn followed(path: &[Entry]) -> Remembered {
    let mut entries = path.iter().cloned();
    let mut book = Book::begin(entries.next().unwrap()).unwrap();
    entries.for_each(|entry| book.follow(entry).unwrap());
    book.close()
}

/// True if each answer that is remembered is found where it is.
fn finds_answers(store: &Store, remembered: &[Remembered]) -> bool {
    let places = remembered
        .iter()
        .filter_map(|it| it.answer.or(it.candidate));
    places.into_iter().all(|place| {
        let found = store.find(place).unwrap().unwrap();
        let is_answer = matches!(
            found.change,
            Change::Candidate(_) | Change::Completed(Some(_))
        );
        found.place == place && is_answer
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn what_is_folded_is_remembered_whenever_it_is_taken_in_and_written_again(
        paths in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 1..9),
        taken_in_after: [bool; 9],
        again in any::<prop::sample::Index>(),
    ) {
        let room = directory();
        let (site, store) = store(room.path());
        let paths: Vec<_> = (1..).zip(&paths).map(|(number, kinds)| path(number, kinds)).collect();
        // Side by side, as they come.
        for (step, is_taken_in) in taken_in_after.into_iter().enumerate() {
            append(&store, paths.iter().filter_map(|path| path.get(step).cloned()));
            if is_taken_in {
                store.checkpoint().unwrap();
            }
        }
        // A disk may take a batch and say that it did not: it is written once more.
        for path in &paths {
            let from = again.index(path.len());
            append(&store, path[from..].iter().cloned());
        }
        store.checkpoint().unwrap();
        let whole: Vec<_> = paths.iter().map(|path| followed(path)).collect();
        prop_assert_eq!(&remembered(&store), &whole);
        prop_assert!(finds_answers(&store, &whole));
        // Once more, when all of it is there.
        write(&store, paths.iter().map(|path| path[path.len() - 1].clone()));
        prop_assert_eq!(&remembered(&store), &whole);
        let folded = without_answers(whole);
        let delivered = fold(&store);
        prop_assert_eq!(&remembered(&store), &folded);
        prop_assert!(finds_answers(&store, &folded));
        // A second time nothing is changed.
        prop_assert_eq!(fold(&store), delivered.clone());
        prop_assert_eq!(&remembered(&store), &folded);
        write(&store, paths.iter().map(|path| path[path.len() - 1].clone()));
        prop_assert_eq!(&remembered(&store), &folded);
        prop_assert!(crate::journal::Report::of(&store).unwrap().is_sound());
        drop(store);
        let (_, store) = store_of(site.path.parent().unwrap(), u64::MAX);
        prop_assert_eq!(&remembered(&store), &folded);
        // With all of it gone the file is as it was at first, and what comes late finds nothing.
        let all: Vec<_> = folded.iter().map(|it| Removal::Exchange(it.number)).collect();
        store.forget(&all).unwrap();
        let late = paths.iter().filter_map(|path| path.get(1..)?.last().cloned());
        write(&store, late);
        prop_assert_eq!(remembered(&store), []);
    }
}

/// Two that were delivered and folded, two that were and were not, one that waits for its client; and
/// two in the log, of which one was folded before.
fn fill(store: &Store) {
    let whole = [1, 4, 8];
    for number in 1..=4 {
        write(store, path(number, &whole).into_iter());
    }
    write(store, path(5, &whole[..2]).into_iter());
    let folded = [1, 3].map(|number| Removal::Answer(Number(number)));
    store.forget(&folded).unwrap();
    let late = entry(3, 4, Change::Closed(Some("asked for".into())));
    for pending in [path(6, &[]), vec![late]] {
        store.append(&pending).unwrap();
    }
}

/// What the present version writes.
const FIXTURE: &str = "version-4.redb";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/journal")
}

/// A copy of what a version wrote, under the name that this file's tests open.
fn copied(room: &Path, name: &str) {
    for suffix in ["", ".key", ".wal", ".last"] {
        let copy = room.join(format!("a.redb{suffix}"));
        std::fs::copy(fixtures().join(format!("{name}{suffix}")), &copy).unwrap();
        std::fs::set_permissions(copy, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

/// Its process was killed: the newest entries stand in the log. Two of its six exchanges lost their
/// answers.
fn reads_what_was_written(fixture: &str, records: u64) {
    let (as_written, copy) = (directory(), directory());
    let (_, filled) = store(as_written.path());
    fill(&filled);
    filled.checkpoint().unwrap();
    let whole = remembered(&filled);
    assert_eq!(whole.len(), 6);
    assert_eq!(whole[0].last_record, LastRecord::Delivered);
    assert_eq!((whole[0].answer, whole[0].next_step), (None, 4));
    assert_eq!(whole[2].closed_because.as_deref(), Some("asked for"));
    copied(copy.path(), fixture);
    let config = Config {
        path: copy.path().join("a.redb"),
        ..Config::default()
    };
    let mut reader = Reader::open(&config, Arc::new(SystemDisk)).unwrap();
    assert_eq!(reader.remembered(Number(0), 99).unwrap().exchanges, whole);
    let report = reader.verify().unwrap();
    assert_eq!((report.records, report.exchanges), (records, 6));
    assert!(report.is_sound(), "{report:?}");
    drop(reader);
    // And it goes on: what it kept is found, and what comes has its place.
    let (_, store) = store(copy.path());
    store.upgrade().unwrap();
    assert!(finds_answers(&store, &whole));
    let next = &whole[4];
    let delivered = entry(next.number.0, next.next_step, Change::Delivered);
    write(&store, [delivered].into_iter());
    write(&store, path(7, &[1, 4, 8]).into_iter());
    let after = remembered(&store);
    assert_eq!(after[..4], whole[..4]);
    assert_eq!(after[4].next_step, next.next_step + 1);
    assert_eq!(after.len(), 7);
    assert_eq!(fold(&store), [1, 2, 4, 5, 7].map(Number));
    assert!(crate::journal::Report::of(&store).unwrap().is_sound());
}

#[test]
fn what_version_3_wrote_is_read_and_goes_on() {
    // One record where four were, and one of the entry that came after.
    reads_what_was_written("version-3.redb", 1 + 4 + 2 + 4 + 3 + 1);
}

#[test]
fn what_version_4_wrote_is_read_and_goes_on() {
    reads_what_was_written("version-4.redb", 1 + 1 + 2 + 1 + 1 + 1);
}

/// To be run by the version that writes a new format.
#[test]
#[ignore = "writes the fixture of the present version"]
fn write_a_fixture() {
    let room = directory();
    let (_, store) = store(room.path());
    fill(&store);
    drop(store);
    for suffix in ["", ".key", ".wal", ".last"] {
        let written = std::fs::read(room.path().join(format!("a.redb{suffix}"))).unwrap();
        // The log's zeros are no part of it.
        let zeros = written.iter().rev().take_while(|byte| **byte == 0).count();
        let length = written.len() - if suffix == ".wal" { zeros } else { 0 };
        let to = fixtures().join(format!("{FIXTURE}{suffix}"));
        std::fs::write(to, &written[..length]).unwrap();
    }
}

#[test]
fn what_version_2_wrote_is_folded_once_it_is_of_this_version() {
    let room = directory();
    copied(room.path(), "version-2.redb");
    let (_, store) = store(room.path());
    store.upgrade().unwrap();
    store.checkpoint().unwrap();
    let format = || {
        let meta = store
            .database
            .begin_read()
            .unwrap()
            .open_table(META)
            .unwrap();
        redb::ReadableTable::get(&meta, "format")
            .unwrap()
            .unwrap()
            .value()
    };
    assert_eq!(format(), FORMAT);
    let before = remembered(&store);
    let delivered = (1..4).map(|number| entry(number, 3, Change::Delivered));
    write(&store, delivered);
    assert_eq!(fold(&store), [1, 2, 3].map(Number));
    let after = remembered(&store);
    assert_eq!(after.len(), before.len());
    for (was, is) in before.iter().zip(&after).take(3) {
        assert_eq!((is.answer, &is.head), (None, &was.head));
        assert_eq!(is.ticket, was.ticket);
    }
    assert_eq!(after[3..], before[3..]);
}

#[test]
fn a_folded_record_that_was_changed_moved_or_undone_does_not_open() {
    let room = directory();
    let (_, store) = store(room.path());
    for number in 1..=2 {
        write(&store, path(number, &[1, 4, 8]).into_iter());
    }
    fold(&store);
    let folded = {
        let read = store.database.begin_read().unwrap();
        let records = read.open_table(RECORDS).unwrap();
        redb::ReadableTable::get(&records, (1, 0))
            .unwrap()
            .unwrap()
            .value()
            .to_vec()
    };
    let place = |number, step| Place {
        number: Number(number),
        step,
    };
    assert_eq!(store.read(place(1, 0), &folded).unwrap().len(), 4);
    let is_broken = |at, bytes: &[u8]| {
        matches!(
            store.read(at, bytes),
            Err(StoreError::Seal {
                cause: SealError::Broken | SealError::Version(_),
                ..
            })
        )
    };
    assert!(is_broken(place(2, 0), &folded) && is_broken(place(1, 1), &folded));
    for bit in 0..folded.len() * 8 {
        let mut flipped = folded.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(is_broken(place(1, 0), &flipped), "bit {bit}");
    }
    // What is wrong is told, once, and hides nothing else.
    let write = store.database.begin_write().unwrap();
    {
        let mut records = write.open_table(RECORDS).unwrap();
        records.insert((1, 0), &folded[..folded.len() - 1]).unwrap();
    }
    write.commit().unwrap();
    let report = crate::journal::Report::of(&store).unwrap();
    assert_eq!((report.faults.len(), report.records), (1, 1), "{report:?}");
}
