//! Files of the journal that somebody removes or moves while holdline runs: no payment is forgotten,
//! and so none is sent twice.
use std::fs;
use std::path::PathBuf;

use super::disk::{before_a_gateway, does_not_start, payment, ready, until_ready};
use super::holdline::Holdline;
use crate::stage::asking::Asking;
use crate::stage::bench::until;

fn files(holdline: &Holdline) -> [PathBuf; 4] {
    [
        holdline.journal(),
        holdline.wal(),
        holdline.mark(),
        holdline.key(),
    ]
}

/// Each of them alone, and all.
fn choices(holdline: &Holdline) -> Vec<Vec<PathBuf>> {
    let all = files(holdline);
    let alone = all.iter().map(|file| vec![file.clone()]);
    alone.chain([all.to_vec()]).collect()
}

#[tokio::test]
async fn a_journal_that_is_begun_anew_is_told_and_since_when() {
    const BEGUN: &str = "holdline_journal_begun_timestamp_seconds ";
    let (_tap, mut holdline) = before_a_gateway().await;
    for round in 1..=2 {
        let mut begun = Vec::new();
        for _ in 0..2 {
            holdline.start().await;
            let asking = Asking::new(holdline.operator(), "GET", "/metrics");
            let metrics = asking.send().await.text();
            let mut lines = metrics.lines().filter_map(|line| line.strip_prefix(BEGUN));
            begun.push(lines.next().unwrap().parse::<u64>().unwrap());
            assert_eq!(holdline.stop().await, Some(0));
        }
        assert!(begun[0] > 1_700_000_000, "{begun:?}");
        assert_eq!(begun[0], begun[1], "the second start begins none");
        let log = holdline.log();
        let warned = log.iter().filter(|line| {
            let message = line["message"].as_str().unwrap_or_default();
            line["level"] == "WARN" && message.starts_with("a new journal is begun: ")
        });
        assert_eq!(warned.count(), round, "{}", holdline.said());
        // The volume is not there.
        for file in files(&holdline) {
            fs::remove_file(file).unwrap();
        }
    }
}

#[tokio::test]
async fn what_is_removed_is_back_before_a_kill_and_nothing_is_charged_twice() {
    let (tap, mut holdline) = before_a_gateway().await;
    holdline.start().await;
    for (round, removed) in choices(&holdline).into_iter().enumerate() {
        let asking = payment(&holdline, &format!("order-{round}")).key(&format!("key-{round}"));
        let answer = asking.clone().send().await;
        answer.is_gateway(200);
        for file in &removed {
            fs::remove_file(file).unwrap();
        }
        let is_back = || files(&holdline).iter().all(|file| file.exists());
        until("every file is there again", is_back).await;
        until_ready(&holdline, true).await;
        holdline.kill();
        holdline.start().await;
        asking.send().await.is_gateway(200).is_same_as(&answer);
        assert_eq!(tap.gateway.ledger().submits.len(), round + 1, "{removed:?}");
    }
    let said = holdline.said();
    for file in files(&holdline) {
        assert!(
            said.contains(&format!("{} was removed", file.display())),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_key_that_is_cut_is_back_before_a_kill_and_another_one_is_told() {
    let (tap, mut holdline) = before_a_gateway().await;
    holdline.start().await;
    let asking = payment(&holdline, "order").key("key");
    let answer = asking.clone().send().await;
    answer.is_gateway(200);
    let key = fs::read(holdline.key()).unwrap();
    fs::write(holdline.key(), b"").unwrap();
    let is_back = || fs::read(holdline.key()).unwrap() == key;
    until("the key is there again", is_back).await;
    until_ready(&holdline, true).await;
    let mut other = key.clone();
    for digit in other.iter_mut().rev().skip(1).take(64) {
        *digit = b'7';
    }
    fs::write(holdline.key(), other).unwrap();
    until_ready(&holdline, false).await;
    let told = ready(&holdline).await;
    let words = "the key of another journal was written to";
    assert!(told.text().contains(words), "{}", told.text());
    fs::write(holdline.key(), &key).unwrap();
    until_ready(&holdline, true).await;
    holdline.kill();
    holdline.start().await;
    asking.send().await.is_gateway(200).is_same_as(&answer);
    assert_eq!(tap.gateway.ledger().submits.len(), 1);
    assert!(holdline.said().contains("holds no key any more"));
}

#[tokio::test]
async fn while_a_file_is_moved_away_nothing_is_sent_until_it_is_back() {
    let (tap, mut holdline) = before_a_gateway().await;
    holdline.start().await;
    let elsewhere = holdline.directory().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    for (round, moved) in choices(&holdline).into_iter().enumerate() {
        if moved == [holdline.mark()] {
            continue;
        }
        let asking = payment(&holdline, &format!("order-{round}")).key(&format!("key-{round}"));
        let answer = asking.clone().send().await;
        answer.is_gateway(200);
        let sent = tap.gateway.ledger().submits.len();
        let place = |file: &PathBuf| elsewhere.join(file.file_name().unwrap());
        for file in &moved {
            fs::rename(file, place(file)).unwrap();
        }
        until_ready(&holdline, false).await;
        let words = format!("{} was moved away: move that file back", moved[0].display());
        let told = ready(&holdline).await;
        assert!(told.text().contains(&words), "{}", told.text());
        payment(&holdline, "meanwhile").send().await.is_refusal(503);
        asking
            .clone()
            .send()
            .await
            .is_gateway(200)
            .is_same_as(&answer);
        for file in &moved {
            fs::rename(place(file), file).unwrap();
        }
        until_ready(&holdline, true).await;
        holdline.kill();
        holdline.start().await;
        asking.send().await.is_gateway(200).is_same_as(&answer);
        assert_eq!(tap.gateway.ledger().submits.len(), sent, "{moved:?}");
    }
}

#[tokio::test]
async fn a_start_after_all_was_moved_away_under_a_process_that_was_killed_is_refused() {
    let (tap, mut holdline) = before_a_gateway().await;
    holdline.start().await;
    payment(&holdline, "order").send().await.is_gateway(200);
    let elsewhere = holdline.directory().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    for file in files(&holdline) {
        fs::rename(&file, elsewhere.join(file.file_name().unwrap())).unwrap();
    }
    until_ready(&holdline, false).await;
    until("the start is warned", || holdline.mark().exists()).await;
    holdline.kill();
    does_not_start(holdline, "holdline.redb.last is there").await;
    assert_eq!(tap.gateway.ledger().submits.len(), 1);
}
