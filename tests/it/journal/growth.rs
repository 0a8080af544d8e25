//! The file stays under its limit, whatever goes through it.
use std::sync::Arc;
use std::time::Duration;

use holdline::drain::Drain;
use holdline::exchange::{HashKey, Past};
use holdline::journal::{
    Change, Config, Entry, Head, Journal, LastRecord, Metrics, Number, Parts, Place, ReadError,
    SystemDisk, Unready, claim, open,
};
use holdline::timing::{Clock, Stamp, Stamps};

use super::world::{DAY, all, answer, entry, head, stamp, submitted};

const LIMIT: u64 = Config::LEAST_MAX_BYTES;

/// How many exchanges run side by side.
const ABREAST: u64 = 50;

/// Longer than the waves take, and short for a clock that runs ahead.
const RETENTION: Duration = Duration::from_secs(300);

struct Grown {
    _room: tempfile::TempDir,
    config: Config,
    journal: Journal,
    longest: u64,
    /// How many milliseconds apart the exchanges began.
    apart: u64,
}

impl Grown {
    fn new(limit: u64, retention: Duration) -> Self {
        // In memory where that can be: this is not about what is durable.
        let room = tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .unwrap();
        let config = Config {
            in_memory: false,
            path: room.path().join("a.redb"),
            max_bytes: limit,
        };
        let clock = Clock::start();
        let parts = Parts {
            config: config.clone(),
            retention: Some(retention),
            disk: Arc::new(SystemDisk),
            clock,
            stamps: Stamps::new(clock, stamp(0)),
            metrics: Metrics::default(),
        };
        let opened = open(parts, |_| {}).unwrap();
        Drain::new().spawn(opened.writer.run());
        Self {
            _room: room,
            config,
            journal: opened.journal,
            longest: 0,
            apart: 0,
        }
    }

    /// One wave of exchanges from submit to delivery, or to the answer that nobody fetches.
    async fn wave(&mut self, numbers: std::ops::Range<u64>, explicit: bool, delivered: bool) {
        for step in 0..3 + u32::from(delivered) {
            let mut under_way = Vec::new();
            for number in numbers.clone() {
                let change = match step {
                    0 => submitted(number, explicit),
                    1 => Change::Accepted("a26e9b7f-7c6b-4c6b-9a3e-2f6d2f6f2d3b".into()),
                    2 => Change::Completed(Some(answer(number, 2, 700))),
                    _ => Change::Delivered,
                };
                let appended = Entry {
                    stamp: stamp(number * self.apart + u64::from(step)),
                    ..entry(number, step, change)
                };
                under_way.push(self.journal.append(appended));
            }
            for appending in under_way {
                appending.await.unwrap();
            }
            let length = std::fs::metadata(&self.config.path).unwrap().len();
            self.longest = self.longest.max(length);
        }
    }
}

/// Some exchanges wait for their clients; all others are delivered.
async fn through(limit: u64, exchanges: u64) -> Grown {
    let mut grown = Grown::new(limit, DAY);
    grown.wave(1..1 + ABREAST, false, false).await;
    for first in (1 + ABREAST..exchanges).step_by(usize::try_from(ABREAST).unwrap()) {
        grown.wave(first..first + ABREAST, false, true).await;
        assert_eq!(grown.journal.may_start(), Ok(()), "at {first}");
    }
    grown
}

#[tokio::test(start_paused = true)]
async fn the_file_stays_under_its_limit_and_what_waits_for_its_client_stays_in_it() {
    let grown = through(LIMIT, 10_000).await;
    assert!(grown.longest <= LIMIT, "{} bytes", grown.longest);
    assert!(
        grown.longest > LIMIT / 4,
        "only {} bytes: it was not filled",
        grown.longest
    );
    let remembered = all(&grown.journal).await;
    let waiting = remembered
        .iter()
        .filter(|it| it.last_record == LastRecord::Completed);
    assert_eq!(waiting.count() as u64, ABREAST);
    assert!(remembered.len() < 9_000, "the oldest were forgotten");
    let last = remembered.last().unwrap();
    assert_eq!(
        last.last_record,
        LastRecord::Delivered,
        "the newest is remembered"
    );
}

