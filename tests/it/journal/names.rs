//! Files that are removed, moved away or replaced while they are open: it is noticed, nothing is
//! forgotten, and no other file is taken for one of them.
use std::path::{Path, PathBuf};

use holdline::journal::{Change, Disk, LastRecord, OpenError, Remembered, Unready};

use super::damage::filled;
use super::disk::{Crash, Refusal, SimulatedDisk};
use super::world::{CHECKPOINT, Running, entry, key, log, mark, path, start, submitted};

fn files() -> [PathBuf; 4] {
    [path().to_owned(), log(), mark(), key()]
}

/// Every choice of them but none.
fn choices() -> impl Iterator<Item = Vec<PathBuf>> {
    (1_usize..16).map(|bits| {
        let chosen = files().into_iter().enumerate();
        chosen
            .filter_map(|(at, file)| (bits >> at & 1 == 1).then_some(file))
            .collect()
    })
}

fn elsewhere(path: &Path) -> PathBuf {
    Path::new("/elsewhere").join(path.file_name().unwrap())
}

fn move_away(disk: &SimulatedDisk, files: &[PathBuf]) {
    for file in files {
        disk.rename(file, &elsewhere(file)).unwrap();
    }
    disk.sync_directory(path()).unwrap();
}

fn move_back(disk: &SimulatedDisk, files: &[PathBuf]) {
    for file in files {
        disk.rename(&elsewhere(file), file).unwrap();
    }
}

fn remove(disk: &SimulatedDisk, files: &[PathBuf]) {
    for file in files {
        disk.remove(file).unwrap();
    }
    disk.sync_directory(path()).unwrap();
}

/// Whether the intent of a new exchange is durable.
async fn begins(running: &Running, number: u64) -> bool {
    let intent = entry(number, 0, submitted(number, true));
    running.journal.append(intent).await.is_ok()
}

async fn a_moment() {
    tokio::time::sleep(CHECKPOINT).await;
}

/// What keeps the journal down, in words.
fn trouble(running: &Running) -> String {
    match running.journal.may_start() {
        Err(down @ Unready::Down(_)) => down.to_string(),
        other => panic!("{other:?}"),
    }
}

/// What a start finds, once the process is killed.
fn after_a_kill(disk: &SimulatedDisk, running: Running) -> Result<Vec<Remembered>, OpenError> {
    drop(running);
    disk.crash(Crash::Kill);
    start(disk).map(|running| running.found.clone())
}

/// A journal with one exchange in the file, and one in the log.
async fn with_two(disk: &SimulatedDisk) -> Running {
    let running = start(disk).unwrap();
    assert!(begins(&running, 1).await);
    a_moment().await;
    assert!(begins(&running, 2).await);
    running
}

