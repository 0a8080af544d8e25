//! Explicit keys: where they may stand, what is wrong with them, and what their repeat is given.
use crate::stage::bench::{OTHER_KEY, OTHER_SHOP, ROTATED_KEY, holdline, ms, simulator};
use crate::stage::scripted::{accepted, json, script};
use holdline::simulator::{DEMO_SHOP, TaskRepeat};

#[tokio::test]
async fn the_clients_own_key_goes_along_in_any_case() {
    for name in ["RequestID", "requestid", "Requestid", "REQUESTID"] {
        let bench = holdline().start().await;
        bench
            .pay("a")
            .field(name, "client key 1")
            .send()
            .await
            .is_gateway(200);
        assert_eq!(
            bench.ledger().submits[0].key.as_deref(),
            Some("client key 1")
        );
    }
}

#[tokio::test]
async fn a_request_without_a_key_gets_a_fresh_one() {
    let bench = holdline().start().await;
    bench.pay("a").send().await;
    bench.pay("b").send().await;
    let ledger = bench.ledger();
    let keys: Vec<&String> = ledger
        .submits
        .iter()
        .filter_map(|it| it.key.as_ref())
        .collect();
    assert_eq!(keys.len(), 2);
    assert_ne!(keys[0], keys[1]);
}

#[tokio::test]
async fn a_foreign_key_is_hashed_with_its_owner_and_path() {
    let bench = holdline().start().await;
    let asking = || bench.pay("a").field("Idempotency-Key", "order-1");
    asking().send().await.is_gateway(200);
    asking()
        .of_shop(OTHER_SHOP, OTHER_KEY)
        .send()
        .await
        .is_gateway(200);
    let checkup = bench.post("/transactions/checkups").tracking("a");
    checkup
        .field("Idempotency-Key", "order-1")
        .send()
        .await
        .is_gateway(200);
    let ledger = bench.ledger();
    let mut keys: Vec<&String> = ledger
        .submits
        .iter()
        .filter_map(|it| it.key.as_ref())
        .collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 3);
    assert!(keys.iter().all(|key| !key.contains("order-1")));
}

#[tokio::test]
async fn a_key_that_is_malformed_doubled_or_too_long_is_refused() {
    let bench = holdline().start().await;
    let long = "k".repeat(256);
    for (name, value) in [
        ("RequestID", ""),
        ("RequestID", long.as_str()),
        ("RequestID", "tab\there"),
        ("RequestID", "ключ"),
        ("Idempotency-Key", ""),
        ("Idempotency-Key", long.as_str()),
    ] {
        bench
            .pay("a")
            .field(name, value)
            .send()
            .await
            .is_refusal(400);
    }
    bench
        .pay("a")
        .key("one")
        .key("one")
        .send()
        .await
        .is_refusal(400);
    bench
        .pay("a")
        .key("one")
        .field("requestid", "two")
        .send()
        .await
        .is_refusal(400);
    assert_eq!(bench.ledger().connections, 0);
    bench
        .pay("a")
        .key(&"k".repeat(255))
        .send()
        .await
        .is_gateway(200);
}

#[tokio::test]
async fn a_keyed_repeat_is_given_the_kept_answer() {
    for field in ["RequestID", "Idempotency-Key"] {
        let bench = holdline().start().await;
        let ask = || bench.pay("a").field(field, "once");
        let first = ask().send().await;
        assert_eq!(first.is_gateway(200).field("idempotency-replayed"), None);
        assert_eq!(first.field("cache-status"), Some("holdline; fwd=miss"));
        bench.settled().await;
        for _ in 0..3 {
            let again = ask().send().await;
            again.is_gateway(200).is_same_as(&first);
            assert_eq!(again.field("idempotency-replayed"), Some("true"));
            assert_eq!(again.field("cache-status"), Some("holdline; hit"));
            let exchange = again.field("holdline-exchange");
            assert_eq!(exchange, first.field("holdline-exchange"));
        }
        bench.submits_of("a").is(1);
    }
}

