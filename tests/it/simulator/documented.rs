//! What the vendor documents, and what real clients have seen.
use std::time::Duration;

use serde_json::{Value, json};

use super::client::{WORK, client, client_of, credentials, work_passes};

#[tokio::test(start_paused = true)]
async fn an_asynchronous_payment_is_accepted_runs_and_ends_in_the_standard_answer() {
    let client = client();
    let accepted = client.try_submit("").await.unwrap();
    assert_eq!(accepted.status, 200);
    let id = accepted.text("request_id");
    assert_eq!(
        accepted.json(),
        json!({
            "status": "processing",
            "request_id": id,
            "status_url": format!("http://gateway.test/async/status/{id}"),
            "response_url": format!("http://gateway.test/async/result/{id}"),
        })
    );
    let running = json!({"status": "processing", "request_id": id});
    let (status, result) = (client.status(&id).await, client.result(&id).await);
    assert_eq!((status.status, status.json()), (200, running.clone()));
    assert_eq!((result.status, result.json()), (425, running));
    work_passes().await;
    let completed = client.status(&id).await.json();
    assert_eq!(completed["status"], "completed");
    assert_eq!(completed["response_url"], accepted.json()["response_url"]);
    let result = client.result(&id).await;
    let transaction = &result.json()["transaction"];
    assert_eq!(result.status, 200);
    assert_eq!(result.fields["status"], "200 OK");
    assert_eq!(transaction["status"], "successful");
    assert_eq!(transaction["credit_card"]["last_4"], "0000");
    assert_eq!(transaction["credit_card"]["holder"], "Zoë Ünal");
    assert_eq!(transaction["tracking_id"], "order-7");
    assert_eq!(transaction["payment"]["ref_id"], json!(i64::MAX));
    assert_eq!(client.result(&id).await.body, result.body);
}

#[tokio::test(start_paused = true)]
async fn a_200_result_is_gone_a_day_after_its_creation() {
    let client = client();
    let id = client.submit("").await;
    tokio::time::sleep(Duration::from_hours(24) - Duration::from_secs(1)).await;
    assert_eq!(client.result(&id).await.status, 200);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let gone = client.result(&id).await;
    assert_eq!(gone.status, 404);
    assert_eq!(gone.json(), json!({"status": "unknown", "request_id": id}));
}

#[tokio::test(start_paused = true)]
async fn a_result_of_another_code_is_handed_out_once() {
    let client = client();
    for (words, status) in [
        ("fail=422", 422),
        ("soft=406", 406),
        ("crash", 500),
        ("once", 200),
    ] {
        let id = client.submit(words).await;
        work_passes().await;
        assert_eq!(client.result(&id).await.status, status, "{words}");
        assert_eq!(
            client.result(&id).await.text("status"),
            "unknown",
            "{words}"
        );
        assert!(client.ledger().task(&id).unwrap().spent);
    }
    let id = client.submit("fail=422 kept").await;
    work_passes().await;
    assert_eq!(client.result(&id).await, client.result(&id).await);
}

#[tokio::test(start_paused = true)]
async fn a_synchronous_payment_is_held_until_it_is_done() {
    let client = client();
    let before = tokio::time::Instant::now();
    let payment = client.payment("");
    let reply = client.post("/transactions/payments", &payment).await;
    assert_eq!(before.elapsed(), WORK);
    assert_eq!(reply.json()["transaction"]["status"], "successful");
    let uid = reply.json()["transaction"]["uid"]
        .as_str()
        .unwrap()
        .to_owned();
    let found = client.get(&format!("/transactions/{uid}")).await;
    assert_eq!(found.body, reply.body);
}

