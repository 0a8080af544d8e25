//! The runs: a few seeds, each of which must break no rule.
use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use holdline::polling::{Config, Mark, Metrics, Schedules, Took};
use holdline::simulator::Gateway;
use holdline::timing::{Clock, Moment};

use super::buyer::{Buyer, Harness, World};
use super::figures::Figures;
use super::holdline::Holdline;
use super::judge::{Evidence, Outage, ends};
use super::pace::Pace;
use super::plan::{Plan, STORM};
use crate::chaos::judge::Violation;
use crate::chaos::wire;
use crate::stage::bench::ms;
use crate::stage::tap::Tap;

/// So many seeds are run where nothing else is said.
const USUALLY: u64 = 4;
/// So many seeds run side by side; each waits for most of its time.
const AT_ONCE: usize = 4;
/// How many seeds are run, or which.
const SEEDS: &str = "HOLDLINE_KILL_SEEDS";
/// The one seed that is run.
const SEED: &str = "HOLDLINE_KILL_SEED";

/// What is changed about a run.
#[derive(Clone, Copy)]
pub(super) struct Change {
    /// How the world around holdline cheats.
    pub(super) harness: Harness,
    /// The process is left alone.
    pub(super) spares: bool,
    /// Further arguments of the process.
    pub(super) arguments: &'static [&'static str],
    /// What an operator does to the files while the process is away; the number counts its deaths.
    pub(super) operator: fn(&Holdline, usize),
}

/// Nothing is changed.
pub(super) const NONE: Change = Change {
    harness: Harness::Honest,
    spares: false,
    arguments: &[],
    operator: |_, _| (),
};

/// The process is never killed.
pub(super) const SPARED: Change = Change {
    spares: true,
    ..NONE
};

/// Plays a seed to its end and returns what is known then.
pub(super) async fn play(seed: u64, change: Change) -> Evidence {
    let mut plan = Plan::of(seed);
    let clock = Clock::start();
    let tap = Tap::before(Gateway::new(plan.settings.clone(), clock), clock).await;
    let mut holdline = Holdline::before(tap.address);
    let resubmits = plan.resubmits.to_string();
    holdline.keys.push(("SUBMIT__RESUBMITS", resubmits));
    if plan.learns {
        let learned = "learned".to_owned();
        holdline.keys.push(("POLLING__SCHEDULE", learned));
        std::fs::write(holdline.law(), law()).unwrap();
    }
    holdline.arguments = change.arguments.iter().map(|&it| it.to_owned()).collect();
    holdline.start().await;
    let world = World {
        clock,
        address: holdline.address(),
        is_calm: Rc::new(Cell::new(false)),
        pace: Pace::default(),
        harness: change.harness,
    };
    let mut buyers = Vec::new();
    for (number, intent) in plan.intents.iter().enumerate() {
        for client in 0..intent.clients {
            let buyer = Buyer {
                world: world.clone(),
                number,
                client,
                intent: intent.clone(),
                rng: plan.rng.fork(),
            };
            buyers.push(buyer.buy());
        }
    }
    let reign = reign(&plan, &world, &mut holdline, change);
    let (told, outages) = world
        .pace
        .beside(clock, join(join_all(buyers), reign))
        .await;
    let mut told = told.concat();
    told.sort_by_key(|told| told.at);
    holdline.kill();
    Evidence {
        intents: plan.intents,
        told,
        ends: ends(&tap.gateway),
        ledger: tap.gateway.ledger(),
        slowest: world.pace.slowest(),
        calls: wire::calls(&tap.wires()),
        outages,
        resubmits: plan.resubmits,
        journal: holdline.fault_of_journal(),
    }
}

/// What an earlier process would have learned of the gateway's tasks.
fn law() -> Vec<u8> {
    let schedules = Schedules::new(Config::default(), ms(1_000), Metrics::default());
    for number in 0..40 {
        let took = Took {
            after: ms(40 + 5 * number),
            by: Some(ms(60 + 6 * number)),
            pending: 1,
            mark: Mark::NONE,
        };
        schedules.learn("test", "payments", took);
    }
    schedules.learned().unwrap()
}

