//! The mark beside the journal: its newest commit is never lost quietly, and no sound one is refused.
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use holdline::journal::{Change, Disk, OpenError, Reader};

use super::damage::filled;
use super::disk::{Crash, Refusal, SimulatedDisk};
use super::faults::told;
use super::world::{
    CHECKPOINT, Running, all, config, entry, key, log, mark, path, start, start_with, submitted,
};

/// A file in another's place: what a flip is undone with.
pub(super) fn put(disk: &SimulatedDisk, path: &Path, bytes: &[u8]) {
    disk.alter(path, |file| bytes.clone_into(file));
}

/// Takes a file away.
fn taken(disk: &SimulatedDisk, path: &Path) -> Vec<u8> {
    let bytes = disk.read(path).unwrap();
    disk.remove(path).unwrap();
    bytes
}

/// Brings a file back that was taken away.
fn put_back(disk: &SimulatedDisk, path: &Path, bytes: &[u8]) {
    if disk.read(path).is_none() {
        disk.create(path).unwrap();
    }
    put(disk, path, bytes);
}

/// Bytes all over the file: the head, every so many of those that are used, and some that are not.
fn spread(bytes: &[u8]) -> Vec<usize> {
    let head = 0..512;
    let used = (512..bytes.len()).filter(|at| bytes[*at] != 0).step_by(97);
    let rest = (512..bytes.len()).step_by(9_973);
    head.chain(used).chain(rest).collect()
}

#[tokio::test(start_paused = true)]
async fn a_bit_that_flips_after_a_kill_is_told_or_changes_nothing() {
    let (disk, whole) = filled(false).await;
    let bytes = disk.read(path()).unwrap();
    let mut behind = Vec::new();
    let mut damaged = 0;
    for at in spread(&bytes) {
        disk.alter(path(), |file| file[at] ^= 1 << (at % 8));
        match start(&disk) {
            Err(OpenError::Behind { .. }) => behind.push(at),
            Err(
                OpenError::Damaged { .. } | OpenError::Format { .. } | OpenError::KeyForeign { .. },
            ) => damaged += 1,
            Err(other) => panic!("byte {at}: {other}"),
            Ok(running) => assert_eq!(all(&running.journal).await, whole, "byte {at}"),
        }
        disk.crash(Crash::Kill);
        put(&disk, path(), &bytes);
    }
    assert!(damaged > 10, "only {damaged} were damage");
    assert!(behind.len() > 10, "only {} were behind", behind.len());
    // The log tells of these too, since its frames do not follow. It is the two that do: without them
    // redb goes back a commit and says nothing.
    for (gone, many) in [(vec![mark()], false), (vec![mark(), log()], true)] {
        let mut lost = 0;
        for at in behind.iter().copied() {
            disk.alter(path(), |file| file[at] ^= 1 << (at % 8));
            let put_away: Vec<_> = gone.iter().map(|path| (path, taken(&disk, path))).collect();
            if let Ok(running) = start(&disk) {
                lost += usize::from(all(&running.journal).await != whole);
            }
            disk.crash(Crash::Kill);
            put(&disk, path(), &bytes);
            for (path, bytes) in put_away {
                put_back(&disk, path, &bytes);
            }
        }
        assert_eq!(lost > 10, many, "{lost} of {} are lost", behind.len());
    }
}

