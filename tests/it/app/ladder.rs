//! When no clear answer came: the lookup, the doubt, and resubmits where the operator allows them.
use std::sync::atomic::{AtomicUsize, Ordering};

use holdline::simulator::{RefusalBody, Running, TaskRepeat};

use crate::stage::bench::{holdline, ms, simulator, until};
use crate::stage::front::on_both_wires;
use crate::stage::scripted::{Say, accepted, json, raw, script, unknown};

#[tokio::test]
async fn a_lost_submit_is_found_by_its_tracking_id_and_told_in_the_gateways_words() {
    for (wire, words) in on_both_wires([
        "swallow",
        "cut-fields",
        "cut-body=20",
        "bad-gateway created",
        "unavailable created",
        "redirect created",
        "status=999",
        "id=crlf",
        "huge",
        "unknown",
    ]) {
        let bench = holdline().over(wire).start().await;
        let answer = bench.pay("order-1").words(words).send().await;
        let uid = answer.is_gateway(200).uid();
        assert_eq!(answer.field("holdline-source"), Some("lookup"), "{words}");
        assert_eq!(bench.ledger().charges[0].uid, uid);
        answer.is_same_as(&bench.gateway_says(&format!("/transactions/{uid}")).await);
        bench.submits_of("order-1").is(1);
    }
}

#[tokio::test]
async fn a_submit_that_is_never_answered_is_found_while_it_stays_open() {
    let bench = holdline()
        .configure(|config| config.exchange.submit_timeout = ms(60))
        .start()
        .await;
    let answer = bench.pay("order-1").words("silent").send().await;
    assert_eq!(
        answer.is_gateway(200).field("holdline-source"),
        Some("lookup")
    );
    bench.submits_of("order-1").is(1);
}

#[tokio::test]
async fn a_cut_once_only_answer_is_found_where_the_transaction_exists() {
    for (wire, count) in on_both_wires([30]) {
        let mut bench = holdline().over(wire).start().await;
        bench.allowed.polls_after_the_result = u32::MAX;
        let words = format!("once result-cut={count}");
        let answer = bench.pay("order-1").words(&words).send().await;
        assert_eq!(
            answer.is_gateway(200).field("holdline-source"),
            Some("lookup")
        );
        bench.charges_of("order-1").is(1);
        bench.submits_of("order-1").is(1);
    }
}

#[tokio::test]
async fn a_cut_once_only_error_is_in_doubt_and_never_a_decline() {
    for (wire, count) in on_both_wires([0, 1, 40]) {
        let mut bench = holdline().over(wire).hold(ms(500)).start().await;
        bench.allowed.polls_after_the_result = u32::MAX;
        let words = format!("fail=422 result-cut={count}");
        bench
            .pay("order-1")
            .words(&words)
            .send()
            .await
            .is_in_doubt();
        let ask = || bench.post("/transactions/payments").words(&words);
        ask().send().await.is_in_doubt();
        bench.submits_of("order-1").is(1);
    }
}

#[tokio::test]
async fn nothing_found_is_in_doubt_and_frees_nothing() {
    let bench = holdline().hold(ms(300)).start().await;
    for _ in 0..3 {
        bench
            .pay("order-1")
            .words("bad-gateway")
            .send()
            .await
            .is_in_doubt();
    }
    bench.submits_of("order-1").is(1);
    assert!(bench.ledger().queries.len() > 3);
}

#[tokio::test]
async fn a_transaction_that_was_there_before_is_not_the_lost_one() {
    let bench = holdline().hold(ms(400)).start().await;
    let before = bench.pay("order-1").send().await;
    before.is_gateway(200);
    bench.settled().await;
    // The same order, amount and card once more; the gateway never made it.
    bench
        .pay("order-1")
        .words("bad-gateway")
        .send()
        .await
        .is_in_doubt();
    bench.charges_of("order-1").is(1);
}

