//! The faults of polls, each seen from outside and in the ledger.
use std::time::Duration;

use holdline::simulator::ledger::PollAnswer;
use serde_json::json;

use super::client::{WORK, client, work_passes};

#[tokio::test(start_paused = true)]
async fn unknown_for_some_polls_for_a_span_and_for_ever() {
    let client = client();
    let id = client.submit("flap=2@1").await;
    let mut codes = Vec::new();
    for _ in 0..4 {
        codes.push(client.result(&id).await.status);
    }
    assert_eq!(codes, [425, 404, 404, 425]);
    let id = client.submit("lag=100").await;
    assert_eq!(client.result(&id).await.text("status"), "unknown");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(client.result(&id).await.text("status"), "processing");
    let id = client.submit("unknown").await;
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(client.result(&id).await.text("status"), "unknown");
    assert_eq!(client.ledger().charges.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn odd_answers_some_times_then_the_truth() {
    let client = client();
    for (word, code, body) in [
        ("poll-503", 503, "{\"message\""),
        ("poll-502", 502, "<html>"),
        ("poll-500", 500, "{\"message\":\"We're sorry"),
        ("poll-403", 403, "<html>"),
        ("poll-429", 429, "{\"response\""),
        ("poll-302", 302, "<html>"),
        ("poll-html", 200, "<html>"),
        ("poll-empty", 200, ""),
        ("wrong-id", 200, "{\"request_id\":\"00000000-"),
    ] {
        let id = client.submit(&format!("{word}=2 retry-after=3")).await;
        work_passes().await;
        for _ in 0..2 {
            let reply = client.result(&id).await;
            assert_eq!(reply.status, code, "{word}");
            assert!(reply.body.starts_with(body.as_bytes()), "{word}");
            assert_eq!(reply.fields.contains_key("retry-after"), code == 429);
        }
        assert_eq!(
            client.result(&id).await.json()["transaction"]["status"],
            "successful"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_poll_may_be_cut_or_fall_into_a_black_hole() {
    let client = client();
    let id = client.submit("poll-cut=1").await;
    work_passes().await;
    assert_eq!(client.try_result(&id).await, None);
    assert_eq!(client.result(&id).await.status, 200);
    let id = client.submit("poll-silent=300000").await;
    let before = tokio::time::Instant::now();
    assert_eq!(client.try_result(&id).await, None);
    assert_eq!(before.elapsed(), Duration::from_mins(5));
    assert_eq!(client.result(&id).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn an_answer_may_come_a_byte_at_a_time() {
    let client = client();
    let id = client.submit("poll-drip=1000").await;
    work_passes().await;
    let before = tokio::time::Instant::now();
    let reply = client.result(&id).await;
    assert_eq!(reply.json()["transaction"]["status"], "successful");
    assert!(before.elapsed() > Duration::from_secs(reply.body.len() as u64));
}

#[tokio::test(start_paused = true)]
async fn a_cut_result_is_spent_if_it_was_once_only() {
    let client = client();
    for (words, second) in [
        ("result-cut=20", 200),
        ("result-cut=20 fail=422", 404),
        ("result-cut-fields", 200),
        ("result-cut-fields fail=422", 404),
    ] {
        let id = client.submit(words).await;
        work_passes().await;
        assert_eq!(client.try_result(&id).await, None);
        assert_eq!(client.result(&id).await.status, second);
        let ledger = client.ledger();
        let task = ledger.task(&id).unwrap();
        assert_eq!(task.spent, second == 404);
        assert_eq!(task.polls_after_result, 1);
        assert_eq!(task.polls[0].answer, PollAnswer::Result);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_failed_task_leaves_behind() {
    let client = client();
    client.submit("crash").await;
    client.submit("fail=500").await;
    assert!(client.ledger().charges.is_empty());
    let id = client.submit("crash executed").await;
    work_passes().await;
    assert_eq!(client.result(&id).await.status, 500);
    let found = client
        .get("/v2/transactions/tracking_id/order-7")
        .await
        .json();
    assert_eq!(found["transactions"].as_array().unwrap().len(), 1);
    for (word, status) in [("decline", "failed"), ("incomplete", "incomplete")] {
        let id = client.submit(word).await;
        work_passes().await;
        assert_eq!(
            client.result(&id).await.json()["transaction"]["status"],
            status
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_may_be_held_and_let_go() {
    let client = client();
    let held = client.submit("hold").await;
    let other = client.submit("hold delay=1").await;
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(client.result(&held).await.status, 425);
    assert!(client.gateway.finish(&held));
    assert!(!client.gateway.finish(&held));
    assert_eq!(client.result(&held).await.status, 200);
    let reply = client.post("/__finish", &json!({})).await;
    assert_eq!(reply.json(), json!({"finished": 1}));
    assert_eq!(client.result(&other).await.status, 200);
    client.submit("hold crash executed").await;
    client.gateway.finish_held();
    let path = "/v2/transactions/tracking_id/order-7";
    let found = client.get(path).await.json();
    assert_eq!(found["transactions"].as_array().unwrap().len(), 3);
    let payment = client.payment("hold");
    let (reply, ()) = tokio::join!(client.post("/transactions/payments", &payment), async {
        tokio::time::sleep(WORK * 10).await;
        client.gateway.finish_held();
    });
    assert_eq!(reply.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_task_takes_the_time_of_its_words_and_its_padding() {
    let client = client();
    let id = client.submit("delay=20 big=100000").await;
    assert_eq!(client.result(&id).await.status, 425);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(client.result(&id).await.body.len() > 100_000);
}