#[tokio::test(start_paused = true)]
async fn an_older_copy_is_told_and_verify_tells_it_too() {
    let (disk, whole) = filled(true).await;
    let older = disk.read(path()).unwrap();
    let running = start(&disk).unwrap();
    for late in [20, 21] {
        let late = entry(late, 0, submitted(late, true));
        running.journal.append(late).await.unwrap();
        // The first is overwritten in the log by the second.
        assert!(all(&running.journal).await.len() > whole.len());
    }
    running.journal.close().await;
    drop(running);
    disk.crash(Crash::Kill);
    put(&disk, path(), &older);
    let refused = start(&disk);
    let Err(error @ OpenError::Behind { .. }) = refused.map(|_| ()) else {
        panic!("an older copy starts")
    };
    let words = error.to_string();
    assert!(words.contains("holdline.redb.last"), "{words}");
    let mut reader = Reader::open(&config(u64::MAX), Arc::new(disk.clone())).unwrap();
    let report = reader.verify().unwrap();
    assert_eq!(report.faults, [words]);
    drop(reader);
    // Who knows what was lost moves the mark and the log away.
    disk.remove(&mark()).unwrap();
    let Err(error @ OpenError::Behind { .. }) = start(&disk).map(|_| ()) else {
        panic!("the log does not tell")
    };
    assert!(
        error.to_string().contains("holdline.redb.wal tells"),
        "{error}"
    );
    disk.crash(Crash::Kill);
    disk.remove(&mark()).unwrap();
    disk.remove(&log()).unwrap();
    let running = start(&disk).unwrap();
    assert_eq!(all(&running.journal).await, whole);
}

