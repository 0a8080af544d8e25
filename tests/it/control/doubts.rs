//! Exchanges in doubt: how they are found, shown and settled while holdline runs.
use super::desk::{Desk, exchange, is_told_executed};
use crate::stage::asking::Asking;
use crate::stage::bench::until;
use holdline::exchange::machine::Doubt;

const UNKNOWN: &str = "6f1c1f0e-6b0a-4c8e-9a5b-0d7f2f1c9a11";

#[tokio::test]
async fn a_doubt_is_listed_and_found_by_each_of_its_ids() {
    let desk = Desk::open().await;
    assert_eq!(desk.ask(&["journal", "ls"]).fine(), "");
    let (_, id) = desk
        .doubtful(desk.payment().key("order-key"), "unknown")
        .await;
    let row = desk.only(&["--in-doubt"]);
    assert_eq!(row["exchange"], id.as_str());
    assert_eq!(row["state"], "in-doubt");
    assert_eq!(row["cause"], "task-unknown");
    assert_eq!(row["idempotency_key"], "order-key");
    assert_eq!(row["amount"], "100");
    assert_eq!(row["currency"], "USD");
    assert_eq!(
        desk.listed(&["--undelivered"]),
        [] as [serde_json::Value; 0]
    );
    for words in [&["journal", "ls"][..], &["journal", "ls", "--in-doubt"]] {
        let table = desk.ask(words);
        let lines: Vec<&str> = table.fine().lines().collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("EXCHANGE "), "{lines:?}");
        for part in [&*id, " in-doubt ", " payments ", " 100 USD ", " order-key"] {
            assert!(lines[1].contains(part), "{lines:?}");
        }
    }
    let task = row["request_id"].as_str().unwrap();
    for name in [&*id, "order-key", task] {
        let shown = desk.ask(&["journal", "show", name]);
        for line in [
            format!("exchange         {id}"),
            "cause            task-unknown".to_owned(),
            format!("task             {task}"),
        ] {
            assert!(shown.fine().lines().any(|it| it == line), "{shown:?}");
        }
        let shown = desk.ask(&["journal", "show", "--json", name]).rows();
        assert_eq!(shown[0]["exchange"], id.as_str());
    }
    let nobody = desk.ask(&["journal", "show", UNKNOWN]);
    nobody.fails(1, "no exchange of the journal has the id");
}

#[tokio::test]
async fn a_row_has_these_keys_and_no_others() {
    let desk = Desk::open().await;
    desk.doubtful(desk.payment().tracking("order"), "bad-gateway")
        .await;
    let row = desk.only(&[]);
    let mut keys: Vec<&String> = row.as_object().unwrap().keys().collect();
    keys.sort();
    let expected = [
        "age_seconds",
        "amount",
        "answer_kept",
        "cause",
        "changed",
        "currency",
        "exchange",
        "explicit_key",
        "gateway",
        "idempotency_key",
        "operation",
        "origin",
        "reason",
        "request_id",
        "resubmits",
        "settled",
        "state",
        "submitted",
        "tracking_id",
        "verdict",
    ];
    assert_eq!(keys, expected);
    assert_eq!(row["tracking_id"], "order");
}

#[tokio::test]
async fn what_was_executed_is_told_so_and_never_sent_again() {
    for key in [None, Some("order-key")] {
        let mut desk = Desk::open().await;
        let payment = || match key {
            Some(key) => desk.payment().key(key),
            None => desk.payment(),
        };
        let request = payment();
        let (_, id) = desk.doubtful(payment(), "swallow").await;
        let said = desk.resolve(&id, "executed");
        assert!(
            said.fine()
                .starts_with(&format!("{id} is settled as executed"))
        );
        for _ in 0..2 {
            let told = request.clone().send().await;
            is_told_executed(&told);
            assert_eq!(exchange(&told), id);
            let row = desk.only(&[]);
            assert_eq!(row["cause"], "executed");
            assert_eq!(row["reason"], "back office");
            desk.again().await;
        }
        assert_eq!(desk.submits(), 1);
    }
}