#[tokio::test]
async fn a_transaction_of_an_exchange_that_told_of_none_is_not_the_lost_one() {
    // The gateway made a transaction and says so in no word of its once-only error.
    let failed = "fail=422 executed";
    let bench = holdline().hold(ms(400)).start().await;
    let ended = bench.pay("order-1").key("ended").words(failed);
    ended.send().await.is_gateway(422);
    bench.settled().await;
    let lost = bench.pay("order-1").key("lost").words("bad-gateway");
    lost.send().await.is_in_doubt();
    // The other way round: it ends while the lost one is sought.
    let lost = bench.pay("order-2").key("lost-2").words("bad-gateway");
    let ended = bench.pay("order-2").key("ended-2").words(failed);
    let (lost, ended) = tokio::join!(lost.send(), ended.send());
    ended.is_gateway(422);
    lost.is_in_doubt();
    for order in ["order-1", "order-2"] {
        bench.charges_of(order).is(1);
    }
}

#[tokio::test]
async fn two_matches_are_none() {
    let bench = holdline().hold(ms(400)).start().await;
    let (one, two) = tokio::join!(
        bench.pay("order-1").words("swallow").send(),
        bench.pay("order-1").key("other").words("swallow").send(),
    );
    one.is_in_doubt();
    two.is_in_doubt();
    bench.charges_of("order-1").is(2);
}

#[tokio::test]
async fn another_amount_currency_or_card_is_not_the_lost_one() {
    let bench = holdline().hold(ms(300)).start().await;
    // Holdline knows nothing of whose they are.
    let others = bench.pay_past_holdline("order-1").await.amount(2);
    let euros = String::from_utf8(others.body_bytes()).unwrap();
    for other in [
        others.clone().amount(1),
        others.clone().card("4111111111111111"),
        others.body(euros.replace("USD", "EUR")),
    ] {
        assert_eq!(other.send().await.status, 200);
    }
    bench.charges_of("order-1").is(3);
    let lost = bench.pay("order-1").amount(2).words("bad-gateway");
    lost.send().await.is_in_doubt();
    bench.submits_of("order-1").is(4);
}

#[tokio::test]
async fn a_transaction_that_still_runs_is_waited_for() {
    let bench = holdline().start().await;
    let mut line = bench.pay("order-1").words("swallow hold").open().await;
    until("it is searched for", || bench.ledger().queries.len() > 3).await;
    bench.simulated().finish_held();
    let answer = line.answer().await;
    assert_eq!(
        answer.is_gateway(200).json()["transaction"]["status"],
        "successful"
    );
    bench.submits_of("order-1").is(1);
}

#[tokio::test]
async fn a_transaction_that_waits_for_its_payer_is_an_answer() {
    let bench = holdline()
        .gateway(simulator().with(|it| it.running = Running::Incomplete))
        .start()
        .await;
    let mut line = bench.pay("order-1").words("swallow delay=300").open().await;
    let answer = line.answer().await;
    // What the gateway shows of a running transaction looks like one that waits for its payer:
    // it has the redirect, and is an answer of the gateway's own.
    assert_eq!(
        answer.is_gateway(200).field("holdline-source"),
        Some("lookup")
    );
    bench.submits_of("order-1").is(1);
}

