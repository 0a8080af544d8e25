//! The log beside the journal: what was made durable last is never lost quietly, whatever becomes of it.
use std::sync::Arc;

use holdline::journal::{Change, Disk, OpenError, Reader, Remembered};

use super::damage::filled;
use super::disk::{Crash, SimulatedDisk};
use super::mark::put;
use super::world::{
    CHECKPOINT, Model, all, answer, config, entry, log, mark, path, start, submitted,
};

/// What a start finds; afterwards the files are as they were before it.
async fn found(disk: &SimulatedDisk) -> Result<Vec<Remembered>, OpenError> {
    let files = [path().to_owned(), log(), mark()];
    let as_they_were = files.map(|path| (disk.read(&path), path));
    let found = match start(disk) {
        Ok(running) => Ok(all(&running.journal).await),
        Err(error) => Err(error),
    };
    disk.crash(Crash::Kill);
    for (bytes, path) in as_they_were {
        match bytes {
            Some(bytes) => put(disk, &path, &bytes),
            None if disk.read(&path).is_some() => disk.remove(&path).unwrap(),
            None => {}
        }
    }
    found
}

fn is_behind(found: &Result<Vec<Remembered>, OpenError>) -> bool {
    matches!(found, Err(OpenError::Behind { .. }))
}

/// The bytes of the log that were written since it was made.
fn used(bytes: &[u8]) -> Vec<usize> {
    (0..bytes.len()).filter(|at| bytes[*at] != 0).collect()
}

