//! The runs: a few hundred seeds, each of which must break no rule.
use std::panic::resume_unwind;
use std::thread::ScopedJoinHandle;

use fastrand::Rng;
use futures_util::future::{join, join_all};

use super::client::{Buyer, Harness, Told, spy};
use super::coalesced::Cells;
use super::judge::{Evidence, Violation};
use super::plan::{Plan, STEPS};
use super::wire;
use crate::simulated::host::Host;
use crate::simulated::journal::Entry;
use crate::simulated::life::{Death, Ending};
use crate::simulated::world::Reply;

/// So many seeds are run where nothing else is said.
const USUALLY: u64 = 150;
/// In so many seeds the disk is looked at whenever a submit arrives.
const WATCHED: u64 = 40;
/// Of so many seeds one goes on for a day: its journal is swept once a minute, which takes longer
/// than the run itself.
const RESTS: u64 = 8;
/// In so many seeds a process ends before every kind of step, in both ways.
const ALL_ENDS: u64 = 1_000;
/// How many seeds are run.
const SEEDS: &str = "HOLDLINE_CHAOS_SEEDS";
/// The one seed that is run, and whose story is told if it fails.
const SEED: &str = "HOLDLINE_CHAOS_SEED";

/// What is changed about a run: how its harness cheats, how its seed is bent, and what its
/// world does.
#[derive(Clone, Copy)]
pub(super) struct Change {
    pub(super) harness: Harness,
    pub(super) plan: fn(&mut Plan),
    pub(super) host: fn(&Host),
}

/// Nothing is changed.
pub(super) const NONE: Change = Change {
    harness: Harness::Honest,
    plan: |_| (),
    host: |_| (),
};

/// Runs a seed to its end and returns what is known then.
pub(super) fn run(seed: u64, change: Change) -> Evidence {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(play(seed, change))
}

async fn play(seed: u64, change: Change) -> Evidence {
    let mut plan = Plan::of(seed);
    (change.plan)(&mut plan);
    let host = Host::new(&plan.setting);
    plan.unsettle(&host);
    (change.host)(&host);
    let people = join(
        join_all(buyers(&mut plan, &host, change.harness)),
        join_all(spies(&plan, seed, &host, change.harness)),
    );
    let (crashes, outages) = (plan.crashes.clone(), plan.outages.clone());
    let machine = join(host.run(&crashes), host.storm(&outages));
    let (told, spied) = tokio::select! {
        biased;
        _ = machine => unreachable!("the last process is not killed"),
        said = people => said,
    };
    let mut told = told.concat();
    told.sort_by_key(|told| told.at);
    let evidence = Evidence {
        intents: plan.intents,
        told,
        spied: spied.concat(),
        ledger: host.ledger(),
        calls: wire::calls(&host.network().wires()),
        journal: host.journal().entries(),
        endings: host.endings(),
        chronicle: host.chronicle(),
        refused_starts: host.refused(),
        unsure_intents: host.intents().unsure(host.clock()),
        watched: host.intents().count(),
        resubmits: plan.setting.exchange.resubmits,
    };
    if change.harness == Harness::Honest && seed.is_multiple_of(RESTS) {
        host.rest().await;
    }
    evidence
}

fn buyers(
    plan: &mut Plan,
    host: &Host,
    harness: Harness,
) -> Vec<impl Future<Output = Vec<Told>> + use<>> {
    let cells = Cells::default();
    let mut buyers = Vec::new();
    for (number, intent) in plan.intents.iter().enumerate() {
        for _ in 0..intent.clients {
            let buyer = Buyer {
                host: host.clone(),
                amnesia: None,
                cells: cells.clone(),
                number,
                intent: intent.clone(),
                rng: plan.rng.fork(),
                harness,
            };
            buyers.push(buyer.buy());
        }
    }
    buyers
}

fn spies(
    plan: &Plan,
    seed: u64,
    host: &Host,
    harness: Harness,
) -> Vec<impl Future<Output = Vec<Reply>> + use<>> {
    let intents = plan.intents.iter();
    let spies = intents.map(|intent| {
        let rng = Rng::with_seed(seed);
        spy(host.clone(), intent.ask.clone(), rng, harness)
    });
    spies.collect()
}

/// The records without their hashes and seals: the key file is another in every run.
fn records(evidence: &Evidence) -> Vec<String> {
    let record = |entry: &Entry| {
        let ends = (entry.failed, entry.panicked);
        format!(
            "{:?} {} {:?} {:?} {:?} {ends:?}",
            entry.written.place, entry.exchange, entry.kind, entry.asked_at, entry.durable_at,
        )
    };
    evidence.journal.iter().map(record).collect()
}

/// Fails with all that is needed to see it again; else how its processes ended.
fn judge(seed: u64) -> Vec<Ending> {
    let evidence = run(seed, NONE);
    let violations = evidence.violations();
    assert!(
        violations.is_empty(),
        "seed {seed}\n{}{}\nsee its story with HOLDLINE_CHAOS_SEED={seed} cargo test --test it chaos::runs",
        number(SEED).map(|_| evidence.story()).unwrap_or_default(),
        lines(&violations)
    );
    evidence.endings
}

/// Judges every seed, on as many threads as there are processors.
fn judge_all(seeds: u64) -> Vec<Ending> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = |thread: usize| (thread as u64..seeds).step_by(threads).flat_map(judge);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || share(thread).collect::<Vec<_>>()))
            .collect();
        let ended = threads.into_iter().map(ScopedJoinHandle::join);
        ended
            .flat_map(|ended| ended.unwrap_or_else(|why| resume_unwind(why)))
            .collect()
    })
}

fn lines(violations: &[Violation]) -> String {
    let lines = violations
        .iter()
        .map(|it| format!("{:?}: {}", it.rule, it.what));
    lines.collect::<Vec<_>>().join("\n")
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn no_seed_breaks_a_rule() {
    if let Some(seed) = number(SEED) {
        judge(seed);
        return;
    }
    let seeds = number(SEEDS).unwrap_or(USUALLY);
    let endings = judge_all(seeds);
    if seeds < ALL_ENDS {
        return;
    }
    // Together the two hit every step; each alone misses one that few runs come to.
    for step in STEPS {
        let is_it = |it: &Ending| it.before == Some(step);
        assert!(endings.iter().any(is_it), "no process ends before {step:?}");
    }
    for death in [Death::Killed, Death::PowerLost] {
        let is_it = |it: &Ending| it.death == death && it.before.is_some();
        assert!(endings.iter().any(is_it), "no process ends so: {death:?}");
    }
}

/// I10, by what the disk has and not by what was said of it.
#[test]
fn the_synced_disk_alone_knows_every_submit_that_arrives() {
    let watched = |seed| {
        let evidence = run(
            seed,
            Change {
                host: Host::watch_intents,
                ..NONE
            },
        );
        assert_eq!(evidence.unsure_intents, Vec::<String>::new(), "seed {seed}");
        evidence.watched
    };
    assert!((0..WATCHED).map(watched).sum::<usize>() > 0);
}

#[test]
fn a_seed_plays_the_same_run_every_time() {
    for seed in 0..5 {
        let [one, two] = [run(seed, NONE), run(seed, NONE)];
        assert_eq!(
            format!("{:?}", one.told),
            format!("{:?}", two.told),
            "seed {seed}"
        );
        assert_eq!(one.ledger, two.ledger, "seed {seed}");
        assert_eq!(records(&one), records(&two), "seed {seed}");
        assert_eq!(one.chronicle, two.chronicle, "seed {seed}");
    }
}
