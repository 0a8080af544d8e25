//! Each judge finds what breaks its rule: in the world around holdline, or in how it is run.
use super::buyer::Harness;
use super::runs::{Change, NONE, SPARED, play};
use crate::chaos::judge::Rule;

/// In so many seeds a broken rule must show.
const SEEDS: u64 = 8;

async fn finds(rule: Rule, change: Change) {
    for seed in 0..SEEDS {
        let violations = play(seed, change).await.violations();
        if violations.iter().any(|it| it.rule == rule) {
            return;
        }
    }
    panic!("no seed shows it");
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
    finds(Rule::OneCharge, change).await;
}

#[tokio::test]
async fn a_write_taken_for_a_delivery_is_a_second_charge() {
    finds(Rule::OneCharge, by(Harness::WriteIsDelivery)).await;
}

#[tokio::test]
async fn a_doubt_told_as_not_submitted_is_found() {
    finds(Rule::HonestDenial, by(Harness::DoubtIsDenied)).await;
}

#[tokio::test]
async fn an_answer_that_the_gateway_did_not_give_is_found() {
    finds(Rule::NoInvention, by(Harness::Declines)).await;
}

#[tokio::test]
async fn a_doubt_over_an_answer_that_is_there_is_a_lost_answer() {
    finds(Rule::NoLostAnswer, by(Harness::Doubts)).await;
}

#[tokio::test]
async fn a_doubt_without_a_cause_is_found() {
    finds(Rule::JustifiedDoubt, by(Harness::Doubts)).await;
}

#[tokio::test]
async fn a_kept_answer_in_other_words_is_found() {
    finds(Rule::SameAnswer, by(Harness::Restates)).await;
}
