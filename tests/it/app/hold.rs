//! What a client is told while the task runs on, and what is told beside every answer.
use crate::stage::bench::{OTHER_KEY, OTHER_SHOP, ROTATED_KEY, holdline, ms, simulator};
use crate::stage::scripted::{json, raw, resulting};
use holdline::simulator::DEMO_SHOP;

#[tokio::test]
async fn a_hold_that_ends_is_in_progress_and_the_repeat_gets_the_answer() {
    let bench = holdline().hold(ms(150)).start().await;
    let ask = || bench.pay("order-7").key("mine").words("hold");
    let held = ask().send().await;
    held.is_in_progress();
    assert_eq!(held.field("retry-after"), Some("1"));
    let told = held.json();
    let ledger = bench.ledger();
    assert_eq!(told["request_id"], ledger.tasks[0].request_id);
    assert_eq!(told["idempotency_key"], "mine");
    assert_eq!(told["tracking_id"], "order-7");
    assert_eq!(told["exchange"].as_str(), held.field("holdline-exchange"));
    assert!(httpdate::parse_http_date(told["submitted_at"].as_str().unwrap()).is_ok());
    bench.simulated().finish_held();
    ask().send().await.is_gateway(200);
    bench.submits_of("order-7").is(1);
}

#[tokio::test]
async fn a_preference_shortens_the_hold_and_is_confirmed() {
    let bench = holdline().start().await;
    let ask = |wait: &str| bench.pay("a").words("hold").field("Prefer", wait);
    let none = ask("wait=0").send().await;
    none.is_in_progress();
    assert_eq!(none.field("preference-applied"), Some("wait=0"));
    let one = ask("respond-async, wait=1").send().await;
    one.is_in_progress();
    assert_eq!(one.field("preference-applied"), Some("wait=1"));
    bench.simulated().finish_held();
    // A preference beyond the hold, and an unreadable one, change nothing.
    for wait in ["wait=100000", "wait=soon"] {
        let answer = ask(wait).key(wait).words("").send().await;
        assert_eq!(answer.is_gateway(200).field("preference-applied"), None);
    }
    bench.submits_of("a").is(3);
    let sent = bench.ledger().submits.into_iter().flat_map(|it| it.fields);
    assert_eq!(sent.filter(|(name, _)| name == "prefer").count(), 0);
}