#[tokio::test]
async fn what_was_not_executed_may_be_asked_for_anew() {
    for key in [None, Some("order-key")] {
        let mut desk = Desk::open().await;
        let mut request = desk.payment();
        if let Some(key) = key {
            request = request.key(key);
        }
        let (_, id) = desk.doubtful(request.clone(), "bad-gateway").await;
        let said = desk.resolve(&id, "not-executed");
        assert!(
            said.fine()
                .starts_with(&format!("{id} is settled as not executed"))
        );
        assert_eq!(desk.listed(&["--in-doubt"]).len(), 0);
        desk.again().await;
        let answer = request.send().await;
        assert_ne!(exchange(answer.is_gateway(200)), id);
        assert_eq!(desk.submits(), 2);
        desk.resolve(&id, "executed").fails(1, "no exchange");
    }
}

#[tokio::test]
async fn only_a_doubt_can_be_settled() {
    let mut desk = Desk::closed().await;
    desk.holdline.keys.push(("HOLD__TIMEOUT", "10s".to_owned()));
    desk.holdline.start().await;
    desk.resolve(UNKNOWN, "executed").fails(1, "no exchange");
    let running = desk.payment().key("runs").words("hold");
    let mut line = running.open().await;
    until("it is submitted", || desk.submits() == 1).await;
    for verdict in ["executed", "not-executed"] {
        desk.resolve("runs", verdict).fails(1, "not in doubt");
    }
    desk.tap.gateway.finish_held();
    line.answer().await.is_gateway(200);
    let is_delivered = || desk.only(&[])["state"] == "delivered";
    until("it is delivered", is_delivered).await;
    for verdict in ["executed", "not-executed"] {
        desk.resolve("runs", verdict).fails(1, "no exchange");
    }
    assert_eq!(desk.submits(), 1);
}

#[tokio::test]
async fn a_name_that_two_doubts_share_settles_neither() {
    let mut desk = Desk::open().await;
    let payment = desk.payment().key("order-key");
    let (_, one) = desk.doubtful(payment.clone(), "bad-gateway").await;
    let (_, other) = desk.doubtful(payment.amount(777), "bad-gateway").await;
    for id in [one, other] {
        let named = desk.ask(&["journal", "show", "--json", "order-key"]);
        assert_eq!(named.rows().len(), 2);
        let said = desk.resolve("order-key", "executed");
        said.fails(1, "give the exchange's own id");
        desk.resolve(&id, "executed").fine();
        // The same on the file.
        desk.holdline.kill();
    }
    assert!(desk.listed(&[]).iter().all(|it| it["cause"] == "executed"));
}

#[tokio::test]
async fn a_key_that_looks_like_the_own_id_of_another_exchange_names_its_own_nowhere() {
    let mut desk = Desk::open().await;
    let (_, one) = desk.doubtful(desk.payment(), "bad-gateway").await;
    let posing = desk.payment().tracking("posing").key(&one);
    desk.doubtful(posing, "bad-gateway").await;
    // By the running one, and from the file.
    for _ in 0..2 {
        for command in [&["journal", "show"][..], &["explain"]] {
            let rows = desk.ask(&[command, &["--json", &one]].concat()).rows();
            let own: Vec<_> = rows.iter().map(|row| row["exchange"].clone()).collect();
            assert_eq!(own, [one.as_str()], "{command:?}");
        }
        desk.resolve(&one, "executed").fine();
        desk.holdline.kill();
    }
}

