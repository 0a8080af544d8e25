//! What the documentation leaves open, each switch in each position.
use std::time::Duration;

use holdline::simulator::{
    PollUrls, RefusalBody, Running, RunningRepeat, Settings, TaskRepeat, Validation,
};
use serde_json::{Value, json};

use super::client::{Client, Reply, WORK, client_of, work_passes};

const KEY: [(&str, &str); 1] = [("Requestid", "key-1")];
const ASYNC: &str = "/async/transactions/payments";
const SYNC: &str = "/transactions/payments";

async fn keyed(client: &Client, path: &str, body: &Value) -> Reply {
    client.call("POST", path, &KEY, body).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn codes_of_acceptance_and_of_running_tasks() {
    for code in [200, 202, 425] {
        let client = client_of(|settings| {
            settings.accepted_code = if code == 425 { 201 } else { code };
            settings.running_status_code = code;
            settings.running_result_code = code;
        });
        let accepted = client.try_submit("").await.unwrap();
        assert_eq!(accepted.status, if code == 425 { 201 } else { code });
        let id = accepted.text("request_id");
        assert_eq!(client.status(&id).await.status, code);
        assert_eq!(client.result(&id).await.status, code);
    }
}

#[tokio::test(start_paused = true)]
async fn a_version_three_acceptance_may_carry_a_code() {
    for with_code in [false, true] {
        let client = client_of(|settings| settings.accepted_v3_code = with_code);
        let payment = client.payment("");
        for (version, shows) in [("3", with_code), ("2", false)] {
            let fields = [("x-api-version", version)];
            let reply = client.call("POST", ASYNC, &fields, &payment).await.unwrap();
            assert_eq!(reply.json()["code"] == json!(8010), shows);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn polls_with_and_without_credentials() {
    for needed in [true, false] {
        let client = client_of(|settings| settings.poll_authorization = needed);
        let id = client.submit("").await;
        let path = format!("/async/result/{id}");
        let fields = [("authorization", "none")];
        let reply = client
            .call("GET", &path, &fields, &Value::Null)
            .await
            .unwrap();
        assert_eq!(reply.status, if needed { 401 } else { 425 });
        assert_eq!(client.ledger().strays.len(), usize::from(needed));
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeated_key_on_the_asynchronous_interface() {
    for repeat in [
        TaskRepeat::Ignored,
        TaskRepeat::Same,
        TaskRepeat::Conflict,
        TaskRepeat::Blocks,
        TaskRepeat::SameButChildren,
    ] {
        let client = client_of(|settings| settings.task_repeat = repeat);
        let payment = client.payment("");
        let first = keyed(&client, ASYNC, &payment).await.text("request_id");
        let before = tokio::time::Instant::now();
        let second = keyed(&client, ASYNC, &payment).await;
        let waited = before.elapsed();
        assert_eq!(
            second.status,
            if repeat == TaskRepeat::Conflict {
                409
            } else {
                200
            }
        );
        assert_eq!(
            waited,
            if repeat == TaskRepeat::Blocks {
                WORK
            } else {
                Duration::ZERO
            }
        );
        work_passes().await;
        let third = keyed(&client, ASYNC, &payment).await.text("request_id");
        assert_eq!(third == first, repeat != TaskRepeat::Ignored);
        tokio::time::sleep(Duration::from_hours(24)).await;
        let much_later = keyed(&client, ASYNC, &payment).await.text("request_id");
        assert_ne!(much_later, first);
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeated_key_on_the_synchronous_interface() {
    for repeat in [
        RunningRepeat::Ignored,
        RunningRepeat::Conflict,
        RunningRepeat::Blocks,
    ] {
        let client = client_of(|settings| {
            settings.running_repeat = repeat;
            settings.duplicate_window = Duration::ZERO;
        });
        let payment = client.payment("");
        let (first, second) = tokio::join!(
            keyed(&client, SYNC, &payment),
            keyed(&client, SYNC, &payment)
        );
        let third = keyed(&client, SYNC, &payment).await;
        let charges = client.ledger().charges.len();
        match repeat {
            RunningRepeat::Ignored => assert_eq!(charges, 3),
            RunningRepeat::Conflict => {
                assert_eq!((second.status, charges), (409, 1));
                assert_eq!(third.body, first.body);
            }
            RunningRepeat::Blocks => {
                assert_eq!((&second.body, charges), (&first.body, 1));
                assert_eq!(third.body, first.body);
            }
        }
        let other = keyed(&client, "/transactions/authorizations", &payment).await;
        assert_ne!(other.body, first.body, "a key is one of its path only");
    }
}

#[tokio::test(start_paused = true)]
async fn an_invalid_request_is_told_at_submit_or_in_the_result() {
    for validation in [Validation::Submit, Validation::Result] {
        let client = client_of(|settings| settings.validation = validation);
        let mut payment = client.payment("");
        payment["request"]["currency"] = json!("dollars");
        let reply = client.post(ASYNC, &payment).await;
        let told = match validation {
            Validation::Submit => reply,
            Validation::Result => {
                work_passes().await;
                client.result(&reply.text("request_id")).await
            }
        };
        assert_eq!(told.status, 422);
        assert!(told.json()["response"]["errors"]["currency"].is_array());
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_poll_spends_a_once_only_answer_or_does_not() {
    for spends in [true, false] {
        let client = client_of(|settings| settings.status_spends = spends);
        let id = client.submit("fail=422").await;
        work_passes().await;
        let status = client.status(&id).await;
        assert_eq!(status.status, if spends { 422 } else { 200 });
        let result = client.result(&id).await;
        assert_eq!(result.status, if spends { 404 } else { 422 });
        let crashed = client.submit("crash").await;
        work_passes().await;
        let message = client.status(&crashed).await.text("message");
        assert_eq!(message, "We're sorry, but something went wrong");
        let result = client.result(&crashed).await;
        assert_eq!(result.status, if spends { 404 } else { 500 });
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_of_refusals() {
    for (body, kind, first) in [
        (
            RefusalBody::Standard,
            "application/json; charset=utf-8",
            "{\"response\"",
        ),
        (
            RefusalBody::Message,
            "application/json; charset=utf-8",
            "{\"message\"",
        ),
        (RefusalBody::Html, "text/html", "<html>"),
        (RefusalBody::Empty, "", ""),
    ] {
        let client = client_of(|settings| settings.refusal_body = body);
        for code in [401, 403, 429] {
            let reply = client.try_submit(&format!("refuse={code}")).await.unwrap();
            assert_eq!(reply.status, code);
            let shown = reply.fields.get("content-type");
            assert_eq!(shown.map_or("", |value| value.to_str().unwrap()), kind);
            assert!(reply.body.starts_with(first.as_bytes()));
            assert_eq!(reply.body.is_empty(), first.is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn poll_urls_of_every_kind() {
    let kinds = [
        (
            "absolute",
            PollUrls::Absolute,
            Some("http://gateway.test/async/"),
            true,
        ),
        ("relative", PollUrls::Relative, Some("/async/"), true),
        (
            "foreign",
            PollUrls::Foreign,
            Some("http://elsewhere.invalid/async/"),
            true,
        ),
        (
            "status-only",
            PollUrls::StatusOnly,
            Some("http://gateway.test/async/"),
            false,
        ),
        ("response-only", PollUrls::ResponseOnly, None, true),
        ("none", PollUrls::None, None, false),
    ];
    for (word, kind, status, has_response) in kinds {
        let by_setting = client_of(|settings| settings.poll_urls = kind);
        let by_word = client_of(|_| ());
        let word = format!("urls={word}");
        for (client, words) in [(by_setting, ""), (by_word, word.as_str())] {
            let ticket = client.try_submit(words).await.unwrap().json();
            let shown = ticket["status_url"].as_str();
            assert_eq!(shown.is_some(), status.is_some());
            assert!(
                shown
                    .unwrap_or_default()
                    .starts_with(status.unwrap_or_default())
            );
            assert_eq!(ticket["response_url"].is_string(), has_response);
        }
    }
    let client = client_of(|settings| settings.public_url = Some("https://brand.test".to_owned()));
    let ticket = client.try_submit("").await.unwrap();
    assert!(
        ticket
            .text("response_url")
            .starts_with("https://brand.test/async/result/")
    );
}

#[tokio::test(start_paused = true)]
async fn a_query_may_show_what_still_runs() {
    for (running, count) in [(Running::Hidden, 0), (Running::Incomplete, 1)] {
        let client = client_of(|settings: &mut Settings| settings.running = running);
        client.submit("hold").await;
        let found = client
            .get("/v2/transactions/tracking_id/order-7")
            .await
            .json();
        let found = found["transactions"].as_array().unwrap().clone();
        assert_eq!(found.len(), count);
        assert!(
            found
                .iter()
                .all(|transaction| transaction["status"] == "incomplete")
        );
    }
}
