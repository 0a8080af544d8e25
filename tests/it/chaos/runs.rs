//! The runs: a few hundred seeds, each of which must break no rule.
use std::time::Duration;

use fastrand::Rng;
use futures_util::future::{join, join_all};

use super::client::{Buyer, Harness, spy};
use super::judge::{Evidence, Violation};
use super::plan::Plan;
use super::wire;
use crate::simulated::world::World;

/// So many seeds are run where nothing else is said.
const USUALLY: u64 = 300;
/// How many seeds are run.
const SEEDS: &str = "HOLDLINE_CHAOS_SEEDS";
/// The one seed that is run, and whose story is told if it fails.
const SEED: &str = "HOLDLINE_CHAOS_SEED";

/// What is changed about a run: how its harness cheats, and what its world does.
#[derive(Clone, Copy)]
pub(super) struct Change {
    pub(super) harness: Harness,
    pub(super) world: fn(&World),
}

/// Nothing is changed.
pub(super) const NONE: Change = Change {
    harness: Harness::Honest,
    world: |_| (),
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
    let resubmits = plan.setting.exchange.resubmits;
    let amnesia_setting = Plan::of(seed).setting;
    let world = World::new(&plan.setting);
    let amnesia = world.reopened(&amnesia_setting);
    plan.unsettle(&world);
    (change.world)(&world);
    let strangers: Vec<_> = plan
        .intents
        .iter()
        .map(|intent| {
            spy(
                world.clone(),
                intent.ask.clone(),
                Rng::with_seed(seed),
                change.harness,
            )
        })
        .collect();
    let mut buyers = Vec::new();
    for (number, intent) in plan.intents.iter().enumerate() {
        for _ in 0..intent.clients {
            let buyer = Buyer {
                world: world.clone(),
                amnesia: amnesia.clone(),
                number,
                intent: intent.clone(),
                rng: plan.rng.fork(),
                harness: change.harness,
            };
            buyers.push(buyer.buy());
        }
    }
    let (told, spied) = join(join_all(buyers), join_all(strangers)).await;
    let mut told = told.concat();
    told.sort_by_key(|told| told.at);
    let evidence = Evidence {
        intents: plan.intents,
        told,
        spied: spied.concat(),
        ledger: world.ledger(),
        calls: wire::calls(&world.network.wires()),
        journal: world.journal.entries(),
        resubmits,
    };
    if change.harness == Harness::Honest {
        world.pass(Duration::from_hours(25)).await;
        world.is_empty().await;
    }
    evidence
}

/// Fails with all that is needed to see it again.
fn judge(seed: u64) {
    let evidence = run(seed, NONE);
    let violations = evidence.violations();
    assert!(
        violations.is_empty(),
        "{}{}\nsee its story with HOLDLINE_CHAOS_SEED={seed} cargo test --test it chaos::runs",
        number(SEED).map(|_| evidence.story()).unwrap_or_default(),
        lines(&violations)
    );
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
    match number(SEED) {
        Some(seed) => judge(seed),
        None => (0..number(SEEDS).unwrap_or(USUALLY)).for_each(judge),
    }
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
        // A seal has a random nonce, so two of the same answer are told alike and not equal.
        assert_eq!(
            format!("{:?}", one.journal),
            format!("{:?}", two.journal),
            "seed {seed}"
        );
    }
}
