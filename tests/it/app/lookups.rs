//! By what the transaction of a lost request is known among others.
use crate::stage::bench::{holdline, ms};
use crate::stage::scripted::{raw, script};

#[tokio::test]
async fn a_search_that_is_answered_with_the_one_transaction_finds_it() {
    const FOUND: &str = r#""uid":"1-a","type":"payment","status":"successful","amount":100,
        "currency":"USD","tracking_id":"order-1","created_at":"2026-11-21T03:00:00Z""#;
    const CARD: &str = r#"{"last_4":"0000"}"#;
    const SECTION: &str = r#"{"auth_code":"654321","status":"successful"}"#;
    for body in [
        format!(r#"{{"transaction":{{{FOUND},"credit_card":{CARD},"payment":{SECTION}}}}}"#),
        format!(r#"{{"payment_method":{CARD},"transaction":{SECTION},{FOUND},"code":"S.0000"}}"#),
    ] {
        let told = body.clone();
        let gateway = script(move |heard| match heard.method.as_str() {
            "POST" => raw("").closing(),
            _ => raw(format!(
                "HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 03:00:00 GMT\r\n\
                 Content-Length: {}\r\n\r\n{told}",
                told.len()
            )),
        });
        let bench = holdline().hold(ms(300)).gateway(gateway).start().await;
        let answer = bench.pay("order-1").send().await;
        assert_eq!(answer.is_gateway(200).text(), body);
        assert_eq!(answer.field("holdline-source"), Some("lookup"));
        let asked: Vec<String> = bench.heard().into_iter().map(|it| it.path).collect();
        let expected = ["/v2/transactions/tracking_id/order-1", "/transactions/1-a"];
        assert_eq!(asked[1..], expected);
    }
}

#[tokio::test]
async fn a_lost_submit_is_found_whatever_its_operation_and_version() {
    for (version, kind) in [("2", "/transaction/type"), ("3", "/type")] {
        let bench = holdline().hold(ms(400)).start().await;
        let paid = bench.pay("paid").send().await;
        let paid = format!("\"parent_uid\":\"{}\",", paid.is_gateway(200).uid());
        let held = bench.post("/transactions/authorizations").tracking("held");
        let held = held.send().await;
        let held = format!("\"parent_uid\":\"{}\",", held.is_gateway(200).uid());
        for (path, members, amount) in [
            ("payments", "", 10),
            ("authorizations", "", 10),
            ("tokenizations", "", 10),
            ("captures", held.as_str(), 40),
            ("voids", held.as_str(), 60),
            ("refunds", paid.as_str(), 40),
            ("chargebacks", paid.as_str(), 60),
            ("payouts", "", 10),
            ("checkups", "", 10),
        ] {
            let lost = bench.post(&format!("/transactions/{path}")).tracking(path);
            let lost = lost.members(members).amount(amount).words("swallow");
            let answer = lost.field("X-API-Version", version).send().await;
            let told = answer.is_gateway(200).json();
            let kind = told.pointer(kind).unwrap();
            assert_eq!(kind, path.trim_end_matches('s'));
            assert_eq!(answer.field("holdline-source"), Some("lookup"), "{path}");
            bench.submits_of(path).is(1);
        }
    }
}

#[tokio::test]
async fn a_lost_refund_without_a_currency_is_found_by_its_parent() {
    let bench = holdline().hold(ms(400)).start().await;
    let mut parents = Vec::new();
    for order in ["one", "two"] {
        parents.push(bench.pay(order).send().await.is_gateway(200).uid());
    }
    let refund = |parent: &str, words: &str| {
        let body = format!(
            r#"{{"request":{{"parent_uid":"{parent}","amount":40,"tracking_id":"back","reason":"{words}"}}}}"#
        );
        bench.post("/transactions/refunds").body(body)
    };
    // Of two that run at once each is found, and neither is taken for the other.
    let (one, two) = tokio::join!(
        refund(&parents[0], "swallow").send(),
        refund(&parents[1], "swallow").send(),
    );
    for (answer, parent) in [(one, &parents[0]), (two, &parents[1])] {
        let told = answer.is_gateway(200).json();
        assert_eq!(told["transaction"]["parent_uid"], **parent);
        assert_eq!(told["transaction"]["currency"], "USD");
        assert_eq!(answer.field("holdline-source"), Some("lookup"));
    }
    bench.charges_of("back").is(2);
    // The other parent's is made after the lost one, and is not it.
    let lost = refund(&parents[0], "bad-gateway").send();
    let (lost, other) = tokio::join!(lost, refund(&parents[1], "delay=60").send());
    lost.is_in_doubt();
    other.is_gateway(200);
    bench.charges_of("back").is(3);
}

#[tokio::test]
async fn a_lost_payout_is_found_by_the_card_that_it_went_to() {
    let bench = holdline().hold(ms(400)).start().await;
    let payout = |card: &str, words: &str| {
        let body = format!(
            r#"{{"request":{{"amount":40,"currency":"USD","tracking_id":"out","description":"{words}",
            "recipient_credit_card":{{"number":"{card}"}}}}}}"#
        );
        bench.post("/transactions/payouts").body(body)
    };
    let (one, two) = tokio::join!(
        payout("4200000000000000", "swallow").send(),
        payout("4111111111111111", "swallow").send(),
    );
    for (answer, digits) in [(one, "0000"), (two, "1111")] {
        let told = answer.is_gateway(200).json();
        assert_eq!(
            told["transaction"]["recipient_credit_card"]["last_4"],
            digits
        );
    }
    bench.charges_of("out").is(2);
}

#[tokio::test]
async fn a_search_is_not_made_again_before_the_gateway_asks_for_it() {
    for (asks, is_asked_once) in [("Retry-After: 5\r\n", true), ("", false)] {
        let gateway = script(move |heard| match heard.method.as_str() {
            "POST" => raw("").closing(),
            _ => raw(format!(
                "HTTP/1.1 503 Said\r\n{asks}Content-Length: 0\r\n\r\n"
            )),
        });
        let bench = holdline()
            .hold(ms(500))
            .configure(|config| config.polling.max_interval = ms(10_000))
            .gateway(gateway)
            .start()
            .await;
        bench.pay("order-1").send().await.is_in_doubt();
        let heard = bench.heard();
        let searches = heard.iter().filter(|it| it.method == "GET").count();
        assert_eq!(searches == 1, is_asked_once, "{asks}: {searches}");
    }
}
