//! Each judge finds a holdline that breaks its rule: the rule is broken in the harness around it.
use std::time::Duration;

use holdline::exchange::machine::RecordKind;

use super::client::Harness;
use super::judge::Rule;
use super::runs::{Change, NONE, run};
use crate::simulated::journal::Disk;

/// In so many seeds a broken rule must show.
const SEEDS: u64 = 60;

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
        world: |world| world.network.send_again(),
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
fn a_journal_that_claims_too_early_is_found() {
    fn lies(kind: RecordKind) -> Disk {
        if kind == RecordKind::Submitted {
            Disk::Lies(Duration::from_secs(1))
        } else {
            Disk::Ready
        }
    }
    finds(
        Rule::DurableIntent,
        Change {
            harness: Harness::Cheats,
            world: |world| world.journal.plan(lies),
        },
    );
}