#[tokio::test(start_paused = true)]
#[ignore = "a million exchanges take a minute; scripts/check runs it"]
async fn a_million_exchanges_stay_under_the_limit() {
    let limit = 64 * 1024 * 1024;
    let grown = through(limit, 1_000_000).await;
    assert!(grown.longest <= limit, "{} bytes", grown.longest);
}

#[tokio::test(start_paused = true)]
async fn with_a_key_the_answer_goes_and_the_fact_stays_until_the_journal_is_full() {
    let mut grown = Grown::new(LIMIT, RETENTION);
    let mut number = 1;
    while grown.journal.may_start().is_ok() {
        grown.wave(number..number + ABREAST, true, true).await;
        number += ABREAST;
        assert!(number < 60_000, "it never fills");
    }
    assert_eq!(grown.journal.may_start(), Err(Unready::Full));
    assert!(grown.longest <= LIMIT, "{} bytes", grown.longest);
    // 640 bytes each: what `docs/sizing.md` tells.
    assert!(number > 19_000, "it is full at {number}");
    let facts = all(&grown.journal).await;
    assert_eq!(facts.len() as u64, number - 1, "no fact is forgotten");
    assert_eq!(facts[0].answer, None, "the oldest answer went");
    let place = Place {
        number: Number(1),
        step: 2,
    };
    assert_eq!(
        grown.journal.answer(place).await,
        Err(ReadError::Absent(place))
    );
    // What runs may end, and room comes back with the retention.
    grown.wave(number..number + 1, true, true).await;
    tokio::time::sleep(RETENTION * 2).await;
    assert_eq!(grown.journal.may_start(), Ok(()));
}

/// The most memory that this process had since `/proc/self/clear_refs` was last written (proc(5)).
#[cfg(target_os = "linux")]
fn peak_of_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kilobytes = line.unwrap().split_ascii_whitespace().nth(1).unwrap();
    kilobytes.parse::<u64>().unwrap() * 1024
}

#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
#[ignore = "two hundred thousand exchanges take a minute; run it alone, and in release"]
#[expect(clippy::print_stderr, reason = "what is measured is to be read")]
async fn a_start_holds_a_fact_of_each_exchange_that_is_done_and_no_more() {
    const EXCHANGES: u64 = 200_000;
    const APART: u64 = 20;
    let limit = 1024 * 1024 * 1024;
    let mut grown = Grown::new(limit, DAY);
    grown.apart = APART;
    for first in (1..EXCHANGES).step_by(usize::try_from(ABREAST).unwrap()) {
        grown.wave(first..first + ABREAST, true, true).await;
    }
    grown.journal.close().await;
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let (before, began) = (peak_of_memory(), Stamp::of_this_system());
    let clock = Clock::start();
    let stamps = Stamps::new(clock, stamp(EXCHANGES * APART));
    let claimed = claim(Parts {
        config: grown.config.clone(),
        retention: Some(DAY),
        disk: Arc::new(SystemDisk),
        clock,
        stamps,
        metrics: Metrics::default(),
    })
    .unwrap();
    let hash_key = HashKey::from(claimed.hash_key());
    let Head {
        gateway, origin, ..
    } = head(0, false);
    let prepared = claimed.prepare().unwrap();
    let ages = prepared.ages().clone();
    let mut past = Past::new(hash_key, ages, DAY, [(gateway, origin.parse().unwrap())]);
    let mut taken = 0;
    let opened = prepared.read(|exchange| {
        taken += 1;
        past.take(exchange);
    });
    opened.unwrap();
    let (span, held) = (
        Stamp::of_this_system().since(began),
        peak_of_memory() - before,
    );
    eprintln!("{span:?}, {held} bytes more, file of {}", grown.longest);
    assert_eq!(taken, EXCHANGES);
    assert!(grown.longest <= limit);
    // A fact, a place to read its answer, the file's cache, and what a map takes while it grows.
    assert!(held < EXCHANGES * 400, "{held} bytes");
}