#[tokio::test(start_paused = true)]
async fn a_bit_that_flips_in_the_log_after_a_kill_is_told_with_or_without_the_mark() {
    let (disk, whole) = filled(false).await;
    let bytes = disk.read(&log()).unwrap();
    let mut told = 0;
    for at in used(&bytes).into_iter().step_by(37) {
        disk.alter(&log(), |file| file[at] ^= 1 << (at % 8));
        match found(&disk).await {
            Err(OpenError::Behind { .. }) => told += 1,
            Err(other) => panic!("byte {at}: {other}"),
            // What an earlier round left behind the newest frame.
            Ok(found) => assert_eq!(found, whole, "byte {at}"),
        }
        put(&disk, &log(), &bytes);
    }
    assert!(told > 10, "{told} were told");
    // Without the mark the frames behind the damage tell.
    disk.remove(&mark()).unwrap();
    disk.alter(&log(), |file| file[100] ^= 1);
    let found = found(&disk).await;
    assert!(is_behind(&found), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn after_an_orderly_stop_nothing_that_becomes_of_the_log_counts() {
    let (disk, whole) = filled(true).await;
    let bytes = disk.read(&log()).unwrap();
    for at in used(&bytes).into_iter().step_by(97) {
        disk.alter(&log(), |file| file[at] ^= 1 << (at % 8));
        assert_eq!(found(&disk).await.unwrap(), whole, "byte {at}");
        put(&disk, &log(), &bytes);
    }
    for left in [vec![], bytes[..5_000].to_vec(), vec![7; bytes.len()]] {
        put(&disk, &log(), &left);
        assert_eq!(found(&disk).await.unwrap(), whole);
    }
    disk.remove(&log()).unwrap();
    let running = start(&disk).unwrap();
    assert_eq!(all(&running.journal).await, whole);
    assert_eq!(disk.read(&log()).unwrap().len(), bytes.len(), "it is made");
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_gone_torn_foreign_or_another_rounds_is_told_while_it_is_needed() {
    let (disk, whole) = filled(false).await;
    let bytes = disk.read(&log()).unwrap();
    let (other, _) = filled(false).await;
    let (closed, _) = filled(true).await;
    let foreign = other.read(&log()).unwrap();
    let of_another_round = closed.read(&log()).unwrap();
    for left in [vec![], bytes[..6_000].to_vec(), foreign, of_another_round] {
        put(&disk, &log(), &left);
        let found = found(&disk).await;
        assert!(is_behind(&found), "{found:?}");
    }
    put(&disk, &log(), &bytes);
    assert_eq!(found(&disk).await.unwrap(), whole);
    disk.remove(&log()).unwrap();
    let found = found(&disk).await;
    assert!(is_behind(&found), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn an_older_copy_that_the_log_follows_is_whole() {
    let (disk, whole) = filled(false).await;
    let older = disk.read(path()).unwrap();
    let running = start(&disk).unwrap();
    assert_eq!(all(&running.journal).await, whole);
    assert_ne!(disk.read(path()).unwrap(), older, "it took the log in");
    drop(running);
    disk.crash(Crash::Kill);
    put(&disk, path(), &older);
    assert_eq!(found(&disk).await.unwrap(), whole);
}

#[tokio::test(start_paused = true)]
async fn an_older_log_and_an_older_mark_beside_the_journal_are_told() {
    let (disk, _) = filled(false).await;
    let older = [log(), mark()].map(|file| (disk.read(&file).unwrap(), file));
    let running = start(&disk).unwrap();
    for number in 20..26 {
        let intent = entry(number, 0, submitted(number, true));
        running.journal.append(intent).await.unwrap();
        // The file takes in all but the last one.
        if number < 25 {
            assert!(!all(&running.journal).await.is_empty());
        }
    }
    drop(running);
    disk.crash(Crash::Kill);
    let whole = found(&disk).await.unwrap();
    let newer = [log(), mark()].map(|file| disk.read(&file).unwrap());
    for (bytes, file) in &older {
        put(&disk, file, bytes);
    }
    let Err(error @ OpenError::LogOlder { .. }) = found(&disk).await else {
        panic!("exchange 25 is forgotten without a word")
    };
    let words = error.to_string();
    assert!(words.contains("holdline.redb.wal is older"), "{words}");
    // Either of them alone does no harm, or is told by the other.
    put(&disk, &log(), &newer[0]);
    assert_eq!(found(&disk).await.unwrap(), whole);
    put(&disk, &log(), &older[0].0);
    put(&disk, &mark(), &newer[1]);
    let found_now = found(&disk).await;
    assert!(is_behind(&found_now), "{found_now:?}");
    // Who knows what was lost moves both away.
    disk.remove(&log()).unwrap();
    disk.remove(&mark()).unwrap();
    assert_eq!(found(&disk).await.unwrap(), whole[..whole.len() - 1]);
}

#[tokio::test(start_paused = true)]
async fn an_older_log_beside_a_journal_that_was_closed_is_no_loss() {
    let (disk, _) = filled(false).await;
    let older = disk.read(&log()).unwrap();
    let running = start(&disk).unwrap();
    let intent = entry(20, 0, submitted(20, true));
    running.journal.append(intent).await.unwrap();
    running.journal.close().await;
    drop(running);
    disk.crash(Crash::Kill);
    let whole = found(&disk).await.unwrap();
    put(&disk, &log(), &older);
    assert_eq!(found(&disk).await.unwrap(), whole);
}

#[tokio::test(start_paused = true)]
async fn a_log_without_its_journal_begins_no_other_one() {
    let (disk, _) = filled(false).await;
    disk.remove(path()).unwrap();
    disk.remove(&mark()).unwrap();
    let Err(error @ OpenError::JournalGone { .. }) = found(&disk).await else {
        panic!("a journal is begun over the log of another")
    };
    let words = error.to_string();
    assert!(words.contains("holdline.redb.wal is there"), "{words}");
    disk.remove(&log()).unwrap();
    assert_eq!(found(&disk).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn what_the_log_holds_is_read_listed_and_verified() {
    let disk = SimulatedDisk::default();
    let running = start(&disk).unwrap();
    let sealed = answer(1, 1, 300);
    let last = entry(1, 1, Change::Completed(Some(sealed.clone())));
    for entry in [entry(1, 0, submitted(1, true)), last.clone()] {
        running.journal.append(entry).await.unwrap();
    }
    drop(running);
    disk.crash(Crash::Kill);
    let (file, frames) = (disk.read(path()).unwrap(), disk.read(&log()).unwrap());
    let mut reader = Reader::open(&config(u64::MAX), Arc::new(disk.clone())).unwrap();
    let report = reader.verify().unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.exchanges, report.records), (1, 2));
    drop(reader);
    assert_eq!(disk.read(path()).unwrap(), file, "it is only looked at");
    assert_eq!(disk.read(&log()).unwrap(), frames);
    let running = start(&disk).unwrap();
    let journal = &running.journal;
    let delivered = entry(1, 2, Change::Delivered);
    journal.append(delivered).await.unwrap();
    assert_eq!(journal.answer(last.place).await, Ok(sealed));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_the_log_has_no_room_for_goes_into_the_file_with_what_the_log_holds() {
    for length in [3_000, 200_000, 2_000_000] {
        let (disk, mut model) = (SimulatedDisk::default(), Model::default());
        let running = start(&disk).unwrap();
        for number in 1..20 {
            let done = Change::Completed(Some(answer(number, 1, length)));
            for entry in [
                entry(number, 0, submitted(number, true)),
                entry(number, 1, done),
            ] {
                model.appended(&entry);
                running.journal.append(entry.clone()).await.unwrap();
                model.acknowledged(&entry);
            }
        }
        disk.crash(Crash::Power(number_of(length)));
        let running = start(&disk).unwrap();
        let faults = model.faults(&all(&running.journal).await);
        assert_eq!(faults, Vec::<String>::new(), "{length} bytes");
    }
}

fn number_of(length: usize) -> u64 {
    u64::try_from(length).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_a_kill_left_in_the_cache_is_no_older_log_when_the_power_fails_after_the_start()
 {
    for seed in 0..20 {
        let disk = SimulatedDisk::default();
        let running = start(&disk).unwrap();
        for number in 1..=2 {
            let intent = entry(number, 0, submitted(number, true));
            running.journal.append(intent).await.unwrap();
        }
        // Its write is done, and its sync is not.
        disk.dies_at(disk.steps() + 1);
        let late = entry(3, 0, submitted(3, true));
        assert!(running.journal.append(late).await.is_err());
        disk.crash(Crash::Kill);
        drop(running);
        let next = start(&disk).unwrap();
        assert_eq!(next.found.len(), 3);
        disk.crash(Crash::Power(seed));
        drop(next);
        assert_eq!(found(&disk).await.unwrap().len(), 3, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_appended_is_in_the_file_soon_after() {
    let disk = SimulatedDisk::default();
    let running = start(&disk).unwrap();
    // The first look for what is old enough is over.
    tokio::time::sleep(CHECKPOINT).await;
    let before = disk.read(path()).unwrap();
    let first = entry(1, 0, submitted(1, true));
    running.journal.append(first).await.unwrap();
    assert_eq!(disk.read(path()).unwrap(), before, "it is in the log");
    tokio::time::sleep(CHECKPOINT).await;
    drop(running);
    disk.crash(Crash::Power(1));
    disk.remove(&log()).unwrap();
    assert_eq!(found(&disk).await.unwrap().len(), 1);
}
