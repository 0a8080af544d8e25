//! What happened to an exchange, told by the running holdline, after its end, and from the file.
use std::time::Duration;

use jiff::Timestamp;

use super::desk::{Desk, exchange};
use crate::stage::asking::Asking;
use crate::stage::bench::until;

/// The parts stand in the text in this order.
#[track_caller]
fn tells(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else {
            panic!("{part:?} is not told, or not there: {text}");
        };
        rest = after;
    }
}

#[tokio::test]
async fn a_payment_is_explained_from_its_request_to_its_delivery() {
    let desk = Desk::open().await;
    let payment = desk.payment().tracking("order").key("order-key");
    let answer = payment.send().await;
    answer.is_gateway(200);
    let id = exchange(&answer);
    let arrived = || desk.ask(&["explain", &id]).out.contains("the client has");
    until("the answer is acknowledged", arrived).await;
    let said = desk.ask(&["explain", &id]);
    tells(
        said.fine(),
        &[
            &id,
            "delivered",
            "order-key",
            "read the request: no equal one is under way",
            "recorded that a submit may leave",
            "sent the submit: from here on it may be executed",
            "the gateway took the task: status 200",
            "recorded that the gateway took the task",
            "polled: the result: status 200",
            "recorded the answer: before anybody is given it",
            "completed: the gateway's answer, status 200: to the client that waited",
            "the client has the answer",
        ],
    );
    let rows = desk.ask(&["explain", "--json", "order-key"]).rows();
    assert_eq!(rows[0]["exchange"], id.as_str());
    assert_eq!(rows[0]["tracking_id"], "order");
    let task = rows[0]["request_id"].as_str().unwrap();
    assert_eq!(desk.ask(&["explain", task]).fine(), said.fine());
}

#[tokio::test]
async fn after_a_kill_the_records_tell_what_is_left_to_tell() {
    let mut desk = Desk::open().await;
    let (_, id) = desk
        .doubtful(desk.payment().key("order-key"), "swallow")
        .await;
    let told = [
        "in-doubt",
        "the connection ended before the submit was answered",
        "recorded that a submit may leave",
        "recorded that it is in doubt",
    ];
    tells(desk.ask(&["explain", &id]).fine(), &told);
    let settles = format!("\n  holdline resolve {id} --as VERDICT --reason TEXT");
    tells(desk.ask(&["explain", &id]).fine(), &[&settles]);
    desk.again().await;
    let said = desk.ask(&["explain", &id]);
    tells(said.fine(), &told);
    tells(said.fine(), &["found in the journal by a new process"]);
    let rows = desk.ask(&["explain", "--json", &id]).rows();
    let time = |told: &serde_json::Value| told.as_str().unwrap().parse::<Timestamp>().unwrap();
    let (began, first) = (time(&rows[0]["began"]), time(&rows[0]["steps"][0]["at"]));
    let apart = first.duration_since(began).unsigned_abs();
    assert!(apart < Duration::from_millis(5), "{began}, {first}");
    desk.resolve(&id, "executed").fine();
    let settled = [
        "settled",
        "verdict      executed",
        "reason       back office",
        "settled      20",
        "the operator said: executed",
    ];
    tells(desk.ask(&["explain", &id]).fine(), &settled);
    assert!(!desk.ask(&["explain", &id]).out.contains("holdline resolve"));
    desk.holdline.kill();
    let said = desk.ask(&["explain", &id]);
    tells(
        said.fine(),
        &["settled", "the operator's reason: back office"],
    );
}

#[tokio::test]
async fn a_strangers_text_is_no_part_of_the_terminal() {
    let desk = Desk::open().await;
    let hostile = serde_json::to_string("\u{1b}[2J\u{202e}x\n").unwrap();
    let payment = desk.payment().tracking(hostile.trim_matches('"'));
    let (_, id) = desk.doubtful(payment, "bad-gateway").await;
    let said = desk.ask(&["explain", &id]);
    let strange = |it: char| it.is_control() && it != '\n' || it == '\u{202e}';
    assert!(!said.fine().contains(strange), "{said:?}");
    desk.ask(&["explain", "\u{1b}[2J"])
        .fails(1, "nothing is remembered of an exchange with the id");
}

