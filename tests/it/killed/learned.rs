//! What polling has learned, under the built binary: a stop keeps it, a kill leaves what was written
//! last, and neither a file that is no law nor a disk that takes none costs anything but a warning.
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use serde_json::Value;

use super::disk::{before_a_gateway, payment, until_ready};
use super::holdline::Holdline;
use super::tracer::{Tracer, is_there};
use crate::stage::asking::Asking;
use crate::stage::bench::until;
use crate::stage::tap::Tap;

/// Enough for a plan of its own.
const PAYMENTS: usize = 12;

async fn learning() -> (Tap, Holdline) {
    let (tap, mut holdline) = before_a_gateway().await;
    for (key, value) in [
        ("POLLING__SCHEDULE", "learned"),
        ("POLLING__MAX_INTERVAL", "10s"),
    ] {
        holdline.keys.push((key, value.to_owned()));
    }
    (tap, holdline)
}

fn fresh_law(holdline: &Holdline) -> PathBuf {
    holdline.directory().join("holdline.redb.law.new")
}

/// What a running holdline tells of its only route.
fn told(holdline: &Holdline) -> Option<Value> {
    let said = holdline.command(&["polling", "--json"]).output().unwrap();
    assert!(said.status.success(), "{said:?}");
    let rows = String::from_utf8(said.stdout).unwrap();
    assert!(rows.lines().count() <= 1, "{rows}");
    rows.lines()
        .next()
        .map(|row| serde_json::from_str(row).unwrap())
}

/// Of how many exchanges it remembers how long their tasks took.
fn known(holdline: &Holdline) -> u64 {
    told(holdline).map_or(0, |row| row["learned"]["exchanges"].as_u64().unwrap())
}

async fn until_known(holdline: &Holdline, exchanges: usize) {
    let is_known = || known(holdline) == exchanges as u64;
    until("it is learned", is_known).await;
}

/// Payments that are answered, and learned from.
async fn pay(holdline: &Holdline, name: &str, count: usize) {
    let before = usize::try_from(known(holdline)).unwrap();
    let payments = (0..count).map(|number| payment(holdline, &format!("{name}-{number}")).send());
    for answer in join_all(payments).await {
        answer.is_gateway(200);
    }
    until_known(holdline, before + count).await;
}

/// How often it has said this.
fn said(holdline: &Holdline, words: &str) -> usize {
    let log = holdline.log();
    let lines = log.iter().filter(|line| line["level"] == "WARN");
    lines
        .filter(|line| {
            line["message"]
                .as_str()
                .is_some_and(|it| it.contains(words))
        })
        .count()
}

const UNREAD: &str = "polling starts anew";
const UNKEPT: &str = "failed to keep what polling has learned";

