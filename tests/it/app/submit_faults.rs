//! What may go wrong with a submit: at most one leaves, and what is told is true.
use holdline::simulator::faults::Words;

use crate::stage::bench::{Bench, Setup, holdline, ms, refusing, simulator};
use crate::stage::front::{Wire, on_both_wires};
use crate::stage::scripted::{Say, accepted, json, processing, raw, script, submitting};

/// Short enough that a doubt is told soon: a request with a tracking id is searched for until its
/// hold ends.
const HOLD: std::time::Duration = ms(250);

fn brief() -> Setup {
    holdline().hold(HOLD)
}

async fn armed(setup: Setup, words: &str) -> Bench {
    let bench = setup.start().await;
    bench.simulated().arm(words.parse::<Words>().unwrap());
    bench
}

#[tokio::test]
async fn a_refused_connection_is_tried_again_until_the_start_is_over_and_was_not_submitted() {
    let (_place, origin) = refusing();
    let bench = holdline()
        .configure(|config| config.exchange.submit_start = ms(150))
        .gateway(origin.as_str())
        .start()
        .await;
    let answer = bench.pay("a").send().await;
    answer.is_refusal(502);
    assert!(
        answer
            .field("proxy-status")
            .unwrap()
            .contains("connection_refused")
    );
    assert_eq!(answer.field("retry-after"), Some("1"));
    bench.settled().await;
}

#[tokio::test]
async fn a_gateway_that_comes_back_within_the_start_is_paid_once() {
    let (place, origin) = refusing();
    let bench = holdline()
        .configure(|config| config.exchange.submit_start = ms(9_000))
        .gateway(origin.as_str())
        .start()
        .await;
    let mut line = bench.pay("a").open().await;
    crate::stage::bench::until("it runs", || bench.exchanges() == (1, 0)).await;
    let gateway = holdline::simulator::Gateway::new(
        holdline::simulator::Settings::default(),
        holdline::timing::Clock::start(),
    );
    let listener = place.listen(64).unwrap();
    let drain = holdline::drain::Drain::new();
    let (serving, until) = (gateway.clone(), drain.clone());
    let served = drain.spawn(async move { serving.serve(listener, until).await });
    line.answer().await.is_gateway(200);
    assert_eq!(gateway.ledger().charges.len(), 1);
    drain.end();
    served.await.unwrap();
}

#[tokio::test]
async fn a_peer_that_speaks_no_tls_was_sent_nothing() {
    let gateway = script(|_| accepted());
    let plain = crate::stage::scripted::Scripted::bind(gateway).await;
    let log = plain.log.clone();
    let origin = plain.origin.replace("http://", "https://");
    let drain = holdline::drain::Drain::new();
    drop(drain.spawn(plain.serve(drain.clone())));
    let bench = holdline().gateway(origin.as_str()).start().await;
    let answer = bench.pay("a").send().await;
    answer.is_refusal(502);
    assert!(
        answer.text().contains("Nothing was submitted"),
        "{answer:?}"
    );
    assert!(log.all().is_empty());
}

#[tokio::test]
async fn a_reset_after_every_number_of_bytes_is_in_doubt_and_never_sent_again() {
    let length = {
        let bench = brief().start().await;
        bench.pay("a").send().await;
        bench.pay("a").body_bytes().len() + 500
    };
    // Every count near the ends, and a walk in strides between.
    let counts = (1..24).chain((24..length).step_by(61));
    for count in counts {
        let bench = armed(brief().hold(ms(150)), &format!("reset={count}")).await;
        let answer = bench.pay("a").send().await;
        let ledger = bench.ledger();
        if ledger.resets == 0 {
            answer.is_gateway(200);
            continue;
        }
        answer.is_in_doubt();
        // Where the count is beyond the request's end, the gateway has read it and resets then.
        assert_eq!(ledger.resets, 1, "{count}");
        assert!(
            ledger.submits.len() <= 1 && ledger.tasks.is_empty(),
            "{count}"
        );
        bench.charges_of("a").is(0);
    }
}

#[tokio::test]
async fn an_answer_cut_at_every_offset_is_in_doubt_and_never_a_second_submit() {
    let whole = accepted().len();
    let plain = (0..whole).step_by(7).chain(whole - 3..whole);
    let tls = (0..whole).step_by(23).chain([whole - 1]);
    let cases = plain.map(|count| (Wire::Plain, count));
    for (wire, count) in cases.chain(tls.map(|count| (Wire::Tls, count))) {
        let bench = holdline()
            .over(wire)
            .hold(ms(150))
            .gateway(submitting(move |_| accepted().cut(count)))
            .start()
            .await;
        bench.pay("a").send().await.is_in_doubt();
        bench.submits_heard().is(1);
        assert!(bench.heard().iter().all(|it| !it.is_poll()), "{count}");
    }
}

