//! Safe operations: converted, polled, and where that fails relayed or told to be a read.
use holdline::timing::Clock;

use crate::stage::bench::{holdline, ms, simulator};
use crate::stage::scripted::{accepted, json, processing, raw, script, unknown};

const BALANCE: &str = r#"{"request":{"currency":"USD"}}"#;

#[tokio::test]
async fn a_read_without_a_receipt_is_relayed_instead() {
    for refusal in [
        || json(404, r#"{"response":{"message":"no such path"}}"#),
        || json(501, r#"{"message":"not here"}"#),
        || raw("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"),
        || raw("").closing(),
        || raw("HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"),
    ] {
        let gateway = script(move |heard| {
            if heard.path.starts_with("/async/") {
                refusal()
            } else {
                json(200, r#"{"transaction":{"uid":"1-a"}}"#)
            }
        });
        let bench = holdline().gateway(gateway).start().await;
        let answer = bench.get("/transactions/1-a?full=1").send().await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.text(), r#"{"transaction":{"uid":"1-a"}}"#);
        let paths: Vec<String> = bench.heard().into_iter().map(|it| it.path).collect();
        assert_eq!(
            paths,
            ["/async/transactions/1-a?full=1", "/transactions/1-a?full=1"]
        );
    }
}

#[tokio::test]
async fn a_read_goes_without_its_clients_key_where_that_may_name_a_payments_task() {
    // One official client sends one key with a payment, its refund and a read.
    let gateway = script(|heard| match heard.path.as_str() {
        path if path.starts_with("/async/") => match heard.field("requestid") {
            Some(_) => accepted(),
            None => json(404, r#"{"response":{"message":"no such path"}}"#),
        },
        _ => json(200, r#"{"transaction":{"uid":"1-a"}}"#),
    });
    let bench = holdline().hold(ms(400)).gateway(gateway).start().await;
    for asking in [
        bench.get("/transactions/1-a"),
        bench.post("/balance").body(BALANCE),
    ] {
        assert_eq!(asking.key("k").send().await.status, 200);
    }
    let heard = bench.heard();
    let keys: Vec<_> = heard.iter().map(|it| it.field("requestid")).collect();
    assert_eq!(keys, [None, Some("k"), None, Some("k")]);
}

#[tokio::test]
async fn a_query_for_several_tracking_ids_is_relayed_as_it_is() {
    // "Can be multiple values separated with semicolons."
    let path = "/v2/transactions/tracking_id/a;b";
    let gateway = || script(|_| json(200, r#"{"transactions":[]}"#));
    let bench = holdline().gateway(gateway()).start().await;
    let answer = bench.get(path).send().await;
    assert_eq!(answer.text(), r#"{"transactions":[]}"#);
    assert_eq!(bench.heard()[0].path, path);
    let refusing = holdline().file("[routes]\nstatus_query = \"refuse\"\n");
    let bench = refusing.gateway(gateway()).start().await;
    bench.get(path).send().await.is_refusal(403);
    assert!(bench.heard().is_empty());
}

#[tokio::test]
async fn what_is_read_under_two_credentials_is_refused() {
    let bench = holdline().start().await;
    for asking in [
        bench.get("/transactions/1-a"),
        bench.post("/balance").body(BALANCE),
        bench.get("/async/result/t-1"),
    ] {
        let doubled = asking.field("Authorization", "Basic MzYyOm90aGVy");
        doubled.send().await.is_refusal(400);
    }
    assert_eq!(bench.ledger().connections, 0);
}

#[tokio::test]
async fn a_query_with_a_body_is_relayed_as_it_is() {
    let gateway = script(|_| json(200, r#"{"transaction":{"uid":"1-a"}}"#));
    let bench = holdline().gateway(gateway).start().await;
    let hidden = "GET /transactions/2-b HTTP/1.1\r\nHost: gateway\r\n\r\n";
    let answer = bench.get("/transactions/1-a").body(hidden).send().await;
    assert_eq!(answer.status, 200);
    let heard = bench.heard();
    assert_eq!(heard.len(), 1);
    assert_eq!(
        (&*heard[0].path, &*heard[0].body),
        ("/transactions/1-a", hidden.as_bytes())
    );
}

#[tokio::test]
async fn a_balance_query_is_relayed_with_its_body() {
    let gateway = script(|heard| match heard.path.as_str() {
        "/balance" => json(200, r#"{"result":{"amount":1.10}}"#),
        _ => json(405, "{}"),
    });
    let bench = holdline().gateway(gateway).start().await;
    let answer = bench.post("/balance").body(BALANCE).send().await;
    assert_eq!(answer.text(), r#"{"result":{"amount":1.10}}"#);
    assert_eq!(bench.heard()[1].body, BALANCE.as_bytes());
}

#[tokio::test]
async fn a_read_is_never_joined_replayed_or_kept() {
    let bench = holdline()
        .gateway(simulator().latency(ms(60)))
        .start()
        .await;
    let ask = || {
        bench
            .post("/balance")
            .field("X-API-Version", "2")
            .body(BALANCE)
            .key("same")
    };
    let (one, two) = tokio::join!(ask().send(), ask().send());
    one.is_gateway(200).is_same_as(&two);
    ask().send().await.is_gateway(200);
    assert_eq!(bench.ledger().submits.len(), 3);
    assert_eq!(bench.exchanges(), (0, 0));
}

#[tokio::test]
async fn a_read_whose_result_never_comes_may_be_repeated_freely() {
    let running = script(|heard| match heard.method.as_str() {
        "POST" => accepted(),
        _ => processing(),
    });
    let lost = script(|heard| match heard.method.as_str() {
        "POST" => accepted(),
        _ => unknown(),
    });
    for gateway in [running, lost] {
        let bench = holdline().hold(ms(400)).gateway(gateway).start().await;
        let answer = bench.post("/balance").body(BALANCE).send().await;
        answer.is_ours(504, "F.1000", "not-submitted");
        assert!(answer.text().contains("This is a read: repeat it freely"));
    }
}

#[tokio::test]
async fn a_preference_shortens_the_hold_of_a_read_and_is_confirmed() {
    let gateway = script(|heard| match heard.method.as_str() {
        "POST" => accepted(),
        _ if heard.before == 0 => processing(),
        _ => json(200, r#"{"result":{"amount":7}}"#),
    });
    let bench = holdline().gateway(gateway).start().await;
    let ask = |wait: &str| bench.post("/balance").body(BALANCE).field("Prefer", wait);
    let none = ask("wait=0").send().await;
    none.is_ours(504, "F.1000", "not-submitted");
    assert_eq!(none.field("preference-applied"), Some("wait=0"));
    let long = ask("wait=9").send().await;
    assert_eq!(
        long.is_gateway(200).field("preference-applied"),
        Some("wait=9")
    );
}

#[tokio::test]
async fn a_read_meets_the_passing_faults_of_polls_and_still_has_its_answer() {
    let gateway = script(|heard| match (heard.method.as_str(), heard.before) {
        ("POST", _) => accepted(),
        (_, 0) => json(503, r#"{"message":"no server"}"#),
        (_, 1) => raw("").resetting(),
        (_, 2) => unknown(),
        (_, 3) => processing(),
        _ => json(200, r#"{"result":{"amount":9007199254740993}}"#),
    });
    let bench = holdline().gateway(gateway).start().await;
    let answer = bench.post("/balance").body(BALANCE).send().await;
    assert_eq!(
        answer.is_gateway(200).text(),
        r#"{"result":{"amount":9007199254740993}}"#
    );
}

/// A page that passes, and then the one reading of an error: cut, mangled, or out of time.
#[tokio::test]
async fn what_a_read_heard_before_its_result_broke_is_not_its_answer() {
    let broken = || {
        [
            raw("HTTP/1.1 422 Said\r\nContent-Length: 50\r\n\r\n{\"a").closing(),
            json(422, r#"{"a":"#),
            raw("HTTP/1.1 422 Said\r\nConte").hanging(),
        ]
    };
    for which in 0..broken().len() {
        let gateway = script(move |heard| match (heard.method.as_str(), heard.before) {
            ("POST", _) => accepted(),
            (_, 0) => json(
                500,
                r#"{"message":"We're sorry, but something went wrong"}"#,
            ),
            (_, 1) => broken()[which].clone(),
            _ => unknown(),
        });
        let bench = holdline()
            .configure(|config| config.upstream.answer_timeout = ms(200))
            .gateway(gateway)
            .start()
            .await;
        let answer = bench.post("/balance").body(BALANCE).send().await;
        answer.is_ours(504, "F.1000", "not-submitted");
    }
}

#[tokio::test]
async fn a_read_whose_result_broke_is_not_given_up_for_what_was_unknown_before() {
    let result = r#"{"result":{"amount":7}}"#;
    let gateway = script(move |heard| match (heard.method.as_str(), heard.before) {
        ("POST", _) => accepted(),
        (_, 0 | 2) => unknown(),
        // For longer than the grace.
        (_, 1) => raw("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{").hanging(),
        _ => json(200, result),
    });
    let bench = holdline()
        .configure(|config| config.upstream.answer_timeout = ms(200))
        .gateway(gateway)
        .start()
        .await;
    let answer = bench.post("/balance").body(BALANCE).send().await;
    assert_eq!(answer.is_gateway(200).text(), result);
}

#[tokio::test]
async fn a_read_that_is_unknown_before_an_outage_and_after_it_is_not_given_up() {
    let result = r#"{"result":{"amount":7}}"#;
    // Each outage is longer than the grace.
    for (polls, outage) in [(2, raw("").hanging()), (8, json(503, "{}"))] {
        let gateway = script(move |heard| match (heard.method.as_str(), heard.before) {
            ("POST", _) => accepted(),
            (_, 0) => json(500, r#"{"message":"it went wrong"}"#),
            (_, before) if before == 1 || before == 2 + polls => unknown(),
            (_, before) if before < 2 + polls => outage.clone(),
            _ => json(200, result),
        });
        let bench = holdline()
            .configure(|config| config.upstream.answer_timeout = ms(100))
            .gateway(gateway)
            .start()
            .await;
        let answer = bench.post("/balance").body(BALANCE).send().await;
        assert_eq!(answer.is_gateway(200).text(), result);
    }
}

#[tokio::test]
async fn a_read_leaves_a_task_alone_for_as_long_as_the_gateway_asks() {
    let running = r#"{"status":"processing","request_id":"t-1"}"#;
    let gateway = script(move |heard| match (heard.method.as_str(), heard.before) {
        ("POST", _) => accepted(),
        (_, 0) => raw(format!(
            "HTTP/1.1 425 Said\r\nContent-Type: application/json\r\nRetry-After: 1\r\n\
             Content-Length: {}\r\n\r\n{running}",
            running.len()
        )),
        _ => json(200, r#"{"result":{"amount":1}}"#),
    });
    let bench = holdline()
        .configure(|config| config.polling.max_interval = ms(2_000))
        .gateway(gateway)
        .start()
        .await;
    let clock = Clock::start();
    let asked = clock.now();
    bench
        .post("/balance")
        .body(BALANCE)
        .send()
        .await
        .is_gateway(200);
    let took = clock.now().since(asked);
    assert!(took >= ms(1_000), "{took:?}");
}

#[tokio::test]
async fn a_read_of_what_does_not_exist_has_the_gateways_own_answer() {
    let bench = holdline().start().await;
    let answer = bench.get("/transactions/no-such-uid").send().await;
    assert!(answer.is_gateway(404).text().contains("Record not found"));
    let empty = bench.get("/v2/transactions/tracking_id/none").send().await;
    assert_eq!(empty.is_gateway(200).text(), r#"{"transactions":[]}"#);
}

#[tokio::test]
async fn a_read_without_credentials_is_refused_by_the_gateway_itself() {
    let bench = holdline().start().await;
    let answer = bench.get("/transactions/1-a").anonymous().send().await;
    assert_eq!(answer.status, 401);
}