/// A payment whose task the gateway holds, and the process killed meanwhile.
async fn interrupted(desk: &mut Desk) {
    let line = desk.payment().key("order-key").words("hold").open().await;
    let accepted = || {
        let said = desk.ask(&["explain", "order-key"]);
        said.out.contains("recorded that the gateway took the task")
    };
    until("it is accepted", accepted).await;
    desk.holdline.kill();
    drop(line);
}

#[tokio::test]
async fn a_doubt_that_is_settled_takes_no_place_on_the_page() {
    let mut desk = Desk::closed().await;
    let key = "LIMITS__UNDELIVERED";
    desk.holdline.keys.push((key, "1".to_owned()));
    desk.holdline.start().await;
    let (_, id) = desk.doubtful(desk.payment(), "bad-gateway").await;
    let is_full = async || {
        let page = Asking::new(desk.holdline.operator(), "GET", "/").anonymous();
        let page = page.send().await.text();
        page.contains("1 of 1 that limits.undelivered allows.")
    };
    assert!(is_full().await);
    desk.resolve(&id, "executed").fine();
    assert!(!is_full().await);
}

#[tokio::test]
async fn what_a_kill_interrupted_is_explained_from_its_submit_after_its_end() {
    let mut desk = Desk::open().await;
    interrupted(&mut desk).await;
    let key = "LIMITS__UNDELIVERED";
    desk.holdline.keys.push((key, "1".to_owned()));
    desk.holdline.start().await;
    // It takes a place, as an answer that waits does.
    let page = Asking::new(desk.holdline.operator(), "GET", "/").anonymous();
    let page = page.send().await.text();
    assert!(page.contains("1 of 1 that limits.undelivered allows."));
    desk.tap.gateway.finish_held();
    let repeat = desk.payment().key("order-key").words("hold").send().await;
    let id = exchange(repeat.is_gateway(200));
    let ended = || desk.ask(&["explain", &id]).out.contains("the client has");
    until("the answer is acknowledged", ended).await;
    tells(
        desk.ask(&["explain", &id]).fine(),
        &[
            "delivered",
            "recorded that a submit may leave",
            "recorded that the gateway took the task",
            "found in the journal by a new process: only its client's repeat brings the credentials",
            "an equal request joined",
            "the client has the answer",
        ],
    );
}

#[tokio::test]
async fn a_doubt_because_of_another_origin_tells_that_the_one_of_before_ends_it() {
    let mut desk = Desk::open().await;
    interrupted(&mut desk).await;
    let before = desk.holdline.configured();
    let moved = before.replace("\"http://127.0.0.1:", "\"http://localhost:");
    for (config, cause, hint) in [
        (moved, "origin-changed", "With the origin of before in the"),
        (
            before.replace("name = \"test\"", "name = \"other\""),
            "gateway-gone",
            "With its gateway in the configuration again",
        ),
    ] {
        std::fs::write(desk.holdline.config(), config).unwrap();
        desk.again().await;
        let repeat = desk.payment().key("order-key").words("hold");
        if cause == "origin-changed" {
            repeat.send().await.is_in_doubt();
        }
        let said = desk.ask(&["explain", "order-key"]);
        tells(said.fine(), &["in-doubt", hint, "holdline resolve"]);
        assert!(!said.out.contains("repeat searches"), "{said:?}");
        let rows = desk.ask(&["explain", "--json", "order-key"]).rows();
        assert_eq!(rows[0]["cause"], cause);
        let tasks = Asking::new(desk.holdline.operator(), "GET", "/tasks").anonymous();
        let awaits = tasks.send().await.json()["tasks"][0]["awaits"].to_string();
        assert!(!awaits.contains("repeat"), "{awaits}");
    }
    std::fs::write(desk.holdline.config(), before).unwrap();
    desk.again().await;
    desk.tap.gateway.finish_held();
    let repeat = desk.payment().key("order-key").words("hold").send().await;
    repeat.is_gateway(200);
    assert_eq!(desk.submits(), 1);
}