#[tokio::test]
async fn without_a_tracking_id_the_doubt_is_told_at_once() {
    for (wire, fault) in on_both_wires([
        "swallow",
        "cut-fields",
        "cut-body=20",
        "bad-gateway",
        "unavailable",
        "redirect",
        "switch",
        "status=500",
        "status=999",
        "id=crlf",
        "id=path",
        "id=long",
        "id=empty",
        "id=number",
        "id=twice",
        "huge",
    ]) {
        let bench = holdline().over(wire).start().await;
        let ask = || bench.post("/transactions/payments").words(fault);
        let answer = ask().send().await;
        answer.is_in_doubt();
        assert_eq!(answer.field("retry-after"), Some("10"), "{fault}");
        let ledger = bench.ledger();
        assert_eq!(ledger.submits.len(), 1, "{fault}");
        assert!(ledger.tasks.iter().all(|it| it.polls.is_empty()), "{fault}");
        assert_eq!(
            answer.json()["idempotency_key"],
            *ledger.submits[0].key.as_ref().unwrap()
        );
        // A repeat joins what is in doubt, and nothing leaves.
        ask().send().await.is_in_doubt();
        assert_eq!(bench.ledger().submits.len(), 1, "{fault}");
        assert_eq!(bench.exchanges(), (0, 1));
    }
}

#[tokio::test]
async fn a_refusal_of_the_only_submit_is_passed_on_byte_for_byte() {
    for body in ["standard", "message", "html", "empty"] {
        for status in [400, 401, 402, 403, 404, 409, 422, 499] {
            let bench = holdline().start().await;
            let words = format!("refuse={status} body={body}");
            let answer = bench.pay("a").words(&words).send().await;
            answer.is_gateway(status);
            let kind = answer.field("content-type").unwrap_or_default();
            match body {
                "html" => assert!(kind == "text/html" && answer.text().starts_with("<html>")),
                "empty" => assert!(answer.body.is_empty()),
                "message" => assert!(answer.text().starts_with("{\"message\"")),
                _ => assert!(answer.text().starts_with("{\"response\"")),
            }
            bench.submits_of("a").is(1);
            bench.settled().await;
        }
    }
}

#[tokio::test]
async fn validation_at_the_submit_or_at_the_result_reads_the_same() {
    use holdline::simulator::Validation;
    let mut answers = Vec::new();
    for validation in [Validation::Submit, Validation::Result] {
        let bench = holdline()
            .gateway(simulator().with(|it| it.validation = validation))
            .start()
            .await;
        let answer = bench.pay("a").card("1").send().await;
        answer.is_gateway(422);
        answers.push(answer);
    }
    answers[0].is_same_as(&answers[1]);
}

#[tokio::test]
async fn too_many_requests_is_tried_again_within_the_start_and_clamped() {
    for retry_after in [
        "",
        "retry-after=0",
        "retry-after=1000000000",
        "retry-after=date",
        "retry-after=garbage",
    ] {
        let mut bench = armed(holdline(), &format!("refuse=429 {retry_after}")).await;
        bench.allowed.submits_of_a_key = 2;
        let answer = bench.pay("a").send().await;
        answer.is_gateway(200);
        assert_eq!(bench.ledger().submits.len(), 2, "{retry_after}");
        bench.charges_of("a").is(1);
    }
}

#[tokio::test]
async fn too_many_requests_for_the_whole_start_is_the_gateways_own_word() {
    let mut bench = holdline()
        .configure(|config| config.exchange.submit_start = ms(120))
        .start()
        .await;
    bench.allowed.submits_of_a_key = 100;
    let words = "refuse=429 retry-after=7 body=message";
    let answer = bench.pay("a").words(words).send().await;
    assert_eq!(answer.is_gateway(429).field("retry-after"), Some("7"));
    bench.charges_of("a").is(0);
    bench.settled().await;
}

#[tokio::test]
async fn too_many_requests_and_then_silence_is_in_doubt() {
    let mut bench = holdline()
        .hold(HOLD)
        .configure(|config| config.exchange.submit_timeout = ms(60))
        .gateway(submitting(|before| match before {
            0 => json(429, "{}"),
            _ => raw("").hanging(),
        }))
        .start()
        .await;
    bench.allowed.submits_of_a_key = 2;
    bench.pay("a").send().await.is_in_doubt();
    bench.submits_heard().is(2);
}

#[tokio::test]
async fn an_early_refusal_is_used_though_the_body_was_not_read() {
    let bench = armed(holdline(), "early=401").await;
    let big = format!("{{\"request\":{{\"pad\":\"{}\"}}}}", "x".repeat(600_000));
    let answer = bench.pay("a").body(big).send().await;
    // The gateway may close over unread bytes; then its answer may be lost with the connection.
    if answer.status == 401 {
        answer.is_gateway(401);
    } else {
        answer.is_in_doubt();
    }
    assert_eq!(bench.ledger().submits.len(), 1);
    let small = armed(holdline(), "early=401").await;
    small.pay("a").send().await.is_gateway(401);
}

