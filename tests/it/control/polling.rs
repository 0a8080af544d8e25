//! How polling stands, as a running holdline that has learned tells it, and one that has not.
use futures_util::future::join_all;
use serde_json::Value;

use super::desk::Desk;
use crate::stage::asking::Asking;
use crate::stage::bench::until;

/// Payments whose tasks take 200 to 500 ms.
async fn pay(desk: &Desk, count: u64) {
    let payments = (0..count).map(|number| {
        let delay = format!("delay={}", 200 + 300 * number / count);
        desk.payment().amount(100 + number).words(&delay).send()
    });
    for answer in join_all(payments).await {
        answer.is_gateway(200);
    }
}

/// A holdline with this schedule, given time for its payments.
async fn open(schedule: &str) -> Desk {
    let mut desk = Desk::closed().await;
    for (key, value) in [
        ("HOLD__TIMEOUT", "30s"),
        ("POLLING__SCHEDULE", schedule),
        ("POLLING__MAX_INTERVAL", "10s"),
        ("POLLING__MAX_PER_SECOND", "10000"),
    ] {
        desk.holdline.keys.push((key, value.to_owned()));
    }
    desk.holdline.start().await;
    desk
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value}"))
}

#[tokio::test]
async fn what_a_few_dozen_payments_taught_is_told_and_drawn() {
    let desk = open("learned").await;
    pay(&desk, 40).await;
    let row = || desk.ask(&["polling", "--json"]).rows().pop();
    let knows = |row: Option<Value>| row.is_some_and(|row| row["learned"]["exchanges"] == 40);
    until("all outcomes are learned", || knows(row())).await;
    let row = row().unwrap();
    assert_eq!(
        (&row["gateway"], &row["route"]),
        (&"test".into(), &"payments".into())
    );
    assert_eq!(row["measured"]["exchanges"], 40);
    let learned = &row["learned"];
    assert!(
        (0.15..1.5).contains(&number(&learned["median_seconds"])),
        "{row}"
    );
    assert_eq!(learned["budget"]["max_per_second"], 10_000.0);
    let curve = learned["curve"].as_array().unwrap();
    assert!(curve.len() > 5, "{row}");
    for pair in curve.windows(2) {
        assert!(number(&pair[0]["polls"]) < number(&pair[1]["polls"]));
        assert!(number(&pair[0]["delay_seconds"]) > number(&pair[1]["delay_seconds"]));
    }
    let said = desk.ask(&["polling", "--gateway", "test", "--route", "payments"]);
    for part in [
        "test     payments",
        "of 40 exchanges",
        "* least possible   P plan in force   M measured",
        "How long tasks take, and when the plan polls",
    ] {
        assert!(said.fine().contains(part), "{part}: {}", said.out);
    }
    for line in said.out.lines() {
        assert!(line.is_ascii() && line.len() <= 80, "{line}");
    }
    let page = Asking::new(desk.holdline.operator(), "GET", "/").anonymous();
    let page = page.send().await.text();
    assert!(page.contains("Delay against polls"), "{page}");
}

#[tokio::test]
async fn a_schedule_that_does_not_learn_tells_what_was_measured_and_what_it_cannot() {
    let desk = open("fixed").await;
    let said = desk.ask(&["polling"]);
    assert!(said.fine().contains("No exchange has begun"), "{said:?}");
    assert_eq!(desk.ask(&["polling", "--json"]).rows().len(), 0);
    let said = desk.ask(&["polling", "--route", "payments"]);
    said.fails(1, "nothing is known yet of route payments");
    pay(&desk, 1).await;
    let has_measured = || !desk.ask(&["polling", "--json"]).rows().is_empty();
    until("a result was found", has_measured).await;
    let said = desk.ask(&["polling"]);
    for part in ["fixed, every 30 ms", "1 exchange", "possible  not known"] {
        assert!(said.fine().contains(part), "{part}: {}", said.out);
    }
    let said = desk.ask(&["polling", "--gateway", "other"]);
    said.fails(
        1,
        "nothing is known of gateway other; something is of test payments",
    );
}

#[tokio::test]
async fn where_no_holdline_runs_nothing_is_told_of_its_polls() {
    let desk = Desk::closed().await;
    let said = desk.ask(&["polling"]);
    said.fails(1, "no holdline listens at the control socket ");
    said.fails(1, ".sock: only a running one tells how it polls");
}