#[tokio::test]
async fn a_verdict_has_a_reason_and_a_short_one() {
    let desk = Desk::open().await;
    let (_, id) = desk.doubtful(desk.payment(), "swallow").await;
    for reason in ["", "  ", &"x".repeat(121), &"ü".repeat(61)] {
        let said = desk.ask(&["resolve", &id, "--as", "executed", "--reason", reason]);
        said.fails(64, "a reason has 1 to 120 bytes");
    }
    let card = "paid with 4200 0000 0000 0000";
    let said = desk.ask(&["resolve", &id, "--as", "executed", "--reason", card]);
    said.fails(64, "the reason seems to hold a card number");
    let said = desk.ask(&["resolve", &id, "--as", "executed"]);
    assert_eq!(said.code, Some(64), "{said:?}");
    let said = desk.ask(&["resolve", &id, "--as", "maybe", "--reason", "x"]);
    assert_eq!(said.code, Some(64), "{said:?}");
    assert_eq!(desk.only(&[])["cause"], "submit-lost");
    let longest = "x".repeat(120);
    let said = desk.ask(&["resolve", &id, "--as", "executed", "--reason", &longest]);
    said.fine();
    assert_eq!(desk.only(&[])["reason"], longest);
}

#[tokio::test]
async fn what_a_killed_process_had_submitted_is_among_the_doubts() {
    let mut desk = Desk::open().await;
    let line = desk.payment().words("late=60000").open().await;
    until("it is submitted", || desk.submits() == 1).await;
    assert_eq!(desk.listed(&["--in-doubt"]).len(), 0, "it is under way");
    desk.holdline.kill();
    drop(line);
    for _ in 0..2 {
        // First of the file, then of the next process.
        let row = desk.only(&["--in-doubt"]);
        assert_eq!(row["state"], "in-doubt");
        assert_eq!(row["cause"], "restart");
        desk.holdline.kill();
        desk.holdline.start().await;
    }
    let id = desk.only(&["--in-doubt"])["exchange"].clone();
    desk.resolve(id.as_str().unwrap(), "executed").fine();
    is_told_executed(&desk.payment().words("late=60000").send().await);
    assert_eq!(desk.submits(), 1);
}

#[tokio::test]
async fn what_a_killed_process_was_searching_for_keeps_its_cause() {
    let mut desk = Desk::open().await;
    let payment = desk.payment().tracking("order").key("sought");
    let payment = payment.words("bad-gateway");
    let line = payment.clone().open().await;
    let is_sought = || desk.ask(&["explain", "sought"]).out.contains("searched at");
    until("it is searched for", is_sought).await;
    desk.holdline.kill();
    drop(line);
    for _ in 0..2 {
        // First of the file, then of the next process.
        assert_eq!(desk.only(&["--in-doubt"])["cause"], "submit-unclear");
        let said = desk.ask(&["explain", "sought"]);
        assert!(said.fine().contains(Doubt::SubmitUnclear.words()));
        desk.holdline.kill();
        desk.holdline.start().await;
    }
    payment.send().await.is_in_doubt();
    assert_eq!(desk.submits(), 1);
}

#[tokio::test]
async fn an_answer_whose_client_hung_up_is_among_the_undelivered() {
    let mut desk = Desk::open().await;
    let line = desk.payment().key("left").words("hold").open().await;
    until("it is submitted", || desk.submits() == 1).await;
    line.reset();
    desk.tap.gateway.finish_held();
    until("its answer waits", || {
        !desk.listed(&["--undelivered"]).is_empty()
    })
    .await;
    for _ in 0..2 {
        let row = desk.only(&["--undelivered"]);
        assert_eq!(row["answer_kept"], true);
        let stories = desk.ask(&["explain", "--json", "left"]).rows();
        let tasks = Asking::new(desk.holdline.operator(), "GET", "/tasks").anonymous();
        let tasks = tasks.send().await.json();
        for told in [&row, &stories[0], &tasks["tasks"][0]] {
            assert_eq!(told["state"], "undelivered", "{told}");
        }
        assert_eq!(tasks["tasks"][0]["awaits"], "its client");
        assert_eq!(desk.listed(&["--in-doubt"]).len(), 0);
        desk.resolve("left", "not-executed")
            .fails(1, "not in doubt");
        desk.again().await;
    }
    let repeat = desk.payment().key("left").words("hold").send().await;
    repeat.is_gateway(200);
    let is_delivered = || desk.listed(&["--undelivered"]).is_empty();
    until("it is delivered", is_delivered).await;
    assert_eq!(desk.submits(), 1);
}