#[tokio::test]
async fn a_hostile_tracking_id_does_not_leave_its_path() {
    let gateway = script(|heard| match heard.method.as_str() {
        "POST" => raw("").closing(),
        _ => json(200, r#"{"transactions":[]}"#),
    });
    let bench = holdline().hold(ms(100)).gateway(gateway).start().await;
    bench.pay("../../x?y#z %2f").send().await.is_in_doubt();
    let lookups: Vec<String> = bench
        .heard()
        .into_iter()
        .skip(1)
        .map(|it| it.path)
        .collect();
    let expected = "/v2/transactions/tracking_id/..%2F..%2Fx%3Fy%23z%20%252f";
    assert!(
        !lookups.is_empty() && lookups.iter().all(|path| path == expected),
        "{lookups:?}"
    );
}

#[tokio::test]
async fn a_lookup_that_fails_proves_nothing() {
    let answers: [(_, fn() -> Say); 9] = [
        ("failed", || json(500, "{}")),
        ("failed", || json(401, "{}")),
        ("failed", || raw("").closing()),
        ("failed", || json(200, "[]")),
        ("failed", || json(200, r#"{"message":"soon"}"#)),
        ("failed", || {
            raw("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>")
        }),
        ("not_found", || json(200, r#"{"transactions":[]}"#)),
        ("not_found", || {
            json(200, r#"{"transactions":[{"uid":"../../x"}]}"#)
        }),
        ("not_found", || {
            json(404, r#"{"response":{"message":"Record not found"}}"#)
        }),
    ];
    for (verdict, answer) in answers {
        let gateway = script(move |heard| match heard.method.as_str() {
            "POST" => raw("").resetting(),
            _ => answer(),
        });
        let bench = holdline().hold(ms(120)).gateway(gateway).start().await;
        bench.pay("a").send().await.is_in_doubt();
        bench.submits_heard().is(1);
        let counted = format!("holdline_recovered_total{{verdict=\"{verdict}\"}}");
        bench.metric(&counted).await;
    }
}

#[tokio::test]
async fn a_resubmit_carries_the_same_key_and_meets_the_same_task() {
    for words in [
        "swallow",
        "cut-fields",
        "cut-body=20",
        "bad-gateway created",
        "status=999",
    ] {
        let bench = holdline()
            .resubmits(1)
            .gateway(simulator().with(|it| it.task_repeat = TaskRepeat::Same))
            .start()
            .await;
        bench.simulated().arm(words.parse().unwrap());
        let answer = bench.pay("order-1").send().await;
        assert_eq!(
            answer.is_gateway(200).field("holdline-source"),
            None,
            "{words}"
        );
        let ledger = bench.ledger();
        assert_eq!(ledger.submits.len(), 2, "{words}");
        assert_eq!(ledger.submits[0].key, ledger.submits[1].key);
        assert_eq!((ledger.tasks.len(), ledger.charges.len()), (1, 1));
    }
}

#[tokio::test]
async fn a_resubmit_after_the_submits_timeout_meets_the_task_of_the_open_one() {
    let bench = holdline()
        .resubmits(1)
        .configure(|config| config.exchange.submit_timeout = ms(60))
        .start()
        .await;
    bench.simulated().arm("silent".parse().unwrap());
    bench.pay("order-1").send().await.is_gateway(200);
    bench.submits_of("order-1").is(2);
    bench.charges_of("order-1").is(1);
}

#[tokio::test]
async fn a_resubmit_that_is_lost_as_well_climbs_on_to_the_lookup() {
    let bench = holdline().resubmits(1).start().await;
    let answer = bench.pay("order-1").words("swallow").send().await;
    assert_eq!(
        answer.is_gateway(200).field("holdline-source"),
        Some("lookup")
    );
    bench.submits_of("order-1").is(2);
    bench.charges_of("order-1").is(1);
}

#[tokio::test]
async fn a_refusal_of_a_resubmit_settles_nothing() {
    for body in [RefusalBody::Standard, RefusalBody::Html] {
        let bench = holdline()
            .hold(ms(300))
            .resubmits(1)
            .gateway(simulator().with(|it| it.refusal_body = body))
            .start()
            .await;
        bench.simulated().arm("swallow hold".parse().unwrap());
        bench.simulated().arm("refuse=422".parse().unwrap());
        let answer = bench.pay("order-1").send().await;
        answer.is_in_doubt();
        bench.submits_of("order-1").is(2);
        bench.simulated().finish_held();
        let found = bench.pay("order-1").send().await;
        assert_eq!(
            found.is_gateway(200).field("holdline-source"),
            Some("lookup")
        );
        bench.charges_of("order-1").is(1);
    }
}

#[tokio::test]
async fn a_conflict_with_the_running_first_is_no_refusal() {
    let bench = holdline()
        .resubmits(1)
        .gateway(simulator().with(|it| it.task_repeat = TaskRepeat::Conflict))
        .start()
        .await;
    bench.simulated().arm("swallow".parse().unwrap());
    let answer = bench.pay("order-1").words("delay=150").send().await;
    assert_eq!(
        answer.is_gateway(200).field("holdline-source"),
        Some("lookup")
    );
    bench.submits_of("order-1").is(2);
    bench.charges_of("order-1").is(1);
}

#[tokio::test]
async fn a_resubmit_that_waits_for_the_first_has_its_task() {
    let bench = holdline()
        .resubmits(1)
        .gateway(simulator().with(|it| it.task_repeat = TaskRepeat::Blocks))
        .start()
        .await;
    bench.simulated().arm("swallow".parse().unwrap());
    bench
        .pay("order-1")
        .words("delay=150")
        .send()
        .await
        .is_gateway(200);
    bench.submits_of("order-1").is(2);
    bench.charges_of("order-1").is(1);
}

#[tokio::test]
async fn a_key_that_two_exchanges_share_is_never_resubmitted() {
    let bench = holdline()
        .resubmits(1)
        .hold(ms(600))
        .gateway(simulator().with(|it| it.task_repeat = TaskRepeat::Ignored))
        .start()
        .await;
    let mut other = bench.pay("b").key("k").words("hold").open().await;
    bench.accepted(1).await;
    bench
        .pay("a")
        .key("k")
        .words("swallow")
        .send()
        .await
        .is_gateway(200);
    bench.submits_of("a").is(1);
    bench.charges_of("a").is(1);
    bench.simulated().finish_held();
    other.answer().await.is_gateway(200);
}

#[tokio::test]
async fn a_task_that_is_lost_after_its_body_was_dropped_is_not_submitted_again() {
    let gateway = script(|heard| match heard.method.as_str() {
        "POST" => accepted(),
        _ => unknown(),
    });
    let bench = holdline().resubmits(1).gateway(gateway).start().await;
    bench
        .post("/transactions/payments")
        .send()
        .await
        .is_in_doubt();
    bench.submits_heard().is(1);
}

#[tokio::test]
async fn an_answer_that_one_left_to_another_of_its_task_does_not_stay_for_ever() {
    // The gateway gives both requests one task. To the first it is unknown, and its resubmit makes
    // another; the second has its answer meanwhile.
    let submits = AtomicUsize::new(0);
    let gateway = script(move |heard| match heard.method.as_str() {
        "POST" => match submits.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => accepted(),
            later => json(
                200,
                &format!(
                    r#"{{"status":"processing","request_id":"t-{later}","response_url":"/async/result/t-{later}"}}"#
                ),
            ),
        },
        _ if heard.path.ends_with("/t-1") && submits.load(Ordering::Relaxed) == 1 => unknown(),
        _ if heard.is_poll() => json(200, r#"{"transaction":{"status":"successful"}}"#),
        _ => json(200, r#"{"transactions":[]}"#),
    });
    let bench = holdline()
        .resubmits(1)
        .configure(|config| config.exchange.answers = 1)
        .gateway(gateway)
        .start()
        .await;
    let mut first = bench.pay("a").open().await;
    until("it is searched for", || {
        let heard = bench.heard();
        heard.iter().any(|it| it.path.contains("tracking_id"))
    })
    .await;
    bench.pay("b").send().await.is_gateway(200);
    until("the second is over", || bench.exchanges() == (1, 0)).await;
    bench.pay("a").send().await.is_gateway(200);
    first.answer().await.is_gateway(200);
    bench.settled().await;
    bench.pay("c").send().await.is_gateway(200);
}
