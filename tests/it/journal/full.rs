//! A journal that is full, and whose process ends at any moment: it starts, and nothing that counts is
//! lost.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fastrand::Rng;
use holdline::journal::{Change, Config, Journal, LastRecord, Remembered, Unready};

use super::disk::{Crash, SimulatedDisk};
use super::world::{DAY, Running, all, answer, doubt, entry, path, start_with, submitted};

const LIMIT: u64 = Config::LEAST_MAX_BYTES;

const ABREAST: u64 = 50;

/// What was paid, as their clients know of it.
#[derive(Default)]
struct Payments {
    begun: u64,
    /// How many entries of each are durable.
    durable: BTreeMap<u64, u32>,
    /// Those whose answers nobody fetches.
    waiting: BTreeSet<u64>,
}

impl Payments {
    /// Payments with a key, from submit to delivery, or to an answer that nobody fetches. False if an
    /// entry could not be written.
    async fn wave(&mut self, journal: &Journal, delivered: bool) -> bool {
        let length = if delivered { 700 } else { 3_000 };
        self.pay(journal, ABREAST, length, delivered).await
    }

    /// The same, of so many.
    async fn pay(&mut self, journal: &Journal, many: u64, length: usize, delivered: bool) -> bool {
        let numbers = self.begun + 1..=self.begun + many;
        self.begun += many;
        for step in 0..3 + u32::from(delivered) {
            let mut under_way = Vec::new();
            for number in numbers.clone() {
                let change = match step {
                    0 => submitted(number, true),
                    1 => Change::Accepted("a26e9b7f-7c6b-4c6b-9a3e-2f6d2f6f2d3b".into()),
                    2 => Change::Completed(Some(answer(number, 2, length))),
                    _ => Change::Delivered,
                };
                under_way.push((number, journal.append(entry(number, step, change))));
            }
            for (number, appending) in under_way {
                if appending.await.is_err() {
                    return false;
                }
                self.durable.insert(number, step + 1);
                if !delivered && step == 2 {
                    self.waiting.insert(number);
                }
            }
        }
        true
    }

    /// Pays until the journal is full, for want of room and nothing else.
    async fn fill(&mut self, journal: &Journal, delivered: bool, most: u64) {
        while journal.may_start().is_ok() && self.begun < most {
            assert!(self.wave(journal, delivered).await, "at {}", self.begun);
        }
    }

    /// What a start found is no less than what was durable.
    fn check(&self, found: &[Remembered]) {
        let found: BTreeMap<_, _> = found.iter().map(|it| (it.number.0, it)).collect();
        for (number, durable) in &self.durable {
            let it = found.get(number);
            assert!(
                it.is_some_and(|it| it.next_step >= *durable),
                "of {number} {durable} entries were durable, and this is known: {it:?}"
            );
        }
        for number in &self.waiting {
            let it = found[number];
            assert_eq!(it.last_record, LastRecord::Completed);
            assert!(it.answer.is_some(), "the answer of {number} waits");
        }
    }
}

fn started(disk: &SimulatedDisk, round: usize) -> Running {
    start_with(disk, LIMIT, DAY).unwrap_or_else(|error| panic!("start {round}: {error}"))
}

/// Most of it is answers that wait, so that it is soon full; the rest is facts.
async fn full(disk: &SimulatedDisk) -> Payments {
    let mut payments = Payments::default();
    let running = started(disk, 0);
    payments.fill(&running.journal, false, 2_200).await;
    payments.fill(&running.journal, true, u64::MAX).await;
    assert_eq!(running.journal.may_start(), Err(Unready::Full));
    payments
}

