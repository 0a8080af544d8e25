//! Each judge finds what breaks its rule: in the harness around holdline, or in what is known of a run.
use std::time::Duration;

use holdline::exchange::machine::RecordKind;
use holdline::journal::LastRecord;
use holdline::simulator::TaskRepeat;

use super::client::Harness;
use super::judge::Rule;
use super::runs::{Change, NONE, run};
use crate::simulated::host::Host;
use crate::simulated::journal::Disk;

/// In so many seeds a broken rule must show.
const SEEDS: u64 = 150;

fn finds(rule: Rule, change: Change) {
    let shows = |seed| {
        run(seed, change)
            .violations()
            .iter()
            .any(|it| it.rule == rule)
    };
    assert!((0..SEEDS).any(shows), "no seed shows it");
}

fn by(harness: Harness) -> Change {
    Change { harness, ..NONE }
}

#[test]
fn a_write_taken_for_a_delivery_is_a_second_charge() {
    finds(Rule::OneCharge, by(Harness::WriteIsDelivery));
}

#[test]
fn an_entry_freed_by_a_panic_is_a_second_charge() {
    finds(Rule::OneCharge, by(Harness::PanicFrees));
}

#[test]
fn a_submit_sent_again_on_the_way_is_a_second_submit() {
    let change = Change {
        host: |host| host.network().send_again(),
        ..NONE
    };
    finds(
        Rule::OneCharge,
        Change {
            harness: Harness::Cheats,
            ..change
        },
    );
}

#[test]
fn a_doubt_told_as_not_submitted_is_found() {
    finds(Rule::HonestDenial, by(Harness::DoubtIsDenied));
}

#[test]
fn an_answer_that_the_gateway_did_not_give_is_found() {
    finds(Rule::NoInvention, by(Harness::Declines));
}

#[test]
fn a_task_that_is_unknown_taken_for_not_submitted_is_found() {
    finds(Rule::HonestDenial, by(Harness::UnknownIsDenied));
}

#[test]
fn a_conflict_of_a_repeated_submit_taken_for_a_refusal_is_found() {
    let change = Change {
        plan: |plan| {
            plan.setting.exchange.resubmits = 1;
            plan.setting.gateway.task_repeat = TaskRepeat::Conflict;
        },
        ..NONE
    };
    finds(
        Rule::HonestDenial,
        Change {
            harness: Harness::ConflictIsRefusal,
            ..change
        },
    );
}

#[test]
fn a_payment_inside_a_cell_that_its_first_caller_leaves_is_a_second_charge() {
    finds(Rule::OneCharge, by(Harness::PaysInACell));
}

/// The world breaks its word, whatever the harness does.
fn betrayed(host: fn(&Host)) -> Change {
    Change {
        harness: Harness::Cheats,
        host,
        ..NONE
    }
}

#[test]
fn a_step_before_its_record_is_found() {
    fn lies(kind: RecordKind) -> Disk {
        if kind == RecordKind::Submitted {
            Disk::Lies(Duration::from_secs(1))
        } else {
            Disk::Ready
        }
    }
    let change = betrayed(|host| host.journal().plan(lies));
    finds(Rule::DurableIntent, change);
    finds(Rule::OneCharge, change);
}

#[test]
fn a_file_that_is_not_synced_cannot_be_read_after_a_loss_of_power() {
    // From the first record on: an empty journal was synced in good faith.
    let change = betrayed(|host| {
        let disk = host.disk().clone();
        host.journal().plan(move |_| {
            disk.lies_about_files();
            Disk::Ready
        });
    });
    finds(Rule::Start, change);
}

#[test]
fn a_file_that_is_not_synced_does_not_know_its_submits() {
    let change = betrayed(|host| {
        host.disk().lies_about_files();
        host.watch_intents();
    });
    finds(Rule::DurableIntent, change);
}

#[test]
fn a_directory_that_is_not_synced_is_a_second_charge() {
    let change = betrayed(|host| host.disk().lies_about_names());
    finds(Rule::OneCharge, change);
}

#[test]
fn a_restart_that_forgets_a_submit_is_a_second_charge() {
    let change = betrayed(|host| host.recalls(|it| it.last_record != LastRecord::Submitted));
    finds(Rule::OneCharge, change);
}

#[test]
fn a_restart_that_forgets_what_may_be_the_result_is_found() {
    let change = betrayed(|host| {
        host.recalls(|it| {
            it.candidate = None;
            true
        });
    });
    finds(Rule::JustifiedDoubt, change);
}

#[test]
fn a_restart_that_reads_a_result_again_is_found() {
    let change = betrayed(|host| {
        host.recalls(|it| {
            if it.last_record == LastRecord::Completed && it.ticket.is_some() {
                (it.last_record, it.answer) = (LastRecord::Accepted, None);
            }
            true
        });
    });
    finds(Rule::OneGet, change);
}

#[test]
fn a_doubt_without_a_cause_is_found() {
    finds(Rule::JustifiedDoubt, by(Harness::Doubts));
}

#[test]
fn a_doubt_over_an_answer_that_is_there_is_a_lost_answer() {
    finds(Rule::NoLostAnswer, by(Harness::Doubts));
}

#[test]
fn a_kept_answer_in_other_words_is_found() {
    finds(Rule::SameAnswer, by(Harness::Restates));
}

#[test]
fn who_is_let_in_without_the_secret_is_found() {
    finds(Rule::OwnAnswersOnly, by(Harness::AsksNoSecret));
}

#[test]
fn a_second_reader_of_a_task_is_found() {
    let mut evidence = run(0, NONE);
    let is_poll = |call: &&super::wire::Call| {
        let answer = call.answer.as_ref().filter(|answer| answer.status == 200);
        call.polled().is_some() && answer.is_some()
    };
    let again = evidence.calls.iter().find(is_poll).cloned();
    evidence.calls.push(again.expect("a result is read"));
    let found = evidence.violations();
    assert!(found.iter().any(|it| it.rule == Rule::OneGet), "{found:?}");
}
