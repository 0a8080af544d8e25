//! A file that was changed behind the journal's back, or is another version's: never quietly less.
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdline::journal::{
    Change, Config, Metrics, OpenError, Parts, Reader, Remembered, SystemDisk, open,
};
use holdline::timing::{Clock, Stamps};

use super::disk::{Crash, SimulatedDisk};
use super::world::{
    DAY, all, answer, config, doubt, entry, path, stamp, start, start_with, submitted,
};

/// A disk with a journal of some exchanges, and what it remembers. Unless it was closed the last ones
/// stand in the log, and the others in the file.
pub(crate) async fn filled(closed: bool) -> (SimulatedDisk, Vec<Remembered>) {
    let disk = SimulatedDisk::default();
    let running = start(&disk).unwrap();
    for number in 1..12 {
        if number == 9 {
            assert_eq!(all(&running.journal).await.len(), 8);
        }
        let changes = [
            submitted(number, true),
            Change::Accepted("task".into()),
            Change::Completed(Some(answer(number, 2, 900))),
            doubt(),
        ];
        for (step, change) in (0..).zip(changes).take(3 + usize::from(number == 5)) {
            running
                .journal
                .append(entry(number, step, change))
                .await
                .unwrap();
        }
    }
    let found = all(&start(&disk.sure()).unwrap().journal).await;
    if closed {
        running.journal.close().await;
    }
    drop(running);
    disk.crash(Crash::Kill);
    (disk, found)
}

#[tokio::test(start_paused = true)]
async fn a_flipped_bit_is_told_or_changes_nothing() {
    let (disk, whole) = filled(true).await;
    let bytes = disk.read(path()).unwrap();
    let used: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
    let mut told = 0;
    for at in used.iter().copied().step_by(41) {
        disk.alter(path(), |file| file[at] ^= 1 << (at % 8));
        match start(&disk) {
            Err(
                OpenError::Damaged { .. }
                | OpenError::Format { .. }
                | OpenError::KeyForeign { .. }
                | OpenError::Behind { .. },
            ) => {
                told += 1;
            }
            Err(other) => panic!("byte {at}: {other}"),
            Ok(running) => {
                assert_eq!(all(&running.journal).await, whole, "byte {at}");
                running.journal.close().await;
            }
        }
        disk.crash(Crash::Kill);
        disk.alter(path(), |file| file.clone_from(&bytes));
    }
    // The others are in pages that are free.
    assert!(told > used.len() / 41 / 8, "{told} of {}", used.len() / 41);
}

#[tokio::test(start_paused = true)]
async fn verify_tells_what_is_wrong_and_changes_nothing() {
    let (disk, whole) = filled(false).await;
    let as_it_was = disk.read(path()).unwrap();
    let open = || Reader::open(&config(u64::MAX), Arc::new(disk.clone()));
    let mut reader = open().unwrap();
    let report = reader.verify().unwrap();
    assert!(report.is_sound(), "{report:?}");
    // A soft answer stands alone.
    assert_eq!((report.exchanges, report.records), (11, 12));
    assert_eq!(
        reader.remembered(whole[0].number, 99).unwrap().exchanges,
        whole
    );
    assert!(
        matches!(start(&disk), Err(OpenError::Held { .. })),
        "it is held"
    );
    drop(reader);
    assert_eq!(disk.read(path()).unwrap(), as_it_was);
    let mut told = 0;
    for at in (0..as_it_was.len()).step_by(499) {
        disk.alter(path(), |file| file[at] ^= 1);
        told += match open() {
            Ok(mut reader) => usize::from(!reader.verify().unwrap().is_sound()),
            Err(_) => 1,
        };
        disk.alter(path(), |file| file.clone_from(&as_it_was));
    }
    assert!(told > 10, "{told} were told");
}

