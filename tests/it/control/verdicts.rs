//! What the operator said of an exchange is told wherever the exchange is: what, why and when.
use std::process::Command;

use serde_json::Value;

use super::desk::Desk;
use crate::stage::asking::Asking;

/// The three of them in a line of JSON.
#[track_caller]
fn says(row: &Value, verdict: &str) {
    assert_eq!(row["verdict"], verdict, "{row}");
    assert_eq!(row["reason"], "back office", "{row}");
    let settled = row["settled"].as_str().unwrap_or_default();
    assert!(settled.starts_with("20") && settled.ends_with('Z'), "{row}");
}

/// In `journal show` and in `explain`, as text and as JSON.
#[track_caller]
fn is_told(desk: &Desk, id: &str, verdict: &str) {
    for command in [&["journal", "show"][..], &["explain"]] {
        let said = desk.ask(&[command, &[id]].concat());
        for (name, value) in [
            ("verdict", verdict),
            ("reason", "back office"),
            ("settled", "20"),
        ] {
            let line = |line: &str| {
                let rest = line.strip_prefix(name);
                rest.is_some_and(|rest| rest.trim_start().starts_with(value))
            };
            assert!(said.fine().lines().any(line), "{name} {value}: {said:?}");
        }
        let rows = desk.ask(&[command, &["--json", id]].concat()).rows();
        says(&rows[0], verdict);
    }
}

fn task(desk: &Desk, id: &str) -> Asking {
    let path = format!("/tasks/{id}");
    Asking::new(desk.holdline.operator(), "GET", &path).anonymous()
}

#[tokio::test]
async fn a_verdict_is_told_live_on_the_page_and_after_the_end() {
    for verdict in ["executed", "not-executed"] {
        let mut desk = Desk::open().await;
        let payment = desk.payment().key("order-key");
        let (_, id) = desk.doubtful(payment, "swallow").await;
        let before = &desk.ask(&["explain", "--json", &id]).rows()[0];
        assert_eq!(
            (&before["verdict"], &before["reason"]),
            (&Value::Null, &Value::Null)
        );
        desk.resolve(&id, verdict).fine();
        is_told(&desk, &id, verdict);
        let told = task(&desk, &id).send().await.json();
        says(&told[0], verdict);
        let page = task(&desk, &id).field("accept", "text/html");
        let page = page.send().await.text();
        assert!(page.contains("back office"), "{page}");
        desk.again().await;
        is_told(&desk, &id, verdict);
        desk.holdline.kill();
        is_told(&desk, &id, verdict);
    }
}

#[tokio::test]
async fn the_line_on_the_page_settles_a_doubt_from_any_directory() {
    let desk = Desk::open().await;
    let (_, id) = desk.doubtful(desk.payment(), "swallow").await;
    let page = task(&desk, &id).field("accept", "text/html");
    let page = page.send().await.text();
    let line = page.split("class=\"command\">").nth(1).unwrap();
    let line = line.split_once("</code>").unwrap().0;
    let overview = Asking::new(desk.holdline.operator(), "GET", "/").anonymous();
    let overview = overview.send().await.text();
    assert!(overview.contains(line), "{line}: {overview}");
    let line = line.replace("VERDICT", "executed").replace("TEXT", "found");
    let mut words = line.split(' ');
    assert_eq!(words.next(), Some("holdline"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdline"));
    let said = command.args(words).env_clear().current_dir("/").output();
    assert!(said.unwrap().status.success(), "{line}");
    let settled = &desk.ask(&["explain", "--json", &id]).rows()[0];
    assert_eq!(
        (&settled["verdict"], &settled["reason"]),
        (&"executed".into(), &"found".into())
    );
}
