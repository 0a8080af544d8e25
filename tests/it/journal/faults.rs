//! A disk that refuses: appends fail, readiness goes, and what is owed is written when it is back.
use std::time::Duration;

use futures_util::future::join_all;
use holdline::journal::{Change, Entry, LastRecord, Number, Place, ReadError, Remembered, Unready};

use prometheus_client::registry::Registry;

use super::disk::{Crash, Refusal, SimulatedDisk};
use super::world::{CHECKPOINT, Running, all, answer, doubt, entry, start, submitted};

/// One exchange from its submit to its delivery, with a doubt between.
fn path() -> Vec<Entry> {
    vec![
        entry(1, 0, submitted(1, true)),
        entry(1, 1, Change::Accepted("task".into())),
        entry(1, 2, Change::Candidate(Some(answer(1, 2, 300)))),
        entry(1, 3, doubt()),
        entry(1, 4, Change::Completed(Some(answer(1, 4, 300)))),
        entry(1, 5, Change::Delivered),
    ]
}

/// Appends the path as an exchange would: a failed intent ends it, any other failure changes nothing.
async fn play(running: &Running) -> Vec<bool> {
    let mut results = Vec::new();
    for entry in path() {
        let result = running.journal.append(entry).await;
        results.push(result.is_ok());
        if !results[0] {
            break;
        }
    }
    // The file takes in what the log holds.
    tokio::time::sleep(CHECKPOINT).await;
    results
}

async fn is_up_again(running: &Running) {
    let mut waited = 0;
    while !running.journal.is_up() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        waited += 1;
        assert!(waited < 300, "it does not come back");
    }
}

async fn refused(
    disk: SimulatedDisk,
    step: u64,
    refusal: Refusal,
    length: u64,
) -> (Vec<bool>, Vec<Remembered>) {
    let running = start(&disk).unwrap();
    let first = disk.steps() + step;
    disk.refuses(first..first + length, refusal);
    let results = play(&running).await;
    is_up_again(&running).await;
    assert_eq!(running.journal.may_start(), Ok(()));
    let seen = all(&running.journal).await;
    drop(running);
    disk.crash(Crash::Power(step));
    let running = start(&disk).unwrap();
    assert_eq!(all(&running.journal).await, seen, "what is owed is durable");
    (results, seen)
}

/// What `/metrics` tells of entries that wait for the disk.
fn owed(running: &Running) -> String {
    told(running, "journal_owed ")
}

/// What `/metrics` tells of whether it can be written.
fn up(running: &Running) -> String {
    told(running, "journal_up ")
}

/// What `/metrics` tells under a name.
pub(super) fn told(running: &Running, name: &str) -> String {
    running.journal.observe();
    let mut registry = Registry::default();
    running.metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix(name));
    line.unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn what_is_owed_is_counted_as_it_comes() {
    let disk = SimulatedDisk::default();
    let running = start(&disk).unwrap();
    let mut path = path().into_iter();
    let submitted = path.next().unwrap();
    running.journal.append(submitted).await.unwrap();
    let first = disk.steps();
    disk.refuses(first..first + 20, Refusal::Broken);
    for (entry, count) in path.take(2).zip(["1", "2"]) {
        assert!(running.journal.append(entry).await.is_err());
        assert_eq!(owed(&running), count);
    }
    // A doubt that comes with each repeat is owed once.
    for step in 3..8 {
        assert!(
            running
                .journal
                .append(entry(1, step, doubt()))
                .await
                .is_err()
        );
        assert_eq!(owed(&running), "3");
    }
    is_up_again(&running).await;
    assert_eq!(owed(&running), "0");
    let found = all(&running.journal).await;
    assert!(matches!(found[0].last_record, LastRecord::InDoubt(_)));
    assert_eq!(found[0].next_step, 8);
}

async fn steps() -> u64 {
    let disk = SimulatedDisk::default();
    let running = start(&disk).unwrap();
    let before = disk.steps();
    play(&running).await;
    disk.steps() - before
}

#[tokio::test(start_paused = true)]
async fn whatever_step_the_disk_refuses_what_is_owed_is_written_when_it_is_back() {
    let steps = steps().await;
    let (mut failed, mut withdrawn) = (0, 0);
    for refusal in [Refusal::Broken, Refusal::Full, Refusal::DoneAllTheSame] {
        for step in 0..steps {
            for (length, keeps_cache) in [(1, false), (1, true), (40, false), (40, true)] {
                let disk = SimulatedDisk::default();
                if keeps_cache {
                    disk.keeps_cache();
                }
                let (results, found) = refused(disk, step, refusal, length).await;
                failed += usize::from(results.contains(&false));
                let what =
                    format!("{refusal:?} at step {step}, {keeps_cache}: {results:?} {found:?}");
                if results[0] {
                    assert_eq!(found.len(), 1, "{what}");
                    assert_eq!(found[0].last_record, LastRecord::Delivered, "{what}");
                    assert_eq!(found[0].answer.map(|it| it.step), Some(4), "{what}");
                } else {
                    withdrawn += found.len();
                    assert!(
                        found.iter().all(|it| it.last_record == LastRecord::Ended),
                        "{what}"
                    );
                }
            }
        }
    }
    assert!(failed > 20, "the disk refused {failed} runs");
    assert!(
        withdrawn > 0,
        "no intent was written that was said to be refused"
    );
}