#[tokio::test]
async fn a_stop_keeps_what_was_learned_and_a_kill_leaves_what_was_written_last() {
    let (_tap, mut holdline) = learning().await;
    holdline.start().await;
    pay(&holdline, "order", PAYMENTS).await;
    assert_eq!(holdline.stop().await, Some(0), "{}", holdline.said());
    let mode = fs::metadata(holdline.law()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // As one that was killed while it wrote.
    fs::write(fresh_law(&holdline), "half").unwrap();

    holdline.start().await;
    let row = told(&holdline).unwrap();
    assert_eq!(row["learned"]["exchanges"], PAYMENTS);
    assert_ne!(row["learned"]["confidence"], "cold", "{row}");
    let metrics = Asking::new(holdline.operator(), "GET", "/metrics").anonymous();
    let metrics = metrics.send().await.text();
    let weight = "holdline_polling_learned_weight{gateway=\"test\",route=\"payments\"}";
    assert!(metrics.contains(weight), "{metrics}");
    pay(&holdline, "another", 1).await;
    holdline.kill();

    holdline.start().await;
    assert_eq!(known(&holdline), PAYMENTS as u64);
    pay(&holdline, "last", 1).await;
    assert_eq!(holdline.stop().await, Some(0), "{}", holdline.said());
    assert!(!fresh_law(&holdline).exists());
    holdline.start().await;
    assert_eq!(known(&holdline), PAYMENTS as u64 + 1);
    assert_eq!(said(&holdline, UNREAD) + said(&holdline, UNKEPT), 0);
}

/// Something other than a law is put where it stands; `whole` are the bytes of one.
type Spoil = fn(&Path, &[u8]);

fn damaged(law: &Path, whole: &[u8]) {
    let mut bytes = whole.to_vec();
    bytes[40] ^= 1;
    fs::write(law, bytes).unwrap();
}

fn truncated(law: &Path, whole: &[u8]) {
    fs::write(law, &whole[..whole.len() / 2]).unwrap();
}

fn foreign(law: &Path, _: &[u8]) {
    fs::write(law, "a shopping list").unwrap();
}

fn huge(law: &Path, whole: &[u8]) {
    fs::write(law, whole).unwrap();
    let file = File::options().write(true).open(law).unwrap();
    file.set_len(1 << 34).unwrap();
}

fn linked(law: &Path, whole: &[u8]) {
    let elsewhere = law.with_extension("elsewhere");
    fs::write(&elsewhere, whole).unwrap();
    symlink(elsewhere, law).unwrap();
}

fn directory(law: &Path, _: &[u8]) {
    fs::create_dir(law).unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_law_is_told_once_and_polling_learns_anew() {
    let (tap, mut holdline) = learning().await;
    holdline.start().await;
    pay(&holdline, "order", PAYMENTS).await;
    assert_eq!(holdline.stop().await, Some(0), "{}", holdline.said());
    let law = holdline.law();
    let whole = fs::read(&law).unwrap();
    let kinds: [(&str, Spoil); 6] = [
        ("damaged", damaged),
        ("truncated", truncated),
        ("foreign", foreign),
        ("huge", huge),
        ("linked", linked),
        ("directory", directory),
    ];
    for (round, (name, spoil)) in kinds.into_iter().enumerate() {
        fs::remove_file(&law).unwrap();
        spoil(&law, &whole);
        holdline.start().await;
        assert_eq!(said(&holdline, UNREAD), round + 1, "{name}");
        assert_eq!(known(&holdline), 0, "{name}");
        pay(&holdline, name, 1).await;
        assert_eq!(holdline.stop().await, Some(0), "{}", holdline.said());
        let is_written = fs::symlink_metadata(&law).unwrap().is_file();
        assert_eq!(is_written, name != "directory");
        assert_eq!(said(&holdline, UNKEPT), usize::from(!is_written), "{name}");
    }
    let elsewhere = fs::read(law.with_extension("elsewhere")).unwrap();
    assert_eq!(elsewhere, whole, "what the link led to is as it was");
    assert_eq!(holdline.fault_of_journal(), None);
    let charges = tap.gateway.ledger().charges.len();
    assert_eq!(charges, PAYMENTS + kinds.len());
}

#[tokio::test]
async fn a_disk_that_takes_no_law_is_told_once_and_the_one_before_stays() {
    if !is_there() {
        return;
    }
    let (tap, mut holdline) = learning().await;
    holdline.start().await;
    pay(&holdline, "order", PAYMENTS).await;
    assert_eq!(holdline.stop().await, Some(0), "{}", holdline.said());
    let faults = [
        ("openat", "EROFS"),
        ("pwrite64", "ENOSPC"),
        ("fdatasync", "EIO"),
        ("rename,renameat,renameat2", "EROFS"),
    ];
    for (round, (calls, error)) in faults.into_iter().enumerate() {
        holdline.start().await;
        assert_eq!(known(&holdline), PAYMENTS as u64, "{calls}");
        let files = [fresh_law(&holdline)];
        let tracer = Tracer::fail(holdline.id(), &files, calls, error).await;
        pay(&holdline, error, 1).await;
        until_ready(&holdline, true).await;
        assert_eq!(holdline.stop().await, Some(0), "{}", holdline.said());
        tracer.end().await;
        assert_eq!(said(&holdline, UNKEPT), round + 1, "{calls}");
    }
    holdline.start().await;
    pay(&holdline, "last", 1).await;
    assert_eq!(holdline.stop().await, Some(0), "{}", holdline.said());
    holdline.start().await;
    assert_eq!(known(&holdline), PAYMENTS as u64 + 1);
    assert_eq!(said(&holdline, UNKEPT), faults.len());
    assert_eq!(holdline.fault_of_journal(), None);
    let charges = tap.gateway.ledger().charges.len();
    assert_eq!(charges, PAYMENTS + faults.len() + 1);
}