#[tokio::test]
async fn a_kept_error_is_replayed_as_the_error_that_it_was() {
    let bench = holdline().start().await;
    let ask = || bench.pay("a").key("once").words("fail=422");
    let first = ask().send().await;
    first.is_gateway(422);
    bench.settled().await;
    ask().send().await.is_gateway(422).is_same_as(&first);
    bench.submits_of("a").is(1);
}

/// The card that is asked for 3-D Secure.
const SECURED: &str = "4012000000003010";

#[tokio::test]
async fn the_repeat_of_an_unfinished_transaction_is_told_what_became_of_it_and_submits_nothing() {
    for (version, status) in [("2", "/transaction/status"), ("3", "/status")] {
        let ignores_keys = simulator().with(|it| it.task_repeat = TaskRepeat::Ignored);
        let bench = holdline().gateway(ignores_keys).start().await;
        let payment = bench.pay("a").key("once").field("X-API-Version", version);
        let ask = || payment.clone().card(SECURED).words("payer=2000");
        let first = ask().send().await;
        let told = first.is_gateway(200).json();
        assert_eq!(told.pointer(status).unwrap(), "incomplete");
        bench.settled().await;
        // It is the answer of before while the payer has not finished it.
        let early = ask().send().await;
        early.is_gateway(200).is_same_as(&first);
        assert_eq!(early.field("idempotency-replayed"), Some("true"));
        assert_eq!(early.field("holdline-source"), None);
        tokio::time::sleep(ms(2000)).await;
        for _ in 0..2 {
            let late = ask().send().await;
            assert_eq!(late.is_gateway(200).uid(), first.uid());
            assert_eq!(late.json().pointer(status).unwrap(), "successful");
            assert_eq!(late.field("holdline-source"), Some("lookup"));
            assert_eq!(late.field("idempotency-replayed"), None);
            let exchange = late.field("holdline-exchange");
            assert_eq!(exchange, first.field("holdline-exchange"));
        }
        assert_eq!(bench.ledger().submits.len(), 1);
        bench.charges_of("a").is(1);
    }
}