#[tokio::test(start_paused = true)]
async fn a_journal_in_use_can_be_verified_too() {
    let disk = SimulatedDisk::default();
    let running = start(&disk).unwrap();
    running
        .journal
        .append(entry(1, 0, submitted(1, true)))
        .await
        .unwrap();
    let report = running.journal.verify().await.unwrap();
    assert_eq!((report.exchanges, report.records), (1, 1));
    assert!(report.is_sound());
}

#[tokio::test(start_paused = true)]
async fn an_exchange_is_forgotten_after_the_retention_and_its_late_entries_with_it() {
    let disk = SimulatedDisk::default();
    let running = start_with(&disk, u64::MAX, DAY).unwrap();
    for (number, last) in [(1, Some(Change::Delivered)), (2, None)] {
        let changes = [
            submitted(number, false),
            Change::Completed(Some(answer(number, 1, 90))),
        ];
        for (step, change) in (0..).zip(changes.into_iter().chain(last)) {
            running
                .journal
                .append(entry(number, step, change))
                .await
                .unwrap();
        }
    }
    tokio::time::sleep(DAY * 2).await;
    running
        .journal
        .append(entry(1, 3, Change::Closed(None)))
        .await
        .unwrap();
    let found = all(&running.journal).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        found[0].number.0, 2,
        "the one that waits for its client stays"
    );
    drop(running);
    disk.crash(Crash::Kill);
    assert_eq!(start(&disk).unwrap().found, found);
}

/// What each version wrote; every later one reads it. That of version 3 is read, and written, beside the
/// folding (`src/journal/keeping/tests.rs`).
fn fixture(name: &str) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/journal");
    fixtures.join(name)
}

/// A copy of what a version wrote.
fn copied(version: u32, suffixes: &[&str]) -> (tempfile::TempDir, Config) {
    let room = tempfile::tempdir().unwrap();
    for suffix in suffixes {
        let name = format!("version-{version}.redb{suffix}");
        let copy = room.path().join(&name);
        std::fs::copy(fixture(&name), &copy).unwrap();
        let owner_only = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(copy, owner_only).unwrap();
    }
    let config = Config {
        path: room.path().join(format!("version-{version}.redb")),
        ..Config::default()
    };
    (room, config)
}

fn is_read(config: &Config, whole: &[Remembered]) {
    let mut reader = Reader::open(config, Arc::new(SystemDisk)).unwrap();
    let report = reader.verify().unwrap();
    assert!(report.is_sound(), "{report:?}");
    let found = reader.remembered(whole[0].number, 99).unwrap();
    assert_eq!((found.exchanges.as_slice(), found.next), (whole, None));
}

#[tokio::test(start_paused = true)]
async fn what_version_1_wrote_is_read_and_becomes_one_of_the_present_version() {
    let (_, whole) = filled(true).await;
    let (_room, config) = copied(1, &["", ".key"]);
    is_read(&config, &whole);
    let clock = Clock::start();
    let parts = Parts {
        config: config.clone(),
        retention: Some(DAY),
        disk: Arc::new(SystemDisk),
        clock,
        stamps: Stamps::new(clock, stamp(0)),
        metrics: Metrics::default(),
    };
    let mut found = Vec::new();
    drop(open(parts, |remembered| found.push(remembered)).unwrap());
    assert_eq!(found, whole);
    is_read(&config, &whole);
    let log = std::fs::metadata(format!("{}.wal", config.path.display()));
    assert_eq!(log.unwrap().len(), 1024 * 1024);
}

/// Its process was killed: the newest exchanges stand in the log.
#[tokio::test(start_paused = true)]
async fn what_version_2_wrote_is_read() {
    let (_, whole) = filled(false).await;
    let (_room, config) = copied(2, &["", ".key", ".wal", ".last"]);
    is_read(&config, &whole);
    std::fs::remove_file(format!("{}.wal", config.path.display())).unwrap();
    let mut reader = Reader::open(&config, Arc::new(SystemDisk)).unwrap();
    assert!(!reader.verify().unwrap().is_sound(), "it is needed");
}