#[tokio::test(start_paused = true)]
async fn test_cards_succeed_decline_and_wait_for_the_payer_in_both_versions() {
    let client = client();
    for (card, status, code) in [
        ("4200000000000000", "successful", "S."),
        ("4005550000000019", "failed", "F."),
        ("4012000000003010", "incomplete", "P."),
    ] {
        let mut payment = client.payment("");
        payment["request"]["credit_card"]["number"] = json!(card);
        let two = client.post("/transactions/payments", &payment).await;
        assert_eq!(
            (two.status, &two.json()["transaction"]["status"]),
            (200, &json!(status))
        );
        let redirected = two.json()["transaction"]["redirect_url"].is_string();
        assert_eq!(redirected, status == "incomplete");
        payment["request"]["amount"] = json!(9_007_199_254_740_993_u64);
        let version = [("x-api-version", "3")];
        let three = client
            .call("POST", "/transactions/payments", &version, &payment)
            .await
            .unwrap();
        assert_eq!(three.text("status"), status);
        assert!(three.text("code").starts_with(code));
        assert_eq!(three.json()["amount"], json!(9_007_199_254_740_993_u64));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_invalid_is_told_in_the_shape_of_each_version() {
    let client = client();
    let mut payment = client.payment("");
    payment["request"]["amount"] = json!(0);
    let path = "/async/transactions/payments";
    let two = client.post(path, &payment).await;
    assert_eq!(two.status, 422);
    assert!(two.json()["response"]["errors"]["amount"].is_array());
    let three = client
        .call("POST", path, &[("X-Api-Version", "3")], &payment)
        .await
        .unwrap();
    assert_eq!(three.status, 422);
    for member in ["code", "message", "friendly_message", "errors"] {
        assert!(!three.json()[member].is_null(), "{member}");
    }
    assert_eq!(client.post(path, &json!(7)).await.status, 400);
    assert_eq!(client.raw("", 0).await, b"");
    assert!(client.ledger().tasks.is_empty());
}

#[tokio::test(start_paused = true)]
async fn wrong_credentials_are_refused_and_make_nothing() {
    let client = client();
    let payment = client.payment("");
    for wrong in ["Basic MzYxOndyb25n", "Bearer x", "Basic ?"] {
        for path in ["/transactions/payments", "/async/transactions/payments"] {
            let fields = [("authorization", wrong)];
            let reply = client.call("POST", path, &fields, &payment).await.unwrap();
            assert_eq!(reply.status, 401);
            assert!(reply.json()["response"]["message"].is_string());
        }
    }
    assert!(client.ledger().charges.is_empty());
}

#[tokio::test(start_paused = true)]
async fn captures_voids_and_refunds_act_on_their_parent() {
    let client = client();
    let authorization = client.payment("");
    let reply = client
        .post("/transactions/authorizations", &authorization)
        .await
        .json();
    let (uid, amount) = (
        &reply["transaction"]["uid"],
        &reply["transaction"]["amount"],
    );
    let child = |uid: &Value, amount: u64| json!({"request": {"parent_uid": uid, "amount": amount, "reason": "asked"}});
    let capture = client
        .post("/transactions/captures", &child(uid, 60))
        .await
        .json();
    assert_eq!(capture["transaction"]["parent_uid"], *uid);
    let too_much = amount.as_u64().unwrap() - 59;
    let refused = client
        .post("/transactions/voids", &child(uid, too_much))
        .await;
    assert_eq!(refused.status, 422);
    assert_eq!(
        client
            .post("/transactions/voids", &child(uid, too_much - 1))
            .await
            .status,
        200
    );
    let captured = &capture["transaction"]["uid"];
    assert_eq!(
        client
            .post("/transactions/refunds", &child(captured, 60))
            .await
            .status,
        200
    );
    assert_eq!(
        client
            .post("/transactions/refunds", &child(uid, 1))
            .await
            .status,
        422
    );
    let nobody = client
        .post("/transactions/refunds", &child(&json!("nobody"), 1))
        .await;
    assert_eq!(nobody.status, 404);
    assert_eq!(
        nobody.json(),
        json!({"response": {"message": "Record not found"}})
    );
}

#[tokio::test(start_paused = true)]
async fn queries_find_the_latest_ten_and_the_asynchronous_twin_finds_the_same() {
    let client = client();
    let path = "/v2/transactions/tracking_id/order-7";
    assert_eq!(client.get(path).await.json(), json!({"transactions": []}));
    for _ in 0..12 {
        client.submit("").await;
    }
    assert_eq!(client.get(path).await.json(), json!({"transactions": []}));
    work_passes().await;
    let found = client.get(path).await;
    let amounts: Vec<Value> = found.json()["transactions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|transaction| transaction["amount"].clone())
        .collect();
    assert_eq!(
        amounts,
        (103..=112)
            .rev()
            .map(|amount| json!(amount))
            .collect::<Vec<_>>()
    );
    assert_eq!(
        client
            .get("/v2/transactions/tracking_id/order%2D7")
            .await
            .body,
        found.body
    );
    for (path, status) in [(path, 200), ("/transactions/nobody", 404)] {
        let id = client
            .get(&format!("/async{path}"))
            .await
            .text("request_id");
        work_passes().await;
        assert_eq!(client.result(&id).await.status, status);
    }
}

#[tokio::test(start_paused = true)]
async fn the_balance_needs_version_two() {
    let client = client();
    let body = json!({"request": {"currency": "EUR"}});
    let version = [("X-API-Version", "2")];
    let reply = client
        .call("POST", "/balance", &version, &body)
        .await
        .unwrap();
    assert_eq!(reply.json()["result"]["currency"], "EUR");
    assert_eq!(client.post("/balance", &body).await.status, 400);
    let ticket = client
        .call("POST", "/async/balance", &version, &body)
        .await
        .unwrap();
    work_passes().await;
    assert_eq!(
        client.result(&ticket.text("request_id")).await.body,
        reply.body
    );
}

#[tokio::test(start_paused = true)]
async fn the_duplicate_filter_takes_one_amount_and_card_for_thirty_seconds() {
    let client = client();
    let payment = client.payment("");
    let path = "/transactions/payments";
    assert_eq!(client.post(path, &payment).await.status, 200);
    assert_eq!(client.post(path, &payment).await.status, 422);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(client.post(path, &payment).await.status, 200);
    let mut unchecked = payment.clone();
    unchecked["request"]["duplicate_check"] = json!(false);
    assert_eq!(client.post(path, &unchecked).await.status, 200);
    assert_eq!(client.ledger().charges.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn each_shop_sees_its_own() {
    let client = client_of(|settings| settings.shops.push("362:other".parse().unwrap()));
    let id = client.submit("").await;
    work_passes().await;
    let fields = [("authorization", "Basic MzYyOm90aGVy")];
    let path = format!("/async/result/{id}");
    let reply = client
        .call("GET", &path, &fields, &Value::Null)
        .await
        .unwrap();
    assert_eq!(reply.text("status"), "unknown");
    let path = "/v2/transactions/tracking_id/order-7";
    let found = client
        .call("GET", path, &fields, &Value::Null)
        .await
        .unwrap();
    assert_eq!(found.json(), json!({"transactions": []}));
    assert!(!credentials().contains("MzYyOm90aGVy"));
}