/// Whoever reads has the file take in what the log holds; the disk refuses so many steps of that.
async fn refused_while_somebody_reads(step: u64, length: u64, is_killed: bool) -> Vec<bool> {
    let disk = SimulatedDisk::default();
    disk.keeps_cache();
    let running = start(&disk).unwrap();
    let mut durable = Vec::new();
    for number in 1..=2 {
        let intent = entry(number, 0, submitted(number, true));
        durable.push(running.journal.append(intent).await.is_ok());
        if number == 1 {
            all(&running.journal).await;
        }
    }
    let first = disk.steps() + step;
    disk.refuses(first..first + length, Refusal::Broken);
    let read = running.journal.remembered(Number(0), 9).await;
    for number in 3..=4 {
        let intent = entry(number, 0, submitted(number, true));
        durable.push(running.journal.append(intent).await.is_ok());
    }
    // What came now would follow nothing.
    assert!(read.is_ok() || !durable[2], "step {step}: it is down");
    disk.heals();
    if !is_killed {
        tokio::time::sleep(CHECKPOINT).await;
        is_up_again(&running).await;
    }
    disk.crash(Crash::Kill);
    drop(running);
    let started = start(&disk);
    let what = format!("step {step}, {length}, {is_killed}: {durable:?}");
    let running = started.unwrap_or_else(|error| panic!("{what}: {error}"));
    let found = all(&running.journal).await;
    for (number, _) in (1..).zip(&durable).filter(|(_, is_durable)| **is_durable) {
        let is_there = found.iter().any(|it| it.number == Number(number));
        assert!(is_there, "{what}: exchange {number}");
    }
    durable
}

