//! Which requests convert, which are relayed, and which are refused.
use crate::stage::bench::{holdline, ms, simulator};
use holdline::protocol::{Disposition, Operation};

#[tokio::test]
async fn all_nine_operations_that_move_money_convert_and_answer_as_the_gateway_does() {
    let bench = holdline().start().await;
    let paid = bench.pay("paid").send().await;
    let parent = format!("\"parent_uid\":\"{}\",", paid.is_gateway(200).uid());
    let held = bench.post("/transactions/authorizations").tracking("held");
    let held = held.send().await;
    let authorized = format!("\"parent_uid\":\"{}\",", held.is_gateway(200).uid());
    for (path, members, amount) in [
        ("tokenizations", "", 10),
        ("captures", authorized.as_str(), 40),
        ("voids", authorized.as_str(), 60),
        ("refunds", parent.as_str(), 40),
        ("chargebacks", parent.as_str(), 60),
        ("payouts", "", 10),
        ("checkups", "", 10),
    ] {
        let asking = bench.post(&format!("/transactions/{path}"));
        let answer = asking.members(members).amount(amount).send().await;
        let uid = answer.is_gateway(200).uid();
        let kind = path.trim_end_matches('s');
        assert_eq!(answer.json()["transaction"]["type"], kind);
        let charged = bench
            .ledger()
            .charges
            .iter()
            .filter(|it| it.uid == uid)
            .count();
        assert_eq!(charged, 1, "{path}");
    }
    let ledger = bench.ledger();
    assert_eq!((ledger.submits.len(), ledger.charges.len()), (9, 9));
    assert!(
        ledger
            .submits
            .iter()
            .all(|it| it.path.starts_with("/async/"))
    );
}

#[tokio::test]
async fn both_reads_convert() {
    let bench = holdline().start().await;
    let paid = bench.pay("order-1").send().await;
    let uid = paid.is_gateway(200).uid();
    let by_uid = bench.get(&format!("/transactions/{uid}")).send().await;
    by_uid.is_gateway(200).is_same_as(&paid);
    let listed = bench
        .get("/v2/transactions/tracking_id/order-1")
        .send()
        .await;
    assert_eq!(listed.is_gateway(200).json()["transactions"][0]["uid"], uid);
    let balance = bench.post("/balance").field("X-Api-Version", "2");
    let balance = balance
        .body(r#"{"request":{"currency":"USD"}}"#)
        .send()
        .await;
    assert!(balance.is_gateway(200).text().contains("9007199254740993"));
    let paths: Vec<String> = bench
        .ledger()
        .submits
        .into_iter()
        .map(|it| it.path)
        .collect();
    assert_eq!(
        &paths[1..],
        [
            format!("/async/transactions/{uid}"),
            "/async/v2/transactions/tracking_id/order-1".to_owned(),
            "/async/balance".to_owned(),
        ]
    );
    assert!(bench.ledger().queries.is_empty());
}

#[tokio::test]
async fn routes_convert_relay_or_refuse_each_operation_by_itself() {
    let bench = holdline()
        .file("[routes]\npayments = \"relay\"\nrefunds = \"refuse\"\nstatus_query = \"relay\"\n")
        .start()
        .await;
    let relayed = bench.pay("relayed").send().await;
    assert_eq!(relayed.status, 200);
    assert_eq!(relayed.field("holdline-outcome"), None);
    bench
        .post("/transactions/refunds")
        .send()
        .await
        .is_refusal(403);
    let uid = relayed.uid();
    assert_eq!(
        bench
            .get(&format!("/transactions/{uid}"))
            .send()
            .await
            .status,
        200
    );
    bench
        .post("/transactions/checkups")
        .send()
        .await
        .is_gateway(200);
    let ledger = bench.ledger();
    let paths: Vec<&str> = ledger.submits.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(
        paths,
        ["/transactions/payments", "/async/transactions/checkups"]
    );
    assert_eq!(ledger.queries.len(), 1);
}

#[tokio::test]
async fn a_refused_route_sends_nothing_for_any_operation() {
    let bench = holdline()
        .configure(|config| {
            for operation in Operation::ALL {
                config.proxy.routes.set(operation, Disposition::Refuse);
            }
        })
        .start()
        .await;
    for path in [
        "payments",
        "authorizations",
        "tokenizations",
        "captures",
        "voids",
        "refunds",
        "payouts",
        "checkups",
        "chargebacks",
    ] {
        let asking = bench.post(&format!("/transactions/{path}"));
        asking.send().await.is_refusal(403);
    }
    bench.post("/balance").send().await.is_refusal(403);
    bench.get("/transactions/1-a").send().await.is_refusal(403);
    assert_eq!(bench.ledger().connections, 0);
}

#[tokio::test]
async fn a_path_that_hides_a_converted_one_is_refused_and_sends_nothing() {
    let bench = holdline().start().await;
    for path in [
        "/transactions/payments/",
        "//transactions/payments",
        "/transactions//payments",
        "/transactions/./payments",
        "/x/../transactions/payments",
        "/async/../transactions/payments",
        "/transactions%2fpayments",
        "/transactions%2Fpayments",
        "/transactions/%70ayments",
        "/transactions/%2570ayments",
        "/transactions/payments%00",
        "/transactions/payments;v=1",
        "/%2e%2e/transactions/payments",
        "/transactions/payments%20",
        "/balance/",
    ] {
        let hidden = bench.post(path).tracking("hidden").send().await;
        hidden.is_refusal(400);
    }
    assert_eq!(bench.ledger().connections, 0);
}

#[tokio::test]
async fn other_paths_and_methods_are_relayed_untouched() {
    let bench = holdline().gateway(simulator().latency(ms(1))).start().await;
    for (method, path) in [
        ("POST", "/credit_cards"),
        ("PUT", "/transactions/payments"),
        ("POST", "/async/elsewhere"),
        ("GET", "/"),
        ("DELETE", "/products/1"),
    ] {
        let asking = crate::stage::asking::Asking::new(bench.address, method, path);
        let answer = asking.body("{}").send().await;
        assert_eq!(answer.status, 404, "{method} {path}");
        assert_eq!(answer.field("holdline-outcome"), None, "{method} {path}");
        assert!(answer.field("via").is_some());
    }
    assert!(bench.ledger().submits.is_empty());
}

#[tokio::test]
async fn a_client_that_speaks_the_asynchronous_form_itself_is_relayed() {
    let bench = holdline().start().await;
    let ticket = bench
        .post("/async/transactions/payments")
        .tracking("own")
        .key("own-key")
        .send()
        .await;
    assert_eq!(ticket.json()["status"], "processing");
    assert_eq!(ticket.field("holdline-outcome"), None);
    bench.charges_of("own").is(1);
}

#[tokio::test]
async fn the_query_and_the_version_go_along() {
    let bench = holdline().start().await;
    let asking = bench
        .post("/transactions/payments?test=1&x=%20")
        .tracking("v3");
    let answer = asking.field("x-api-VERSION", "3").send().await;
    assert_eq!(answer.is_gateway(200).json()["code"], "S.0000");
    assert_eq!(answer.json()["type"], "payment");
    assert!(answer.json()["transaction"].get("uid").is_none());
    let ledger = bench.ledger();
    let version = ("x-api-version".to_owned(), "3".to_owned());
    assert!(ledger.submits[0].fields.contains(&version));
}