#[tokio::test]
async fn timing_cache_and_via_stand_beside_the_answer_with_the_gateways_own() {
    let bench = holdline()
        .gateway(resulting(|before| match before {
            0 | 1 => crate::stage::scripted::processing(),
            _ => raw(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nServer-Timing: db;dur=1\r\n\
                 Cache-Status: origin; hit\r\nVia: 1.1 balancer\r\nHoldline-Outcome: in-doubt\r\n\
                 Holdline-Exchange: forged\r\nHoldline-Source: lookup\r\nProxy-Status: forged\r\n\
                 Idempotency-Replayed: true\r\nPreference-Applied: wait=9\r\nStatus: 200 OK\r\n\
                 Connection: X-Hop\r\nX-Hop: 1\r\nX-Request-Id: kept\r\nSet-Cookie: a=1\r\n\
                 Set-Cookie: b=2\r\nContent-Length: 29\r\n\r\n{\"transaction\":{\"uid\":\"1-a\"}}",
            ),
        }))
        .start()
        .await;
    let answer = bench.pay("a").send().await;
    assert_eq!(answer.status, 200);
    let all = |name: &str| -> Vec<String> {
        let lines = answer.fields.iter().filter(|(field, _)| field == name);
        lines.map(|(_, value)| value.clone()).collect()
    };
    assert_eq!(all("via"), ["1.1 balancer", "1.1 holdline"]);
    assert_eq!(all("cache-status"), ["origin; hit", "holdline; fwd=miss"]);
    let timing = all("server-timing");
    assert_eq!((timing.len(), timing[0].as_str()), (2, "db;dur=1"));
    assert!(timing[1].contains("submit;dur=") && timing[1].contains("hold;dur="));
    assert!(timing[1].ends_with("polls;desc=\"3\""), "{timing:?}");
    assert_eq!(all("holdline-outcome"), ["completed"]);
    assert_eq!(all("holdline-exchange").len(), 1);
    assert_ne!(all("holdline-exchange"), ["forged"]);
    assert_eq!(
        (all("status"), all("x-request-id")),
        (vec!["200 OK".into()], vec!["kept".into()])
    );
    assert_eq!(all("set-cookie"), ["a=1", "b=2"]);
    for name in [
        "holdline-source",
        "proxy-status",
        "idempotency-replayed",
        "preference-applied",
        "x-hop",
    ] {
        assert!(all(name).is_empty(), "{name}");
    }
}

#[tokio::test]
async fn a_result_asked_for_by_hand_is_too_early_while_it_runs_and_kept_after() {
    let bench = holdline().start().await;
    let mut held = bench.pay("a").words("hold fail=422").open().await;
    bench.accepted(1).await;
    let id = bench.ledger().tasks[0].request_id.clone();
    let by_hand = || bench.get(&format!("/async/result/{id}"));
    let early = by_hand().send().await;
    early.is_ours(425, "P.1019", "in-progress");
    assert_eq!(early.json()["request_id"], id);
    bench.simulated().finish_held();
    let answer = held.answer().await;
    answer.is_gateway(422);
    bench.at_rest().await;
    // The once-only answer is spent at the gateway, and still given here.
    by_hand().send().await.is_gateway(422).is_same_as(&answer);
    by_hand().send().await.is_gateway(422).is_same_as(&answer);
}

#[tokio::test]
async fn a_result_is_shown_to_its_owner_only() {
    let mut bench = holdline().start().await;
    bench.allowed.strays = 4;
    let held = bench.pay("a").words("hold").open().await;
    bench.accepted(1).await;
    let id = bench.ledger().tasks[0].request_id.clone();
    let by_other = |id: &str| {
        let path = format!("/async/result/{id}");
        bench.get(&path).of_shop(OTHER_SHOP, OTHER_KEY).send()
    };
    for running in [true, false] {
        let known = by_other(&id).await;
        let other = by_other("no-such-id").await;
        assert_eq!(
            (known.status, other.status),
            (404, 404),
            "running: {running}"
        );
        assert_eq!(known.json()["status"], "unknown");
        assert_eq!(known.field("holdline-outcome"), None);
        bench.simulated().finish_held();
    }
    let mut held = held;
    held.answer().await.is_gateway(200);
}

#[tokio::test]
async fn a_once_only_answer_is_not_spent_by_another_secret_of_the_shop_or_without_one() {
    let bench = holdline().start().await;
    let mut held = bench.pay("a").words("hold fail=422").open().await;
    bench.accepted(1).await;
    let id = bench.ledger().tasks[0].request_id.clone();
    for step in ["result", "status"] {
        let by_hand = bench.get(&format!("/async/{step}/{id}"));
        let told = by_hand.clone().anonymous().send().await;
        told.is_refusal(401);
        let rotated = by_hand.of_shop(DEMO_SHOP, ROTATED_KEY).send().await;
        rotated.is_ours(425, "P.1019", "in-progress");
    }
    bench.simulated().finish_held();
    held.answer().await.is_gateway(422);
    assert_eq!(bench.ledger().tasks[0].overlapping_polls, 0);
}

#[tokio::test]
async fn a_result_that_holdline_does_not_know_is_the_gateways_to_tell() {
    let mut bench = holdline().start().await;
    bench.allowed.strays = 1;
    let answer = bench.get("/async/result/somebody-elses").send().await;
    assert_eq!(
        (answer.status, answer.field("holdline-outcome")),
        (404, None)
    );
    assert_eq!(answer.json()["status"], "unknown");
}

#[tokio::test]
async fn a_once_only_answer_is_not_spent_by_hand_in_any_form_of_asking() {
    let bench = holdline()
        .gateway(resulting(|_| crate::stage::scripted::processing()))
        .start()
        .await;
    let held = bench.pay("a").open().await;
    let polls = || {
        bench
            .heard()
            .into_iter()
            .filter(crate::stage::scripted::Heard::is_poll)
    };
    crate::stage::bench::until("it is polled", || polls().count() > 0).await;
    for (method, path, status) in [
        ("GET", "/async/result/t-1", 425),
        ("GET", "/async/result/t-1?x=1", 425),
        ("GET", "/async/status/t-1", 425),
        ("HEAD", "/async/result/t-1", 425),
        ("HEAD", "/async/status/t-1", 425),
        ("GET", "/async/result/t-1/", 400),
        ("GET", "//async/result/t-1", 400),
        ("GET", "/async/result/%74-1", 400),
        ("GET", "/async/x/../status/t-1", 400),
    ] {
        let asking = crate::stage::asking::Asking::new(bench.address, method, path);
        let mut line = asking.field("Accept", "by-hand").open().await;
        line.half_close().await;
        let bytes = String::from_utf8(line.read_to_end().await).unwrap();
        let expected = format!("HTTP/1.1 {status} ");
        assert!(bytes.starts_with(&expected), "{method} {path}: {bytes}");
    }
    assert!(polls().all(|it| it.field("accept") != Some("by-hand")));
    drop(held);
}

#[tokio::test]
async fn the_operator_sees_what_runs_and_never_a_card() {
    let bench = holdline().start().await;
    let mut held = bench.pay("order-9").words("hold").open().await;
    bench.accepted(1).await;
    let tasks = bench.operator("/tasks").await;
    let task = &tasks.json()["tasks"][0];
    assert_eq!(
        (&task["tracking_id"], &task["standing"]),
        (&"order-9".into(), &"in-progress".into())
    );
    assert_eq!(task["amount"], "100");
    for path in ["/tasks", "/metrics", "/readyz", "/livez"] {
        let text = bench.operator(path).await.text();
        for secret in ["4200000000000000", "Basic ", holdline::simulator::DEMO_KEY] {
            assert!(!text.contains(secret), "{path}");
        }
    }
    bench.simulated().finish_held();
    held.answer().await.is_gateway(200);
}

#[tokio::test]
async fn limits_refuse_before_anything_is_sent_and_never_a_repeat() {
    for limit in ["running", "held", "owner", "undelivered"] {
        let setup = holdline().configure(move |config| match limit {
            "running" => config.exchange.running = 1,
            "held" => config.proxy.held = 1,
            "owner" => config.exchange.per_owner = 1,
            _ => config.exchange.undelivered = 1,
        });
        let bench = setup.start().await;
        let first = bench.pay("first").words("delay=150").open().await;
        bench.accepted(1).await;
        if limit == "undelivered" {
            first.reset();
            bench.at_rest().await;
        }
        let second = bench.pay("second").send().await;
        second.is_refusal(503);
        assert!(second.field("retry-after").is_some(), "{limit}");
        bench.submits_of("second").is(0);
        let repeat = bench.pay("first").words("delay=150").send().await;
        if limit == "held" {
            repeat.is_in_progress();
        } else {
            repeat.is_gateway(200);
        }
        bench.submits_of("first").is(1);
    }
}

#[tokio::test]
async fn a_drain_lets_held_requests_end_and_takes_nothing_new() {
    let mut bench = holdline().start().await;
    let mut held = bench.pay("held").words("hold").open().await;
    let bytes = bench.pay("new").bytes();
    let (most, last) = bytes.split_at(bytes.len() - 1);
    let mut late = crate::stage::asking::Line::connect(bench.address).await;
    late.send(most).await;
    bench.accepted(1).await;
    bench.begin_stop();
    while bench.operator("/readyz").await.status == 200 {
        tokio::task::yield_now().await;
    }
    late.send(last).await;
    late.answer().await.is_refusal(503);
    // Who connects only now is told the same, whatever it asks for, and its connection ends.
    for asking in [
        bench.pay("newer"),
        bench.get("/transactions/1-a"),
        bench.get("/anything/else"),
        bench.post("/anything/else").body("{}"),
    ] {
        let refused = asking.send().await;
        refused.is_refusal(503);
        assert!(refused.field("retry-after").is_some(), "{refused:?}");
        assert_eq!(refused.field("connection"), Some("close"), "{refused:?}");
    }
    // But what runs is not new: its repeat joins it.
    let mut repeat = bench.pay("held").words("hold").open().await;
    bench.metric("holdline_joined_total 1").await;
    // Somebody who never asks does not keep it from ending.
    let _silent = crate::stage::asking::Line::connect(bench.address).await;
    bench.simulated().finish_held();
    held.answer().await.is_gateway(200);
    let repeat = repeat.answer().await;
    assert_eq!(
        repeat.is_gateway(200).field("connection"),
        Some("close"),
        "{repeat:?}"
    );
    bench.stopped().await;
    assert!(std::net::TcpStream::connect(bench.address).is_err());
    assert_eq!(bench.ledger().submits.len(), 1);
}

#[tokio::test]
async fn a_drain_that_is_over_says_in_doubt_because_nothing_is_on_disk() {
    let mut bench = holdline().start().await;
    let mut held = bench.pay("held").words("hold").open().await;
    bench.accepted(1).await;
    bench.begin_stop();
    bench.hurry();
    let answer = held.answer().await;
    assert!(
        answer
            .is_in_doubt()
            .text()
            .contains("keeps nothing on disk")
    );
    // The next process knows nothing of it: nobody is asked to repeat it there.
    assert_eq!(answer.field("retry-after"), None);
    bench.stopped().await;
    bench.submits_of("held").is(1);
}

#[tokio::test]
async fn the_same_bytes_in_every_version_of_the_acceptance() {
    for (code, running) in [(200, 200), (202, 202), (202, 425), (201, 425)] {
        let bench = holdline()
            .gateway(simulator().with(|settings| {
                settings.accepted_code = code;
                settings.running_result_code = running;
            }))
            .start()
            .await;
        let answer = bench.pay("a").send().await;
        let path = format!("/transactions/{}", answer.is_gateway(200).uid());
        answer.is_same_as(&bench.gateway_says(&path).await);
    }
    let standard =
        r#"{"transaction":{"uid":"1-a","type":"payment","amount":100,"currency":"USD"}}"#;
    let bench = holdline()
        .gateway(crate::stage::scripted::submitting(move |_| {
            json(200, standard)
        }))
        .start()
        .await;
    // A gateway that answers the submit itself was only quick.
    assert_eq!(bench.pay("a").send().await.is_gateway(200).text(), standard);
    bench.submits_heard().is(1);
}