fn numbers(found: &[Remembered]) -> Vec<u64> {
    found.iter().map(|it| it.number.0).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_removed_is_written_again_with_all_that_was_in_it() {
    for removed in choices() {
        for crash in [Crash::Kill, Crash::Power(3)] {
            let disk = SimulatedDisk::default();
            let running = with_two(&disk).await;
            remove(&disk, &removed);
            a_moment().await;
            for file in files() {
                assert!(
                    disk.read(&file).is_some(),
                    "{} of {removed:?}",
                    file.display()
                );
            }
            assert_eq!(running.journal.may_start(), Ok(()), "{removed:?}");
            assert!(begins(&running, 3).await);
            drop(running);
            disk.crash(crash);
            let found = start(&disk).unwrap().found.clone();
            assert_eq!(numbers(&found), [1, 2, 3], "{removed:?}, {crash:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn wherever_the_process_dies_over_it_all_is_known_or_nothing_starts() {
    for removed in choices() {
        let (mut refused, mut whole) = (0, 0);
        for step in 0.. {
            let disk = SimulatedDisk::default();
            let running = with_two(&disk).await;
            remove(&disk, &removed);
            disk.dies_at(disk.steps() + step);
            a_moment().await;
            let has_died = disk.is_dead();
            // Until then nobody knows that anything is missing but the process that dies.
            let has_mark = disk.read(&mark()).is_some();
            match after_a_kill(&disk, running) {
                Ok(found) if has_mark => {
                    assert_eq!(numbers(&found), [1, 2], "{removed:?}, step {step}");
                    whole += 1;
                }
                Ok(_) => assert!(removed.contains(&mark()), "step {step}"),
                Err(_) => refused += 1,
            }
            if !has_died {
                break;
            }
        }
        assert!(whole > 0, "{removed:?}: {refused} refused");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_moved_away_is_awaited_and_taken_again() {
    for moved in choices().filter(|moved| *moved != [mark()]) {
        let disk = SimulatedDisk::default();
        let running = start(&disk).unwrap();
        assert!(begins(&running, 1).await);
        move_away(&disk, &moved);
        a_moment().await;
        let words = trouble(&running);
        for file in moved.iter().filter(|file| **file != mark()) {
            let told = format!("{} was moved away: move that file back", file.display());
            assert!(words.contains(&told), "{words}");
        }
        assert!(!begins(&running, 2).await, "{moved:?}");
        let accepted = entry(1, 1, Change::Accepted("task".into()));
        assert!(running.journal.append(accepted).await.is_err());
        move_back(&disk, &moved);
        tokio::time::sleep(CHECKPOINT * 3).await;
        assert_eq!(running.journal.may_start(), Ok(()), "{moved:?}");
        assert!(begins(&running, 3).await);
        let found = after_a_kill(&disk, running).unwrap();
        assert_eq!(numbers(&found), [1, 3], "{moved:?}");
        assert_eq!(found[0].ticket.as_deref(), Some("task"), "what was owed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_mark_that_is_moved_away_is_made_anew_and_one_in_its_place_is_taken() {
    let disk = SimulatedDisk::default();
    let running = start(&disk).unwrap();
    assert!(begins(&running, 1).await);
    move_away(&disk, &[mark()]);
    a_moment().await;
    assert_eq!(running.journal.may_start(), Ok(()));
    move_back(&disk, &[mark()]);
    a_moment().await;
    assert_eq!(running.journal.may_start(), Ok(()));
    assert!(begins(&running, 2).await);
}

#[tokio::test(start_paused = true)]
async fn a_start_after_all_was_moved_away_is_refused() {
    let disk = SimulatedDisk::default();
    let running = start(&disk).unwrap();
    assert!(begins(&running, 1).await);
    move_away(&disk, &files());
    a_moment().await;
    let started = after_a_kill(&disk, running);
    assert!(
        matches!(started, Err(OpenError::JournalGone { .. })),
        "{started:?}"
    );
    disk.crash(Crash::Kill);
    move_back(&disk, &files());
    assert_eq!(numbers(&start(&disk).unwrap().found), [1]);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_put_in_the_place_of_a_file_is_neither_taken_nor_touched() {
    for (file, is_copy) in [path().to_owned(), log(), key()]
        .into_iter()
        .flat_map(|file| [(file.clone(), true), (file, false)])
    {
        let disk = SimulatedDisk::default();
        let running = start(&disk).unwrap();
        assert!(begins(&running, 1).await);
        let copied = disk.read(&file).unwrap();
        let other = if is_copy {
            copied
        } else {
            b"another's".to_vec()
        };
        disk.remove(&file).unwrap();
        disk.create(&file).unwrap();
        disk.alter(&file, |bytes| bytes.clone_from(&other));
        a_moment().await;
        let words = trouble(&running);
        let told = format!("another file stands at {}: move it away", file.display());
        assert!(words.contains(&told), "{words}");
        assert!(!begins(&running, 2).await);
        tokio::time::sleep(CHECKPOINT * 9).await;
        assert_eq!(disk.read(&file).unwrap(), other, "it is not ours");
        disk.remove(&file).unwrap();
        tokio::time::sleep(CHECKPOINT * 3).await;
        assert!(begins(&running, 3).await, "{}", file.display());
        let found = after_a_kill(&disk, running).unwrap();
        assert_eq!(numbers(&found), [1, 3], "{}", file.display());
    }
}

#[tokio::test(start_paused = true)]
async fn four_older_files_in_the_place_of_ours_are_not_taken_and_start_no_more() {
    let (disk, _) = filled(true).await;
    let older = files().map(|file| disk.read(&file).unwrap());
    let running = start(&disk).unwrap();
    assert!(begins(&running, 50).await);
    for (file, bytes) in files().iter().zip(older) {
        disk.remove(file).unwrap();
        disk.create(file).unwrap();
        disk.alter(file, |it| *it = bytes);
    }
    a_moment().await;
    trouble(&running);
    let started = after_a_kill(&disk, running);
    assert!(
        matches!(started, Err(OpenError::Behind { .. })),
        "{started:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_removed_right_before_the_end_is_there_after_it() {
    let disk = SimulatedDisk::default();
    let running = start(&disk).unwrap();
    assert!(begins(&running, 1).await);
    remove(&disk, &files());
    running.journal.close().await;
    let found = after_a_kill(&disk, running).unwrap();
    assert_eq!(found[0].last_record, LastRecord::Submitted);
}

/// What a start says of a journal of whose files these are gone.
fn told(gone: &[PathBuf], started: &Result<Vec<Remembered>, OpenError>) -> bool {
    let lacks = |file: &Path| gone.iter().any(|it| it == file);
    match started {
        // With neither of its witnesses it is what an operator leaves who begins anew.
        Err(OpenError::JournalGone { .. }) => lacks(path()) && !(lacks(&mark()) && lacks(&log())),
        Err(OpenError::KeyGone { .. }) => !lacks(path()) && lacks(&key()),
        Err(OpenError::Behind { .. }) => !lacks(path()) && lacks(&log()) && !lacks(&mark()),
        Ok(found) if lacks(path()) => lacks(&mark()) && lacks(&log()) && found.is_empty(),
        Ok(_) => !lacks(&key()) && lacks(&mark()),
        Err(_) => false,
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_tells_which_files_are_missing() {
    for gone in choices() {
        let (disk, _) = filled(false).await;
        remove(&disk, &gone);
        let started = start(&disk).map(|running| running.found.clone());
        assert!(told(&gone, &started), "without {gone:?}: {started:?}");
    }
}

/// What somebody left of the key file.
fn spoilt() -> [Vec<u8>; 4] {
    [
        Vec::new(),
        b"holdline jou".to_vec(),
        vec![b'x'; 500],
        b"holdline journal key 2\n".to_vec(),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_cut_or_written_over_is_written_again() {
    for content in spoilt() {
        let disk = SimulatedDisk::default();
        let running = with_two(&disk).await;
        let whole = disk.read(&key()).unwrap();
        disk.alter(&key(), |bytes| bytes.clone_from(&content));
        a_moment().await;
        assert_eq!(disk.read(&key()), Some(whole));
        assert_eq!(running.journal.may_start(), Ok(()));
        assert!(begins(&running, 3).await);
        let found = after_a_kill(&disk, running).unwrap();
        assert_eq!(numbers(&found), [1, 2, 3]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_key_of_another_journal_is_told_and_not_touched() {
    let others = SimulatedDisk::default();
    drop(start(&others).unwrap());
    let other = others.read(&key()).unwrap();
    let disk = SimulatedDisk::default();
    let running = with_two(&disk).await;
    let whole = disk.read(&key()).unwrap();
    disk.alter(&key(), |bytes| bytes.clone_from(&other));
    a_moment().await;
    let words = trouble(&running);
    assert!(words.contains("the key of another journal was written to"));
    assert!(!begins(&running, 3).await);
    tokio::time::sleep(CHECKPOINT * 9).await;
    assert_eq!(disk.read(&key()), Some(other), "it is not ours");
    disk.alter(&key(), |bytes| bytes.clone_from(&whole));
    tokio::time::sleep(CHECKPOINT * 3).await;
    assert!(begins(&running, 4).await);
    let found = after_a_kill(&disk, running).unwrap();
    assert_eq!(numbers(&found), [1, 2, 4]);
}

#[tokio::test(start_paused = true)]
async fn what_fails_while_it_is_written_again_is_tried_again() {
    let alone = files().into_iter().map(|file| vec![file]);
    for removed in alone.chain([files().to_vec()]) {
        let mut step = 0;
        loop {
            let disk = SimulatedDisk::default();
            let running = with_two(&disk).await;
            remove(&disk, &removed);
            let refused = disk.steps() + step;
            disk.refuses(refused..refused + 1, Refusal::Broken);
            a_moment().await;
            let had_time = disk.steps() > refused;
            tokio::time::sleep(CHECKPOINT * 9).await;
            let may_start = running.journal.may_start();
            assert_eq!(may_start, Ok(()), "{removed:?}, step {step}");
            let found = after_a_kill(&disk, running).unwrap();
            assert_eq!(numbers(&found), [1, 2], "{removed:?}, step {step}");
            if !had_time {
                break;
            }
            step += 1;
        }
        assert!(step > 10, "{removed:?}");
    }
}
