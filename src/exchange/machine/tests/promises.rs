//! The promises of the machine, kept in every run of the model.
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::super::State;
use super::chance::{Plan, any_plan};
use super::moves::{Move, natural, patient};
use super::mutants::Mutant;
use super::world::World;

/// No run needs more steps to come to rest once nothing goes wrong any more.
const STEPS: usize = 300;

/// So often a client repeats a request that stays in doubt.
const REPEATS: usize = 3;

/// Plays a run to its end; the rule that was broken, with the whole story if it is wanted.
pub(super) fn run(plan: &Plan, mutant: Mutant, traced: bool) -> Result<Vec<String>, String> {
    let mut world = World::new(plan, mutant);
    world.trace = traced.then(Vec::new);
    for choice in &plan.choices {
        let is_over = world.is_over() && !world.starts_again();
        if is_over || world.ledger.violation().is_some() {
            break;
        }
        world.choose(*choice);
    }
    come_to_rest(&mut world);
    be_forgotten(&mut world);
    let trace = world.trace.take().unwrap_or_default();
    match world.ledger.violation() {
        Some(rule) => Err(format!("{rule}\n{}", trace.join("\n"))),
        None => Ok(trace),
    }
}

/// What is under way ends well, and the client repeats until it has its answer.
fn come_to_rest(world: &mut World) {
    let mut repeats = 0;
    for _ in 0..STEPS {
        let is_over = world.is_over() && !world.starts_again();
        if is_over || world.ledger.violation().is_some() {
            return;
        }
        let next = natural(world).or_else(|| patient(world).filter(|_| repeats < REPEATS));
        let Some(next) = next else { break };
        repeats += usize::from(next == Move::ClientJoins);
        world.make(next);
    }
    let rests = world.rests() && natural(world).is_none();
    let state = world.machine.state();
    world
        .ledger
        .require(rests, "every run comes to rest", state);
    let drained = world.drained.is_some();
    let elsewhere = world.read_elsewhere.as_ref();
    world
        .ledger
        .keeps_promise(&world.gateway, elsewhere, drained);
}

/// The retention passes; nothing is left.
fn be_forgotten(world: &mut World) {
    for _ in 0..STEPS {
        if world.is_over() || world.ledger.violation().is_some() {
            return;
        }
        match natural(world) {
            Some(next) => world.make(next),
            None if world.machine.timer().is_some() => world.make(Move::TimerFires),
            None => break,
        }
    }
    let state = world.machine.state();
    world
        .ledger
        .require(state == State::Ended, "every exchange is forgotten", state);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_no_rule_of_money_is_broken(plan in any_plan()) {
        if run(&plan, Mutant::Sound, false).is_err() {
            let story = run(&plan, Mutant::Sound, true).unwrap_err();
            return Err(TestCaseError::fail(story));
        }
    }
}

#[test]
fn the_same_run_gives_the_same_actions_and_timers() {
    let mut runner = TestRunner::deterministic();
    for _ in 0..200 {
        let plan = any_plan().new_tree(&mut runner).unwrap().current();
        let first = run(&plan, Mutant::Sound, true).unwrap();
        assert!(!first.is_empty());
        assert_eq!(first, run(&plan, Mutant::Sound, true).unwrap());
    }
}

/// A promise is kept in earnest only where the model comes to all that may break it.
#[test]
fn the_runs_come_to_every_end_and_through_every_turn() {
    let mut runner = TestRunner::deterministic();
    let mut missing = vec![
        "Finish(Completed(Result(",
        "Finish(Completed(Transaction(",
        "Finish(Completed(Page(",
        "Finish(Refused(",
        "Finish(NotSubmitted(Connect",
        "Finish(NotSubmitted(Start",
        "Finish(NotSubmitted(Draining",
        "Finish(NotSubmitted(Journal",
        "Finish(NotSubmitted(Driver",
        "Finish(InDoubt(SubmitTimeout",
        "Finish(InDoubt(SubmitLost",
        "Finish(InDoubt(SubmitUnclear",
        "Finish(InDoubt(TaskUnknown",
        "Finish(InDoubt(Driver",
        "Finish(InDoubt(Executed",
        "Finish(Expired",
        "Record(Resubmitted(2",
        "Record(Candidate(Page",
        "Record(Candidate(Result",
        "Record(TakenBack",
        "Note(TakenBack",
        "Note(Delivered",
        "Abandon, Record(Accepted",
        "Abandon, Record(Completed",
        "Abandon, Record(Refused",
        "[Abandon, Lookup]",
        "AnsweredElsewhere(Firm(Result(0))) -> [Abandon, Record(Completed",
        "[Renew]",
        "[Give]",
        "RecordFailed(Accepted",
        "RecordFailed(Candidate",
        "RecordFailed(TakenBack",
        "RecordFailed(Completed",
        "RecordFailed(Resubmitted",
        "ProcessDies",
        "restarted: Recording(Submitted)",
        "restarted: Doubtful",
        "restarted: Waiting",
        "restarted: Undelivered",
        "restarted: Ended",
        "the next process begins",
        "Opened(Result",
        "SealBroken",
    ];
    for _ in 0..20_000 {
        let plan = any_plan().new_tree(&mut runner).unwrap().current();
        let story = run(&plan, Mutant::Sound, true).unwrap().join("\n");
        missing.retain(|turn| !story.contains(turn));
        if missing.is_empty() {
            return;
        }
    }
    panic!("no run came to {missing:?}");
}