#[tokio::test(start_paused = true)]
async fn whatever_step_the_disk_refuses_while_somebody_reads_what_is_durable_stays() {
    let mut failed = 0;
    for step in 0..40 {
        for length in [1, 2, 200] {
            for is_killed in [true, false] {
                let durable = refused_while_somebody_reads(step, length, is_killed).await;
                failed += usize::from(durable.contains(&false));
            }
        }
    }
    assert!(failed > 20, "the disk refused {failed} runs");
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_is_down_tells_what_the_disk_said_last() {
    let disk = SimulatedDisk::default();
    let running = start(&disk).unwrap();
    let journal = &running.journal;
    let why = || journal.may_start().unwrap_err().to_string();
    journal.append(path()[0].clone()).await.unwrap();
    all(journal).await;
    journal
        .append(entry(2, 0, submitted(2, true)))
        .await
        .unwrap();
    disk.refuses(disk.steps()..u64::MAX, Refusal::Full);
    // The file fails to take in what the log holds while somebody reads; the writer finds that it has.
    assert!(journal.remembered(Number(0), 9).await.is_err());
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(
        why().contains("take in") && why().contains("No space left"),
        "{}",
        why()
    );
    disk.heals();
    tokio::time::sleep(CHECKPOINT).await;
    is_up_again(&running).await;
    // The log takes nothing, neither before it was opened anew nor behind that.
    let first = disk.steps();
    disk.refuses(first..first + 1, Refusal::Broken);
    assert!(journal.append(path()[1].clone()).await.is_err());
    assert!(why().contains("Input/output error"), "{}", why());
    disk.refuses(first + 1..u64::MAX, Refusal::Full);
    tokio::time::sleep(CHECKPOINT).await;
    assert!(why().contains("No space left"), "{}", why());
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_holds_up_intents_and_no_answer() {
    let disk = SimulatedDisk::default();
    let running = start(&disk).unwrap();
    let journal = &running.journal;
    journal.append(path()[0].clone()).await.unwrap();
    for number in [3, 4] {
        let begun = entry(number, 0, submitted(number, false));
        journal.append(begun).await.unwrap();
    }
    disk.hangs();
    let accepted = journal.append(path()[1].clone());
    let refused = journal.append(entry(3, 1, Change::Refused));
    let withdrawn = journal.append(entry(4, 1, Change::Withdrawn));
    let mut intent = journal.append(entry(2, 0, submitted(2, true)));
    assert_eq!(journal.may_start(), Ok(()), "it may be slow only");
    assert_eq!((up(&running), owed(&running)), ("1".into(), "0".into()));
    for answered in [accepted, refused, withdrawn] {
        let told = tokio::time::timeout(Duration::from_secs(6), answered).await;
        assert!(told.expect("it is not waited for").is_err());
    }
    assert!(futures_util::poll!(&mut intent).is_pending());
    assert!(journal.is_up(), "nothing failed");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(journal.may_start(), Err(Unready::Hung));
    assert_eq!((up(&running), owed(&running)), ("0".into(), "4".into()));
    assert!(journal.append(path()[4].clone()).await.is_err());
    assert_eq!(owed(&running), "5");
    let place = path()[1].place;
    assert_eq!(journal.answer(place).await, Err(ReadError::Down));
    disk.heals();
    intent.await.unwrap();
    assert_eq!(journal.may_start(), Ok(()));
    assert_eq!((up(&running), owed(&running)), ("1".into(), "0".into()));
    // What was not waited for is written all the same.
    journal.append(path()[5].clone()).await.unwrap();
    let found = all(journal).await;
    assert_eq!(found[0].last_record, LastRecord::Delivered);
    assert_eq!(found[0].ticket.as_deref(), Some("task"));
    assert_eq!(found[0].answer.map(|it| it.step), Some(4));
    for ended in &found[2..] {
        assert_eq!(ended.last_record, LastRecord::Ended);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_not_waited_for_where_the_disk_hangs() {
    let disk = SimulatedDisk::default();
    let running = start(&disk).unwrap();
    let journal = &running.journal;
    for entry in &path()[..5] {
        journal.append(entry.clone()).await.unwrap();
    }
    let place = path()[4].place;
    disk.hangs();
    let readings = join_all((0..40).map(|_| journal.answer(place)));
    let read = tokio::time::timeout(Duration::from_secs(6), readings).await;
    let read = read.expect("they are not waited for");
    assert!(read.iter().all(|it| *it == Err(ReadError::Down)));
    disk.heals();
    assert!(journal.answer(place).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_is_down_says_so_and_takes_no_new_exchange() {
    let disk = SimulatedDisk::default();
    let running = start(&disk).unwrap();
    let journal = &running.journal;
    journal.append(path()[0].clone()).await.unwrap();
    assert!(journal.is_up());
    disk.refuses(disk.steps()..u64::MAX, Refusal::Broken);
    assert!(journal.append(path()[1].clone()).await.is_err());
    assert!(!journal.is_up());
    let why = journal.may_start().unwrap_err().to_string();
    assert!(
        why.contains("the journal is down: failed to write the log"),
        "{why}"
    );
    assert!(
        journal
            .append(entry(2, 0, submitted(2, true)))
            .await
            .is_err()
    );
    assert!(journal.append(path()[4].clone()).await.is_err());
    let place = Place {
        number: Number(1),
        step: 4,
    };
    assert_eq!(journal.answer(place).await, Err(ReadError::Down));
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(!journal.is_up(), "the disk is still broken");
    disk.heals();
    is_up_again(&running).await;
    let found = all(journal).await;
    assert_eq!(found.len(), 1, "the intent was never on its way");
    assert_eq!(found[0].last_record, LastRecord::Completed);
    assert!(journal.verify().await.unwrap().is_sound());
    assert!(journal.answer(place).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn that_a_disk_takes_nothing_is_not_told_as_damage() {
    let disk = SimulatedDisk::default();
    let running = start(&disk).unwrap();
    let journal = &running.journal;
    journal.append(path()[0].clone()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    // It stands in the log alone.
    journal.append(path()[1].clone()).await.unwrap();
    disk.refuses(disk.steps()..u64::MAX, Refusal::Full);
    assert_eq!(journal.verify().await, Err(ReadError::Down));
    disk.heals();
    tokio::time::sleep(Duration::from_secs(2)).await;
    is_up_again(&running).await;
    assert!(journal.verify().await.unwrap().is_sound());
}

#[tokio::test(start_paused = true)]
async fn soft_answers_that_follow_each_other_are_kept_once() {
    let disk = SimulatedDisk::default();
    let running = start(&disk).unwrap();
    let journal = &running.journal;
    for entry in path().into_iter().take(2) {
        journal.append(entry).await.unwrap();
    }
    for step in 2..40 {
        let soft = Change::Candidate(Some(answer(1, step, 5_000)));
        journal.append(entry(1, step, soft)).await.unwrap();
        let earlier = Place {
            number: Number(1),
            step: step - 1,
        };
        assert_eq!(
            journal.answer(earlier).await,
            Err(ReadError::Absent(earlier))
        );
    }
    let found = all(journal).await;
    assert_eq!(found[0].candidate.map(|it| it.step), Some(39));
}