/// Ends the process and starts it again, as the plan has it; then lets it be.
async fn reign(plan: &Plan, world: &World, holdline: &mut Holdline, change: Change) -> Vec<Outage> {
    let mut outages = Vec::new();
    let deaths = if change.spares { &[] } else { &*plan.deaths };
    for (count, death) in deaths.iter().enumerate() {
        if let Some(span) = death.still {
            outages.push(stand_still(world, holdline, span).await);
        }
        tokio::time::sleep(death.after).await;
        let from = world.clock.now();
        if death.in_order {
            assert_eq!(holdline.stop().await, Some(0), "{}", holdline.said());
        } else {
            holdline.kill();
        }
        (change.operator)(holdline, count);
        tokio::time::sleep(death.away).await;
        holdline.start().await;
        let until = world.clock.now();
        outages.push(Outage { from, until });
    }
    let storm_ends = world.clock.instant(Moment::START + STORM);
    tokio::time::sleep_until(storm_ends).await;
    world.is_calm.set(true);
    outages
}

/// Stops the process for so long, and lets it go on.
async fn stand_still(world: &World, holdline: &Holdline, span: Duration) -> Outage {
    let from = world.clock.now();
    holdline.signal("-STOP");
    tokio::time::sleep(span).await;
    holdline.signal("-CONT");
    let until = world.clock.now();
    Outage { from, until }
}

pub(super) fn lines(violations: &[Violation]) -> String {
    let lines = violations
        .iter()
        .map(|it| format!("{:?}: {}", it.rule, it.what));
    lines.collect::<Vec<_>>().join("\n")
}

pub(super) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The seeds that the environment asks for: one, the first so many, or a range such as `100..200`.
fn seeds() -> Range<u64> {
    if let Some(seed) = number(SEED) {
        return seed..seed + 1;
    }
    let asked = std::env::var(SEEDS).unwrap_or_default();
    let (first, end) = asked.split_once("..").unwrap_or(("0", &asked));
    first.parse().unwrap()..end.parse().unwrap_or(USUALLY)
}

#[expect(
    clippy::print_stdout,
    reason = "how much was tried is told, where the runner shows what tests say"
)]
fn tell(figures: &Figures) {
    println!("{figures}");
}

/// Plays the seeds that the environment asks for, all of them; fails with all that is needed to see
/// one again.
async fn judge(change: Change, test: &str) {
    let seeds: Vec<u64> = seeds().collect();
    let mut broken = String::new();
    let mut figures = Figures::default();
    for some in seeds.chunks(AT_ONCE) {
        let runs = some
            .iter()
            .map(|&seed| async move { (seed, play(seed, change).await) });
        for (seed, evidence) in join_all(runs).await {
            let mut found = lines(&evidence.violations());
            // I14: every exchange's entries are a path, and nothing of the file is damaged.
            found.extend(evidence.journal.iter().map(|fault| format!("\n{fault}")));
            figures.add(&evidence, !found.is_empty());
            if !found.is_empty() {
                let (story, slowest) = (evidence.story(), evidence.slowest);
                broken.extend([format!(
                    "{story}{found}\n(at its slowest the machine was late by {slowest:?})\n\
                     play it again with {SEED}={seed} cargo test --test it {test}\n"
                )]);
            }
        }
    }
    tell(&figures);
    assert!(broken.is_empty(), "{broken}");
}

#[tokio::test]
async fn no_seed_breaks_a_rule_while_the_process_lives() {
    judge(SPARED, "while_the_process_lives").await;
}

#[tokio::test]
async fn no_seed_breaks_a_rule_while_the_process_is_killed() {
    judge(NONE, "while_the_process_is_killed").await;
}