/// Makes so many commits of one entry each.
async fn commits(running: &Running, numbers: Range<u64>) {
    for number in numbers {
        let intent = entry(number, 0, submitted(number, true));
        running.journal.append(intent).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn another_process_that_writes_the_same_journal_is_noticed_and_it_stays_down() {
    // How many commits this process and the other one make of the same files, whose locks are not carried.
    for (mine, others) in [(0, 1), (1, 2), (3, 2), (3, 1), (1, 4)] {
        let disk = SimulatedDisk::default();
        let running = start(&disk).unwrap();
        commits(&running, 1..3).await;
        let machine = SimulatedDisk::default();
        for file in [path().to_owned(), key(), log(), mark()] {
            put_back(&machine, &file, &disk.read(&file).unwrap());
        }
        let other = start(&machine).unwrap();
        commits(&running, 3..3 + mine).await;
        tokio::time::sleep(CHECKPOINT).await;
        assert_eq!(running.journal.may_start(), Ok(()), "{mine}, {others}");
        commits(&other, 3..3 + others).await;
        // Then it catches up, and its mark is as that of this process was.
        for more in [0, mine.saturating_sub(others)] {
            commits(&other, 100..100 + more).await;
            put(&disk, &mark(), &machine.read(&mark()).unwrap());
            tokio::time::sleep(CHECKPOINT * 3).await;
            let Err(down) = running.journal.may_start() else {
                panic!("{mine}, {others}: it goes on");
            };
            let down = down.to_string();
            assert!(
                down.contains("another process writes this journal"),
                "{down}"
            );
        }
        // Nor does it write to the files of the other one as it ends.
        let files = || [path().to_owned(), key(), log(), mark()].map(|file| disk.read(&file));
        let before = files();
        running.journal.close().await;
        drop(running);
        assert!(files() == before, "{mine}, {others}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_is_gone_is_told_with_its_key_and_without() {
    let (disk, _) = filled(true).await;
    disk.remove(path()).unwrap();
    let is_gone = || matches!(start(&disk), Err(OpenError::JournalGone { .. }));
    assert!(is_gone());
    disk.remove(Path::new("/journal/holdline.redb.key"))
        .unwrap();
    assert!(is_gone());
    let fresh = disk.read(Path::new("/journal/holdline.redb.key"));
    assert_eq!(fresh, None, "no key is made for it");
    disk.remove(&mark()).unwrap();
    assert!(is_gone(), "its log is there");
    disk.remove(&log()).unwrap();
    assert_eq!(start(&disk).unwrap().found, []);
}

#[tokio::test(start_paused = true)]
async fn a_mark_that_is_torn_foreign_or_gone_refuses_nothing() {
    let (disk, whole) = filled(false).await;
    let bytes = disk.read(&mark()).unwrap();
    let cuts = (0..bytes.len()).map(|length| bytes[..length].to_vec());
    let torn = (0..bytes.len()).map(|from| {
        let mut torn = bytes.clone();
        torn[from..].fill(0);
        torn
    });
    let foreign = [vec![7; bytes.len()], vec![7; 4096]];
    for left in cuts.chain(torn).chain(foreign) {
        put(&disk, &mark(), &left);
        let running = start(&disk).unwrap_or_else(|error| panic!("{left:?}: {error}"));
        assert_eq!(all(&running.journal).await, whole);
        drop(running);
        disk.crash(Crash::Kill);
    }
    disk.remove(&mark()).unwrap();
    let running = start(&disk).unwrap();
    assert_eq!(all(&running.journal).await, whole);
    assert!(disk.read(&mark()).is_some(), "it is made anew");
}

#[tokio::test(start_paused = true)]
async fn a_mark_that_cannot_be_written_is_told_until_it_can() {
    let disk = SimulatedDisk::default();
    let running = start(&disk).unwrap();
    let mut number = 0;
    let mut fails_after_a_commit = async || {
        number += 1;
        let intent = entry(number, 0, submitted(number, true));
        running.journal.append(intent).await.unwrap();
        told(&running, "journal_mark_fails ")
    };
    assert_eq!(fails_after_a_commit().await, "0");
    disk.refuses_to_write(&mark());
    assert_eq!(fails_after_a_commit().await, "1");
    // Opened anew the journal is up with a mark that fails.
    remove_log(&disk);
    tokio::time::sleep(CHECKPOINT).await;
    assert_eq!(fails_after_a_commit().await, "1");
    disk.heals();
    assert_eq!(fails_after_a_commit().await, "0");
}

fn remove_log(disk: &SimulatedDisk) {
    disk.remove(&log()).unwrap();
    disk.sync_directory(path()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn no_file_that_has_less_than_was_made_durable_is_taken_where_the_mark_cannot_tell() {
    let mut down = 0;
    for step in 0..12 {
        let disk = SimulatedDisk::default();
        let running = start(&disk).unwrap();
        disk.refuses_to_write(&mark());
        let begins = |number| {
            running
                .journal
                .append(entry(number, 0, submitted(number, true)))
        };
        begins(1).await.unwrap();
        tokio::time::sleep(CHECKPOINT).await;
        // It stands in the log alone.
        begins(2).await.unwrap();
        let refused = disk.steps();
        disk.refuses(refused..refused + 1, Refusal::Broken);
        begins(3).await.unwrap_err();
        // The log goes while none of the files is open.
        disk.refuses(refused + 1 + step..refused + 99, Refusal::Broken);
        tokio::time::sleep(CHECKPOINT).await;
        disk.heals();
        disk.refuses_to_write(&mark());
        remove_log(&disk);
        tokio::time::sleep(CHECKPOINT * 2).await;
        if running.journal.is_up() {
            let known = all(&running.journal).await;
            assert!(known.iter().any(|it| it.number.0 == 2), "step {step}");
        } else {
            down += 1;
        }
    }
    assert!(down > 0);
}

/// Short, so that what is old enough is looked for a few times only.
const RETENTION: Duration = Duration::from_secs(60);

/// One life of a journal that forgets what it has: exchanges end, the retention passes, others come.
async fn live(disk: &SimulatedDisk, first: u64) {
    let Ok(running) = start_with(disk, u64::MAX, RETENTION) else {
        return;
    };
    for number in first..first + 3 {
        for (step, change) in (0..).zip([submitted(number, false), Change::Withdrawn]) {
            let _ = running.journal.append(entry(number, step, change)).await;
        }
        tokio::time::sleep(RETENTION * 3).await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_journal_is_refused_whatever_it_forgot_and_wherever_it_stopped() {
    let begun = SimulatedDisk::default();
    live(&begun, 1).await;
    let steps = begun.steps();
    assert!(steps > 100, "only {steps} steps");
    for step in 0..steps {
        for crash in [Crash::Kill, Crash::Power(step)] {
            let disk = SimulatedDisk::default();
            disk.dies_at(step);
            live(&disk, 1).await;
            disk.crash(crash);
            // And once more, from what was left.
            disk.dies_at(disk.steps() + step / 2);
            live(&disk, 10).await;
            disk.crash(crash);
            if let Err(error) = start(&disk) {
                panic!("step {step}, {crash:?}: {error}");
            }
        }
    }
}