#[tokio::test]
async fn a_finished_transaction_under_another_code_than_200_is_no_answer() {
    fn told(status: &str) -> String {
        let transaction = r#""uid":"1-a","type":"payment","amount":100,"currency":"USD""#;
        format!(r#"{{"transaction":{{{transaction},"status":"{status}"}}}}"#)
    }
    for (code, source) in [(200, Some("lookup")), (203, None), (404, None)] {
        let gateway = script(move |heard| match heard.path.as_str() {
            "/transactions/1-a" => json(code, &told("successful")),
            _ if heard.is_submit() => accepted(),
            _ => json(200, &told("incomplete")),
        });
        let bench = holdline().gateway(gateway).start().await;
        let ask = || bench.pay("a").key("once");
        ask().send().await.is_gateway(200);
        bench.settled().await;
        let repeat = ask().send().await;
        let status = if source.is_some() {
            "successful"
        } else {
            "incomplete"
        };
        let repeated = repeat.is_gateway(200).json();
        assert_eq!(repeated["transaction"]["status"], status, "{code}");
        assert_eq!(repeat.field("holdline-source"), source);
        bench.submits_heard().is(1);
    }
}

#[tokio::test]
async fn one_key_with_another_body_or_path_is_another_request() {
    let mut bench = holdline()
        .gateway(simulator().with(|it| it.task_repeat = TaskRepeat::Ignored))
        .start()
        .await;
    bench.allowed.submits_of_a_key = 3;
    bench
        .pay("a")
        .key("k")
        .amount(1)
        .send()
        .await
        .is_gateway(200);
    bench
        .pay("a")
        .key("k")
        .amount(2)
        .send()
        .await
        .is_gateway(200);
    let checkup = bench.post("/transactions/checkups").tracking("a").key("k");
    checkup.send().await.is_gateway(200);
    bench.charges_of("a").is(3);
}

#[tokio::test]
async fn another_shop_with_the_same_key_is_a_separate_world() {
    let mut bench = holdline().start().await;
    bench.allowed.submits_of_a_key = 2;
    let ask = || bench.pay("a").key("shared");
    let first = ask().send().await;
    bench.settled().await;
    let other = ask().of_shop(OTHER_SHOP, OTHER_KEY).send().await;
    assert_ne!(other.is_gateway(200).uid(), first.is_gateway(200).uid());
    assert_eq!(other.field("idempotency-replayed"), None);
    bench.charges_of("a").is(2);
}

/// Whoever has the whole request, the card and the key in it, learns no more than that it is known.
#[tokio::test]
async fn another_secret_is_in_doubt_about_a_used_key_and_another_shop_is_told_nothing_of_it() {
    for journal in [false, true] {
        let mut setup = holdline();
        if journal {
            setup = setup.journal();
        }
        let mut bench = setup.start().await;
        bench.allowed.submits_of_a_key = 2;
        let used = bench.pay("a").key("used");
        let first = used.clone().send().await;
        first.is_gateway(200);
        bench.settled().await;
        for secret in [ROTATED_KEY, "guess"] {
            let told = used.clone().of_shop(DEMO_SHOP, secret).send().await;
            told.is_in_doubt();
        }
        bench.submits_of("a").is(1);
        // Its own secret is given the kept answer as before.
        used.clone().send().await.is_same_as(&first);
        let unused = bench.pay("a").key("unused");
        let told = unused.of_shop(DEMO_SHOP, "guess").send().await;
        assert_eq!(told.status, 401);
        let other = used.of_shop(OTHER_SHOP, OTHER_KEY).send().await;
        assert_ne!(other.is_gateway(200).uid(), first.uid());
        bench.charges_of("a").is(2);
    }
}

#[tokio::test]
async fn without_a_key_the_same_request_under_another_secret_is_a_new_purchase() {
    let bench = holdline().start().await;
    let first = bench.pay("a").send().await;
    bench.settled().await;
    let rotated = bench.pay("a").of_shop(DEMO_SHOP, ROTATED_KEY);
    let second = rotated.send().await;
    assert_ne!(second.is_gateway(200).uid(), first.is_gateway(200).uid());
    bench.charges_of("a").is(2);
}

#[tokio::test]
async fn another_secret_of_the_shop_is_in_doubt_while_the_first_is_unsettled() {
    let bench = holdline().start().await;
    for key in [None, Some("k")] {
        let ask = || match key {
            Some(key) => bench.pay("held").key(key).words("hold"),
            None => bench.pay("held-too").words("hold"),
        };
        let before = bench.ledger().tasks.len();
        let held = ask().open().await;
        bench.accepted(before + 1).await;
        ask()
            .of_shop(DEMO_SHOP, ROTATED_KEY)
            .send()
            .await
            .is_in_doubt();
        bench.simulated().finish_held();
        let mut held = held;
        held.answer().await.is_gateway(200);
    }
    bench.submits_of("held").is(1);
    bench.submits_of("held-too").is(1);
}

#[tokio::test]
async fn another_secret_of_the_shop_is_in_doubt_while_the_answer_is_undelivered() {
    let bench = holdline()
        .gateway(simulator().latency(ms(60)))
        .start()
        .await;
    let ask = || bench.pay("a");
    let line = ask().open().await;
    bench.accepted(1).await;
    line.reset();
    bench.at_rest().await;
    ask()
        .of_shop(DEMO_SHOP, ROTATED_KEY)
        .send()
        .await
        .is_in_doubt();
    ask().send().await.is_gateway(200);
    bench.submits_of("a").is(1);
}
