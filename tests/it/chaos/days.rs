//! A day with faults of every kind: what is kept in memory and on disk follows what is under way, and
//! does not grow.
use std::time::Duration;

use futures_util::future::{join, join_all};
use holdline::journal;
use holdline::polling::ScheduleKind;

use super::client::{Buyer, Harness};
use super::coalesced::Cells;
use super::plan::Plan;
use crate::simulated::host::{Host, Outage};
use crate::simulated::world::World;

const HOUR: Duration = Duration::from_hours(1);
const HOURS: u64 = 24;
/// By then as much is forgotten as is begun.
const SETTLED: usize = 5;
/// How long an exchange is remembered, so that a day sees it forgotten many times.
const RETENTION: Duration = Duration::from_hours(2);
/// How often an hour buyers come, some eight at once.
const CROWDS: u32 = 3;

/// What is kept at one moment.
#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    flights: usize,
    waiting: usize,
    pins: usize,
    journal: usize,
}

impl Kept {
    fn by(host: &Host) -> Self {
        let World {
            flights, results, ..
        } = host.running().expect("nobody kills it");
        let (running, waiting) = flights.count();
        Self {
            flights: running,
            waiting,
            pins: results.pins(),
            journal: host
                .disk()
                .read(&journal::Config::default().path)
                .map_or(0, |bytes| bytes.len()),
        }
    }

    fn most(all: &[Self]) -> Self {
        let most = |of: fn(&Self) -> usize| all.iter().map(of).max().unwrap_or_default();
        Self {
            flights: most(|it| it.flights),
            waiting: most(|it| it.waiting),
            pins: most(|it| it.pins),
            journal: most(|it| it.journal),
        }
    }

    /// True unless more is kept than before, beyond the chance of a single hour.
    fn is_no_more_than(&self, before: &Self) -> bool {
        let flat =
            |later: usize, before: usize, chance: usize| later <= before + before / 2 + chance;
        flat(self.flights, before.flights, 8)
            && flat(self.waiting, before.waiting, 8)
            && flat(self.pins, before.pins, 8)
            && flat(self.journal, before.journal, 0)
    }
}

/// A crowd of buyers, each until it knows.
async fn crowd(host: &Host, seed: u64) {
    let mut plan = Plan::of(seed);
    let cells = Cells::default();
    let intents = plan.intents.clone();
    let buyers = intents.into_iter().enumerate().map(|(number, intent)| {
        let buyer = Buyer {
            host: host.clone(),
            amnesia: None,
            cells: cells.clone(),
            number,
            intent,
            rng: plan.rng.fork(),
            harness: Harness::Honest,
        };
        buyer.buy()
    });
    join_all(buyers.collect::<Vec<_>>()).await;
}

async fn day() -> Vec<Kept> {
    let mut plan = Plan::of(1);
    plan.setting.polling.schedule = ScheduleKind::Learned;
    plan.setting.results.retention = RETENTION;
    plan.setting.exchange.reclaim = RETENTION;
    let host = Host::new(&plan.setting);
    plan.unsettle(&host);
    let outage = Outage {
        after: HOUR / 2,
        lasts: Duration::from_secs(5),
        refusal: crate::journal::disk::Refusal::Broken,
    };
    let outages = vec![outage; 40];
    let lives = join(host.run(&[]), host.storm(&outages));
    let trade = async {
        let mut kept = Vec::new();
        for hour in 0..HOURS {
            for number in 0..u64::from(CROWDS) {
                let pause = tokio::time::sleep(HOUR / CROWDS);
                join(crowd(&host, hour * u64::from(CROWDS) + number), pause).await;
            }
            kept.push(Kept::by(&host));
        }
        kept
    };
    tokio::select! {
        biased;
        _ = lives => unreachable!("nobody kills it"),
        kept = trade => kept,
    }
}

#[test]
fn a_day_of_faults_leaves_memory_and_disk_as_they_were() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let kept = runtime.block_on(day());
    let (_, settled) = kept.split_at(SETTLED);
    let (before, later) = settled.split_at(settled.len() / 2);
    let (before, later) = (Kept::most(before), Kept::most(later));
    assert!(
        before.waiting > 0 && before.journal > 0,
        "nothing is kept: {kept:#?}"
    );
    assert!(later.is_no_more_than(&before), "{kept:#?}");
}