#[tokio::test]
async fn a_flood_of_interim_answers_is_bounded_and_a_few_are_passed_over() {
    let bench = holdline().start().await;
    bench
        .pay("few")
        .words("interim=3")
        .send()
        .await
        .is_gateway(200);
    let flooded = brief().start().await;
    let answer = flooded
        .post("/transactions/payments")
        .words("interim=100000")
        .send()
        .await;
    answer.is_in_doubt();
    assert_eq!(flooded.ledger().submits.len(), 1);
}

#[tokio::test]
async fn a_late_acceptance_is_used_and_wins_over_the_doubt() {
    for (path, tracking) in [
        ("/transactions/payments", None),
        ("/transactions/payments", Some("a")),
    ] {
        let bench = holdline()
            .configure(|config| config.exchange.submit_timeout = ms(60))
            .start()
            .await;
        let ask = || match tracking {
            Some(id) => bench.post(path).tracking(id).words("late=300 delay=400"),
            None => bench.post(path).words("late=300 delay=400"),
        };
        let mut answer = ask().send().await;
        if tracking.is_none() {
            answer.is_in_doubt();
            // Nothing can be asked without a tracking id, yet the late receipt is taken.
            crate::stage::bench::until("the late receipt", || {
                bench
                    .ledger()
                    .tasks
                    .first()
                    .is_some_and(|task| !task.polls.is_empty())
            })
            .await;
            answer = ask().send().await;
        }
        answer.is_gateway(200);
        assert_eq!(bench.ledger().submits.len(), 1);
        assert_eq!(bench.ledger().charges.len(), 1);
    }
}

#[tokio::test]
async fn a_late_refusal_is_the_truth_as_well() {
    let bench = holdline()
        .configure(|config| config.exchange.submit_timeout = ms(60))
        .start()
        .await;
    let answer = bench.pay("a").words("refuse=422 late=300").send().await;
    answer.is_gateway(422);
    bench.submits_of("a").is(1);
}

#[tokio::test]
async fn a_submit_that_is_never_answered_is_in_doubt_and_joined_for_ever() {
    let bench = holdline()
        .hold(HOLD)
        .configure(|config| config.exchange.submit_timeout = ms(60))
        .gateway(submitting(|_| raw("").hanging()))
        .start()
        .await;
    for _ in 0..3 {
        bench.pay("a").send().await.is_in_doubt();
    }
    bench.submits_heard().is(1);
}

#[tokio::test]
async fn odd_status_lines_and_framings_are_in_doubt() {
    let length = |value: &str| {
        raw(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {value}\r\n\r\n{{}}"
        ))
    };
    let odd: [(&str, Say); 9] = [
        ("no HTTP", raw("SSH-2.0-OpenSSH\r\n")),
        ("no digits", raw("HTTP/1.1 abc OK\r\n\r\n")),
        ("four digits", raw("HTTP/1.1 2000 OK\r\n\r\n")),
        (
            "two lengths",
            raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
        ),
        ("a negative length", length("-2")),
        (
            "a length and chunks",
            raw(
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            ),
        ),
        ("an empty 204", raw("HTTP/1.1 204 No Content\r\n\r\n")),
        ("a length beyond the end", length("9").closing()),
        ("a gigantic length", length("99999999999999999999")),
    ];
    for (wire, (name, say)) in on_both_wires(odd) {
        let bench = holdline()
            .over(wire)
            .gateway(submitting(move |_| say.clone()))
            .start()
            .await;
        let answer = bench.post("/transactions/payments").send().await;
        answer.is_in_doubt();
        assert_eq!(bench.heard().len(), 1, "{wire:?}: {name}");
    }
}

#[tokio::test]
async fn nothing_follows_a_redirect() {
    for status in [301, 302, 303, 307, 308] {
        let trap = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        trap.set_nonblocking(true).unwrap();
        let location = format!(
            "http://{}/async/transactions/payments",
            trap.local_addr().unwrap()
        );
        let gateway = submitting(move |_| {
            raw(format!(
                "HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
            ))
        });
        let bench = holdline().gateway(gateway).start().await;
        bench
            .post("/transactions/payments")
            .send()
            .await
            .is_in_doubt();
        assert!(trap.accept().is_err());
        assert_eq!(bench.heard().len(), 1);
    }
}

#[tokio::test]
async fn a_submit_has_a_connection_of_its_own() {
    let bench = holdline()
        .gateway(script(|heard| match heard.method.as_str() {
            "POST" => accepted(),
            _ if heard.before == 0 => processing(),
            _ => json(200, r#"{"transaction":{"uid":"1-a"}}"#),
        }))
        .start()
        .await;
    bench.pay("a").send().await.is_gateway(200);
    let submit = &bench.heard()[0];
    assert_eq!(submit.field("connection"), Some("close"));
    assert_eq!(submit.field("accept-encoding"), Some("identity"));
}
