//! Machines that break one rule each, made by tampering with the events, facts and actions of the
//! real one; a checker is believed only because it catches every one of them.
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use smallvec::smallvec;

use super::super::{
    Action, Actions, Event, Loss, Machine, Outcome, Polled, Record, State, Submitted, Withdrawal,
};
use super::chance::{Plan, any_plan};
use super::gateway::{Answer, Shape};
use super::promises::run;
use crate::timing::Moment;

/// The rule that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutant {
    /// None: the machine as it is.
    Sound,
    TakesConflictForRefusal,
    TakesUnknownForNotSubmitted,
    DropsSoftAnswer,
    SubmitsAgainAfterReset,
    BelievesLastAnswer,
    PollsBeforeRecord,
    FinishesBeforeRecord,
    /// An answer that processing followed is taken back in memory alone.
    TakesBackInMemory,
    /// An answer that broke off is taken for none.
    OverlooksBrokenAnswer,
    /// The result of a task that was given up is thrown away.
    OverlooksLateResult,
    /// The operator's statement goes on for what began under it.
    KeepsStatement,
    /// "Unknown" is believed at once after polls that failed.
    CountsOutageAsUnknown,
    FreesFlightOnPanic,
    ResubmitsWhileDraining,
    /// A restart that takes a submit without an answer for none.
    ForgetsSubmits,
    /// A restart that takes a result for a task that runs.
    PollsAfterResult,
    /// A restart that counts the repeats of a submit anew.
    ForgetsResubmits,
    /// A restart that drops what may be the result.
    ForgetsSoftAnswer,
    /// A restart that asks on after the operator's word.
    ForgetsVerdict,
    /// A restart that takes what was lost for what was answered.
    ForgetsLoss,
    /// A restart that counts a key's age anew.
    ForgetsAge,
}

impl Mutant {
    /// What the tampered machine takes the event for.
    pub(super) fn before(
        self,
        machine: &mut Machine<Answer>,
        event: Event<Answer>,
    ) -> Event<Answer> {
        let answered = matches!(event, Event::SubmitAnswered(_));
        let refused = matches!(event, Event::SubmitAnswered(Submitted::Refused(_)));
        match self {
            Self::TakesConflictForRefusal if refused && machine.resubmits > 0 => {
                (machine.lost, machine.open_submits) = (false, 1);
            }
            Self::BelievesLastAnswer if answered => machine.lost = false,
            Self::KeepsStatement if matches!(event, Event::ResubmitsLowered { .. }) => {
                return Event::ResubmitsLowered { most: u32::MAX };
            }
            Self::FreesFlightOnPanic if event == Event::DriverLost => machine.first_sent = None,
            Self::ResubmitsWhileDraining => machine.polls_until = None,
            Self::CountsOutageAsUnknown
                if event == Event::PollAnswered(Polled::Unknown) && machine.failures > 0 =>
            {
                machine.unknown_since = Some(Moment::START);
            }
            Self::DropsSoftAnswer if matches!(event, Event::PollAnswered(Polled::Soft(_))) => {
                return Event::PollAnswered(Polled::Transient { retry_after: None });
            }
            Self::OverlooksBrokenAnswer if event == Event::PollAnswered(Polled::Broken) => {
                return Event::PollLost;
            }
            Self::OverlooksBrokenAnswer if event == Event::AnsweredElsewhere(Polled::Broken) => {
                return Event::AnsweredElsewhere(Polled::Transient { retry_after: None });
            }
            Self::OverlooksLateResult
                if machine.gave_task_up() && matches!(event, Event::AnsweredElsewhere(_)) =>
            {
                return Event::KeyShared;
            }
            Self::SubmitsAgainAfterReset
                if event == Event::SubmitLost(Loss::Ended) && machine.open_submits == 1 =>
            {
                return Event::SubmitAnswered(Submitted::TooMany {
                    answer: Answer::Refusal(0),
                    retry_after: None,
                });
            }
            Self::Sound
            | Self::TakesConflictForRefusal
            | Self::TakesUnknownForNotSubmitted
            | Self::DropsSoftAnswer
            | Self::SubmitsAgainAfterReset
            | Self::BelievesLastAnswer
            | Self::PollsBeforeRecord
            | Self::FinishesBeforeRecord
            | Self::TakesBackInMemory
            | Self::OverlooksBrokenAnswer
            | Self::OverlooksLateResult
            | Self::KeepsStatement
            | Self::CountsOutageAsUnknown
            | Self::FreesFlightOnPanic
            | Self::ForgetsSubmits
            | Self::PollsAfterResult
            | Self::ForgetsResubmits
            | Self::ForgetsSoftAnswer
            | Self::ForgetsVerdict
            | Self::ForgetsLoss
            | Self::ForgetsAge => {}
        }
        event
    }

    /// What the tampered machine does about it.
    pub(super) fn after(
        self,
        machine: &mut Machine<Answer>,
        event: &Event<Answer>,
        actions: Actions<Answer>,
    ) -> Actions<Answer> {
        let unknown = *event == Event::PollAnswered(Polled::Unknown);
        if self == Self::TakesUnknownForNotSubmitted && unknown {
            machine.state = State::Ended;
            return smallvec![Action::Finish(Outcome::NotSubmitted(Withdrawal::Connect))];
        }
        match actions.as_slice() {
            [Action::Record(Record::Candidate(_))] if self == Self::PollsBeforeRecord => {
                actions.into_iter().chain([Action::Poll]).collect()
            }
            [Action::Record(Record::TakenBack)] if self == Self::TakesBackInMemory => {
                (machine.state, machine.wake) = (State::Waiting, machine.due);
                Actions::new()
            }
            [Action::Record(Record::Completed(answer))] if self == Self::FinishesBeforeRecord => {
                let finish = Action::Finish(Outcome::Completed(*answer));
                [finish].into_iter().chain(actions).collect()
            }
            _ => actions,
        }
    }
}

