//! Each judge finds what breaks its rule: in the world around holdline, or in how it is run.
use std::fs;

use futures_util::future::join_all;

use super::buyer::Harness;
use super::holdline::Holdline;
use super::runs::{Change, NONE, SPARED, play};
use crate::chaos::judge::Rule;

/// In so many seeds a broken rule must show.
const SEEDS: u64 = 8;

/// So many seeds run side by side.
const AT_ONCE: usize = 4;

async fn finds(rules: &[Rule], change: Change) {
    let mut missing: Vec<Rule> = rules.to_vec();
    let seeds: Vec<u64> = (0..SEEDS).collect();
    for some in seeds.chunks(AT_ONCE) {
        let runs = some.iter().map(|&seed| play(seed, change));
        for evidence in join_all(runs).await {
            let found = evidence.violations();
            missing.retain(|rule| found.iter().all(|it| it.rule != *rule));
        }
        if missing.is_empty() {
            return;
        }
    }
    panic!("no seed shows it: {missing:?}");
}

fn by(harness: Harness) -> Change {
    Change { harness, ..SPARED }
}

#[tokio::test]
async fn without_a_journal_a_kill_is_a_second_charge() {
    let change = Change {
        arguments: &["--in-memory"],
        ..NONE
    };
    finds(&[Rule::OneCharge], change).await;
}

#[tokio::test]
async fn an_operator_who_begins_the_journal_anew_has_charges_made_twice() {
    fn begins_anew(holdline: &Holdline, _: usize) {
        fs::remove_file(holdline.journal()).unwrap();
        fs::remove_file(holdline.key()).unwrap();
        fs::remove_file(holdline.mark()).unwrap();
        fs::remove_file(holdline.wal()).unwrap();
    }
    let change = Change {
        operator: begins_anew,
        ..NONE
    };
    finds(&[Rule::OneCharge], change).await;
}

#[tokio::test]
async fn an_operator_who_brings_an_old_journal_back_has_charges_made_twice() {
    fn brings_back(holdline: &Holdline, deaths: usize) {
        let old = holdline.directory().join("old");
        if deaths == 0 {
            fs::copy(holdline.journal(), old).unwrap();
        } else {
            fs::copy(old, holdline.journal()).unwrap();
            // With its mark or its log it would be told.
            fs::remove_file(holdline.mark()).unwrap();
            fs::remove_file(holdline.wal()).unwrap();
        }
    }
    let change = Change {
        operator: brings_back,
        ..NONE
    };
    finds(&[Rule::OneCharge], change).await;
}

#[tokio::test]
async fn a_write_taken_for_a_delivery_is_a_second_charge() {
    finds(&[Rule::OneCharge], by(Harness::WriteIsDelivery)).await;
}

#[tokio::test]
async fn a_doubt_told_as_not_submitted_is_found() {
    finds(&[Rule::HonestDenial], by(Harness::DoubtIsDenied)).await;
}

#[tokio::test]
async fn an_answer_that_the_gateway_did_not_give_is_found() {
    finds(&[Rule::NoInvention], by(Harness::Declines)).await;
}

#[tokio::test]
async fn a_doubt_over_an_answer_that_is_there_is_a_lost_answer_and_has_no_cause() {
    let rules = [Rule::NoLostAnswer, Rule::JustifiedDoubt];
    finds(&rules, by(Harness::Doubts)).await;
}

#[tokio::test]
async fn a_kept_answer_in_other_words_is_found() {
    finds(&[Rule::SameAnswer], by(Harness::Restates)).await;
}
