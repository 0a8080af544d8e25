//! Strangers' texts in what the commands print, and outputs that nobody reads.
use std::process::Stdio;

use futures_util::future::join_all;

use super::desk::{Desk, Said};

#[tokio::test]
async fn a_hostile_tracking_id_is_escaped_in_the_table_and_whole_in_json() {
    let desk = Desk::open().await;
    let hostile = "\u{1b}[2J\u{7}x\n6f1c1f0e in-doubt\r\u{9b}31m\u{202e}\u{7f}";
    let long = "y".repeat(1_000);
    let texts = [hostile, &long, &"z".repeat(10_240)];
    let payments = (0..).zip(texts).map(|(number, text)| {
        let written = serde_json::to_string(text).unwrap();
        let payment = desk.payment().tracking(written.trim_matches('"'));
        desk.doubtful(payment.amount(100 + number), "bad-gateway")
    });
    join_all(payments).await;
    let mut rows = desk.listed(&[]);
    rows.sort_by_key(|row| row["amount"].to_string());
    assert_eq!(rows[0]["tracking_id"], hostile);
    assert_eq!(rows[1]["tracking_id"], long);
    assert_eq!(rows[2]["tracking_id"], serde_json::Value::Null);
    let json = desk.ask(&["journal", "ls", "--json"]);
    assert!(
        json.fine()
            .bytes()
            .all(|byte| byte >= 0x20 || byte == b'\n')
    );
    let table = desk.ask(&["journal", "ls"]);
    assert_eq!(table.fine().lines().count(), 4);
    assert!(table.out.lines().all(|line| line.chars().count() < 400));
    let mut texts = vec![table.out];
    for row in &rows {
        let id = row["exchange"].as_str().unwrap();
        let shown = desk.ask(&["journal", "show", id]);
        assert!(shown.fine().lines().count() < 20);
        texts.push(shown.out);
    }
    for text in texts {
        let strange = |character: char| character.is_control() && character != '\n';
        assert!(!text.contains(strange), "{text:?}");
        assert!(!text.contains('\u{202e}'), "{text:?}");
    }
}

#[tokio::test]
async fn an_id_that_nobody_has_is_repeated_without_its_controls() {
    let desk = Desk::open().await;
    let hostile = format!("\u{1b}[2J\n{}", "x".repeat(5_000));
    let said = desk.ask(&["journal", "show", &hostile]);
    said.fails(1, "no exchange of the journal has the id");
    assert!(!said.complaint.contains('\u{1b}') && said.complaint.len() < 300);
    // A question that is longer than any is still told about.
    let said = desk.ask(&["journal", "show", &"x".repeat(100_000)]);
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{said:?}");
    assert_eq!(said.complaint.lines().count(), 1, "{said:?}");
}

#[tokio::test]
async fn an_output_that_nobody_reads_ends_the_command_quietly() {
    let mut desk = Desk::open().await;
    desk.doubtful(desk.payment(), "swallow").await;
    for _ in 0..2 {
        for words in [
            &["journal", "ls"][..],
            &["journal", "ls", "--json"],
            &["journal", "verify"],
        ] {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            let mut command = desk.holdline.command(words);
            let ended = command
                .stdout(writer)
                .stderr(Stdio::piped())
                .output()
                .unwrap();
            Said::from(ended).fine();
        }
        // Then from the file.
        desk.holdline.kill();
    }
}