#[tokio::test(start_paused = true)]
async fn a_full_journal_starts_after_every_end_of_its_process_and_loses_nothing() {
    let disk = SimulatedDisk::default();
    let mut payments = full(&disk).await;
    let mut random = Rng::with_seed(7);
    for round in 1..=12 {
        disk.crash(match round % 3 {
            0 => Crash::Power(random.u64(..)),
            _ => Crash::Kill,
        });
        let running = started(&disk, round);
        payments.check(&running.found);
        disk.dies_at(disk.steps() + random.u64(1..400));
        for _ in 0..30 {
            if running.journal.may_start().is_ok() {
                let written = payments.wave(&running.journal, true).await;
                assert!(
                    written || disk.is_dead(),
                    "for want of room in round {round}"
                );
            } else {
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
            if disk.is_dead() {
                break;
            }
        }
    }
    disk.crash(Crash::Kill);
    payments.check(&started(&disk, 13).found);
}

/// So little that a few answers are too many.
const SMALL: u64 = 3 * 1024 * 1024;

/// Payments whose answers are too many, and go; the process dies at a step of it, if one is given. How
/// many steps it took.
async fn folded(disk: &SimulatedDisk, payments: &mut Payments, dies_at: Option<u64>) -> u64 {
    let running = start_with(disk, SMALL, DAY).unwrap();
    let began = disk.steps();
    if let Some(step) = dies_at {
        disk.dies_at(began + step);
    }
    let paid = payments.pay(&running.journal, 14, 60_000, true).await;
    assert!(paid || disk.is_dead());
    tokio::time::sleep(Duration::from_secs(5)).await;
    disk.steps() - began
}

#[tokio::test(start_paused = true)]
async fn wherever_the_process_dies_over_a_fold_it_is_done_or_it_is_not() {
    let steps = folded(&SimulatedDisk::default(), &mut Payments::default(), None).await;
    let (mut done, mut undone) = (0, 0);
    for step in 0..=steps {
        for crash in [Crash::Kill, Crash::Power(step)] {
            let (disk, mut payments) = (SimulatedDisk::default(), Payments::default());
            folded(&disk, &mut payments, Some(step)).await;
            disk.crash(crash);
            let running = start_with(&disk, SMALL, DAY).unwrap();
            payments.check(&running.found);
            let delivered = running.found.iter();
            let mut delivered = delivered.filter(|it| it.last_record == LastRecord::Delivered);
            let is_done = delivered.any(|it| it.answer.is_none());
            done += usize::from(is_done);
            undone += usize::from(!is_done);
            let report = running.journal.verify().await.unwrap();
            assert!(report.is_sound(), "step {step}, {crash:?}: {report:?}");
        }
    }
    assert!(
        done > 5 && undone > 5,
        "{done} of {undone} in {steps} steps"
    );
}

#[tokio::test(start_paused = true)]
async fn who_opens_a_journal_for_a_verdict_forgets_nothing_however_long_the_file_may_be() {
    let (disk, mut payments) = (SimulatedDisk::default(), Payments::default());
    let running = start_with(&disk, LIMIT, DAY).unwrap();
    assert!(payments.pay(&running.journal, 14, 60_000, true).await);
    assert_eq!(running.journal.close().await, 0);
    let length = || disk.read(path()).unwrap().len() as u64;
    let before = length();
    let running = start_with(&disk, before, None).unwrap();
    for (step, change) in [(0, submitted(15, true)), (1, doubt())] {
        running
            .journal
            .append(entry(15, step, change))
            .await
            .unwrap();
    }
    tokio::time::sleep(Duration::from_secs(120)).await;
    let all = all(&running.journal).await;
    assert_eq!(all.len(), 15);
    assert!(all[..14].iter().all(|it| it.answer.is_some()));
    assert_eq!(running.journal.close().await, 0);
    assert!(
        length() <= before + 4 * 1024 * 1024,
        "{before}, {}",
        length()
    );
}

#[tokio::test(start_paused = true)]
async fn a_full_journal_that_is_closed_and_opened_stays_full_and_lets_what_runs_end() {
    let disk = SimulatedDisk::default();
    let mut payments = full(&disk).await;
    for round in 1..=6 {
        disk.crash(Crash::Kill);
        let running = started(&disk, round);
        payments.check(&running.found);
        // Those that were let in before it was known to be full.
        assert!(payments.wave(&running.journal, true).await);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(running.journal.close().await, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_longer_than_the_limit_is_opened_and_takes_nothing_new() {
    let disk = SimulatedDisk::default();
    let mut payments = Payments::default();
    let running = start_with(&disk, 2 * LIMIT, DAY).unwrap();
    payments.fill(&running.journal, false, 6_000).await;
    // A process that is killed does not go on beside its successor.
    drop(running);
    for round in 1..=3 {
        disk.crash(Crash::Kill);
        let running = started(&disk, 1);
        payments.check(&running.found);
        // What ran when it stopped may end.
        let late = entry(round, 3, Change::Delivered);
        running.journal.append(late).await.unwrap();
        payments.waiting.remove(&round);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(running.journal.may_start(), Err(Unready::Full));
    }
}