/// How many runs of the fixed seed a mutant may survive.
const RUNS: u32 = 200_000;

/// The first story in which the checker saw a rule broken that `rule` is a part of.
fn violation(mutant: Mutant, setting: fn(&mut Plan), rule: &str) -> Option<String> {
    let mut runner = TestRunner::deterministic();
    let plans = any_plan();
    (0..RUNS).find_map(|_| {
        let mut plan = plans.new_tree(&mut runner).unwrap().current();
        setting(&mut plan);
        let broken = run(&plan, mutant, false).err()?;
        broken.contains(rule).then_some(broken)
    })
}

fn assert_caught(mutant: Mutant, rule: &str) {
    let caught = violation(mutant, |_| {}, rule);
    assert!(caught.is_some(), "{mutant:?} survived {RUNS} runs");
}

#[test]
fn the_machine_itself_breaks_no_rule_in_the_runs_that_catch_the_mutants() {
    assert_eq!(violation(Mutant::Sound, |_| {}, ""), None);
}

#[test]
fn a_4xx_to_a_resubmit_taken_for_a_refusal_is_caught() {
    assert_caught(Mutant::TakesConflictForRefusal, "a refusal means no charge");
}

#[test]
fn unknown_taken_for_not_submitted_is_caught() {
    assert_caught(Mutant::TakesUnknownForNotSubmitted, "record before Finish");
}

#[test]
fn a_soft_answer_that_is_not_kept_is_caught() {
    assert_caught(Mutant::DropsSoftAnswer, "I3");
}

#[test]
fn a_submit_again_after_a_reset_is_caught() {
    assert_caught(Mutant::SubmitsAgainAfterReset, "I1");
}

#[test]
fn a_verdict_from_the_last_answer_instead_of_the_latch_is_caught() {
    assert_caught(Mutant::BelievesLastAnswer, "a refusal means no charge");
}

#[test]
fn a_poll_before_the_soft_answer_is_durable_is_caught() {
    assert_caught(Mutant::PollsBeforeRecord, "I6");
}

#[test]
fn an_answer_before_its_record_is_caught() {
    assert_caught(Mutant::FinishesBeforeRecord, "record before Finish");
}

#[test]
fn an_answer_that_is_taken_back_in_memory_alone_is_caught() {
    let slow = |plan: &mut Plan| {
        (plan.gateway.is_slow, plan.gateway.shape) = (true, Shape::Once);
        (plan.crashes, plan.disturbances) = (2, Vec::new());
    };
    let rule = "I4 no answer after which the task was not unknown";
    assert!(violation(Mutant::TakesBackInMemory, slow, rule).is_some());
    assert!(violation(Mutant::Sound, slow, "").is_none());
}

#[test]
fn a_flight_freed_by_a_panic_is_caught() {
    assert_caught(Mutant::FreesFlightOnPanic, "I2");
}

#[test]
fn an_answer_that_broke_off_and_is_overlooked_is_caught() {
    assert_caught(
        Mutant::OverlooksBrokenAnswer,
        "I4 no answer after which the task was not unknown",
    );
}

#[test]
fn a_result_that_comes_when_its_task_was_given_up_and_is_overlooked_is_caught() {
    // Few runs come so far where a search or a crash ends them before.
    let long: fn(&mut Plan) = |plan| {
        plan.tracking_id = false;
        plan.crashes = 0;
        plan.disturbances.clear();
    };
    assert!(violation(Mutant::OverlooksLateResult, long, "I3").is_some());
    assert!(violation(Mutant::Sound, long, "").is_none());
}

#[test]
fn a_resubmit_after_the_operator_took_the_statement_back_is_caught() {
    assert_caught(
        Mutant::KeepsStatement,
        "no resubmit that the operator does not allow",
    );
}

#[test]
fn an_outage_that_is_counted_as_unknown_is_caught() {
    let rule = "unknown is believed when it has lasted";
    assert_caught(Mutant::CountsOutageAsUnknown, rule);
}

#[test]
fn a_submit_while_draining_is_caught() {
    assert_caught(Mutant::ResubmitsWhileDraining, "I11");
}

#[test]
fn a_submit_that_a_restart_forgets_is_caught() {
    assert_caught(Mutant::ForgetsSubmits, "I1");
}

#[test]
fn a_result_that_a_restart_polls_for_again_is_caught() {
    assert_caught(Mutant::PollsAfterResult, "I6 no poll after the result");
}

#[test]
fn resubmits_that_a_restart_counts_anew_are_caught() {
    assert_caught(Mutant::ForgetsResubmits, "I1 one submit that may charge");
}

#[test]
fn a_soft_answer_that_is_not_kept_over_a_restart_is_caught() {
    assert_caught(Mutant::ForgetsSoftAnswer, "I3");
}

#[test]
fn an_operators_word_that_a_restart_forgets_is_caught() {
    assert_caught(Mutant::ForgetsVerdict, "the operator's word");
}

#[test]
fn a_loss_that_a_restart_forgets_is_caught() {
    assert_caught(Mutant::ForgetsLoss, "a refusal means no charge");
}

#[test]
fn the_age_of_a_key_that_a_restart_forgets_is_caught() {
    assert_caught(Mutant::ForgetsAge, "its key may be forgotten");
}

#[test]
fn a_resubmit_at_a_gateway_that_does_not_honour_its_key_is_caught() {
    let careless = |plan: &mut Plan| {
        plan.resubmits = plan.resubmits.max(1);
        plan.gateway.honours_key = false;
    };
    assert!(violation(Mutant::Sound, careless, "I1 one charge").is_some());
}
