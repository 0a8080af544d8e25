//! The ledger: what truly happened, without what must not be kept.
use std::time::Duration;

use holdline::simulator::ledger::{PollStep, Verdict};
use holdline::simulator::{DEMO_KEY, Latency, Ledger};
use serde_json::json;

use super::client::{client, client_of, credentials, work_passes};

#[tokio::test(start_paused = true)]
async fn a_charge_is_told_with_its_ids_and_the_last_digits() {
    let client = client();
    let fields = [("requestid", "key-1"), ("user-agent", "legacy")];
    let payment = client.payment("");
    let path = "/async/transactions/payments";
    let id = client
        .call("POST", path, &fields, &payment)
        .await
        .unwrap()
        .text("request_id");
    client.call("POST", path, &fields, &payment).await.unwrap();
    work_passes().await;
    let result = client.result(&id).await.json();
    let ledger = client.ledger();
    assert_eq!(ledger.charges_of("order-7").count(), 1);
    let charge = &ledger.charges[0];
    assert_eq!(charge.uid, result["transaction"]["uid"].as_str().unwrap());
    assert_eq!(charge.key.as_deref(), Some("key-1"));
    assert_eq!(charge.request_id, id);
    assert_eq!(charge.amount, Some(101));
    assert_eq!(charge.last_4.as_deref(), Some("0000"));
    let verdicts: Vec<Verdict> = ledger.submits.iter().map(|submit| submit.verdict).collect();
    assert_eq!(verdicts, [Verdict::Accepted, Verdict::Repeated]);
    assert_eq!(ledger.submits[1].request_id, Some(id));
    let seen = |name: &str| {
        let fields = &ledger.submits[0].fields;
        fields
            .iter()
            .find(|(seen, _)| seen == name)
            .map(|(_, value)| value.as_str())
    };
    assert_eq!(seen("user-agent"), Some("legacy"));
    assert_eq!(seen("authorization"), Some("(present)"));
}

#[tokio::test(start_paused = true)]
async fn nothing_that_must_not_be_kept_is_kept() {
    let client = client();
    for path in ["/transactions/payments", "/async/transactions/payments"] {
        client.post(path, &client.payment("")).await;
    }
    let text = client.get("/__ledger").await;
    let text = String::from_utf8(text.body.to_vec()).unwrap();
    assert!(text.contains("order-7"));
    let token = credentials();
    for secret in [
        "4200000000000000",
        "\"123\"",
        DEMO_KEY,
        token.trim_start_matches("Basic "),
    ] {
        assert!(!text.contains(secret), "{secret}");
        assert!(
            !format!("{:?}", client.ledger()).contains(secret),
            "{secret}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn polls_are_told_with_their_times_and_overlaps() {
    let client = client_of(|settings| settings.round_trip = Duration::from_millis(10));
    let id = client.submit("").await;
    client.status(&id).await;
    tokio::join!(client.result(&id), client.result(&id));
    work_passes().await;
    client.result(&id).await;
    client.result(&id).await;
    let ledger = client.ledger();
    let task = ledger.task(&id).unwrap();
    assert_eq!(task.polls.len(), 5);
    assert_eq!(task.polls[0].step, PollStep::Status);
    assert_eq!((task.overlapping_polls, task.in_flight), (1, 0));
    assert_eq!((task.result_reads, task.polls_after_result), (2, 1));
    let at = |index: usize| task.polls[index].at.since(task.created);
    assert_eq!(at(0), Duration::from_millis(10));
    assert_eq!(at(4), at(3) + Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn a_reset_forgets_everything() {
    let client = client();
    let id = client.submit("").await;
    client.post("/__reset", &json!({})).await;
    assert_eq!(client.ledger(), Ledger::default());
    assert_eq!(client.result(&id).await.text("status"), "unknown");
    assert_eq!(client.ledger().strays.len(), 1);
    assert_ne!(client.submit("").await, id, "no id comes again");
}

/// Twenty payments under chance faults, and what became of them.
async fn run(seed: u64) -> Ledger {
    let client = client_of(|settings| {
        settings.seed = seed;
        settings.latency = "log-normal:200,0.8".parse::<Latency>().unwrap();
        settings.faults = vec![
            "0.3 swallow".parse().unwrap(),
            "0.3 flap=2".parse().unwrap(),
        ];
    });
    for _ in 0..20 {
        if let Some(reply) = client.try_submit("").await {
            let id = reply.text("request_id");
            while client.result(&id).await.status != 200 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    client.ledger()
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_is_the_same_run() {
    let first = run(7).await;
    assert_eq!(first, run(7).await);
    assert_ne!(first, run(8).await);
    let swallowed = first
        .tasks
        .iter()
        .filter(|task| task.polls.is_empty())
        .count();
    assert!((1..20).contains(&swallowed));
}
