//! What may go wrong with polls: nothing of it is ever taken for the result.
use holdline::simulator::PollUrls;

use crate::simulated::log::Log;
use crate::stage::bench::{Setup, holdline, ms, simulator, until};
use crate::stage::front::{Wire, on_both_wires};
use crate::stage::scripted::{Say, json, processing, raw, resulting, unknown};

fn brief() -> Setup {
    holdline().hold(ms(400))
}

#[tokio::test]
async fn a_running_task_is_polled_whatever_the_code_and_whatever_stands_in_the_way() {
    for (wire, words) in on_both_wires([
        "flap=3",
        "flap=2@1 delay=300",
        "lag=60",
        "poll-503=3",
        "poll-502=3",
        "poll-500=2",
        "poll-403=3",
        "poll-429=2",
        "poll-429=2 retry-after=1000000000",
        "poll-429=2 retry-after=garbage",
        "poll-302=3",
        "poll-html=3",
        "poll-empty=3",
        "poll-cut=3",
        "wrong-id=3",
        "poll-silent=60",
    ]) {
        let bench = holdline()
            .over(wire)
            .configure(|config| config.upstream.answer_timeout = ms(1_000))
            .start()
            .await;
        let answer = bench.pay("a").words(words).send().await;
        let path = format!("/transactions/{}", answer.is_gateway(200).uid());
        answer.is_same_as(&bench.gateway_says(&path).await);
        bench.submits_of("a").is(1);
        bench.charges_of("a").is(1);
        let task = &bench.ledger().tasks[0];
        assert_eq!(task.result_reads, 1, "{words}");
        assert!(task.polls.len() >= 2, "{words}: {:?}", task.polls);
    }
}

#[tokio::test]
async fn faults_in_the_way_of_a_once_only_error_do_not_take_its_place() {
    for (wire, words) in on_both_wires([
        "flap=2",
        "poll-503=2",
        "poll-403=2",
        "poll-html=2",
        "poll-500=2",
        "wrong-id=2",
    ]) {
        let bench = holdline().over(wire).start().await;
        let answer = bench
            .pay("a")
            .words(&format!("once fail=422 {words}"))
            .send()
            .await;
        assert!(
            answer
                .is_gateway(422)
                .text()
                .contains("cannot be processed"),
            "{words}"
        );
        assert_eq!(bench.ledger().tasks[0].result_reads, 1, "{words}");
    }
}

#[tokio::test]
async fn a_soft_error_once_and_then_unknown_for_the_grace_is_that_error() {
    for words in ["crash", "soft=500", "soft=418", "soft=406"] {
        let mut bench = holdline().start().await;
        bench.allowed.polls_after_the_result = u32::MAX;
        let answer = bench.pay("a").words(words).send().await;
        let status = if words == "crash" {
            500
        } else {
            words[5..].parse().unwrap()
        };
        answer.is_gateway(status);
        let task = &bench.ledger().tasks[0];
        assert_eq!((task.result_reads, task.spent), (1, true), "{words}");
    }
}

#[tokio::test]
async fn a_soft_error_before_a_result_that_is_too_large_is_not_the_result() {
    let large = "HTTP/1.1 422 Wrong\r\nContent-Length: 1000000000000\r\n\r\n";
    let bench = holdline()
        .gateway(resulting(move |before| match before {
            0 => json(
                500,
                r#"{"message":"We're sorry, but something went wrong"}"#,
            ),
            1 => raw(large),
            _ => unknown(),
        }))
        .start()
        .await;
    let answer = bench.post("/transactions/payments").send().await;
    answer.is_in_doubt();
}

#[tokio::test]
async fn a_passing_crash_of_the_polls_page_is_not_the_result() {
    let crash = || {
        json(
            500,
            r#"{"message":"We're sorry, but something went wrong"}"#,
        )
    };
    let bench = holdline()
        .gateway(resulting(move |before| match before {
            0 | 2 => crash(),
            1 | 3 => unknown(),
            4 => processing(),
            _ => json(200, r#"{"transaction":{"uid":"1-a"}}"#),
        }))
        .start()
        .await;
    assert_eq!(bench.pay("a").send().await.is_gateway(200).uid(), "1-a");
}

#[tokio::test]
async fn unknown_is_not_final_while_it_flaps() {
    let bench = holdline()
        .gateway(resulting(|before| match before % 3 {
            _ if before > 30 => json(200, r#"{"transaction":{"uid":"1-a"}}"#),
            0 => processing(),
            _ => unknown(),
        }))
        .start()
        .await;
    assert_eq!(bench.pay("a").send().await.is_gateway(200).uid(), "1-a");
}

#[tokio::test]
async fn a_task_that_is_unknown_for_ever_is_in_doubt_and_never_not_submitted() {
    let bench = holdline().start().await;
    let ask = || bench.post("/transactions/payments").words("unknown");
    let answer = ask().send().await;
    answer.is_in_doubt();
    assert!(
        answer
            .text()
            .contains("took the request and no longer knows it")
    );
    ask().send().await.is_in_doubt();
    assert_eq!(bench.ledger().submits.len(), 1);
    assert_eq!(bench.ledger().charges.len(), 1);
}

#[tokio::test]
async fn what_never_becomes_a_result_is_never_told_as_one() {
    let never: [(&str, Say); 12] = [
        ("503 JSON", json(503, r#"{"message":"no server"}"#)),
        (
            "502 page",
            raw("HTTP/1.1 502 Bad\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"),
        ),
        ("403 JSON", json(403, r#"{"message":"blocked"}"#)),
        (
            "401",
            json(401, r#"{"response":{"message":"Unauthorized"}}"#),
        ),
        ("429", json(429, r#"{"errors":{}}"#)),
        (
            "a page with 200",
            raw("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"),
        ),
        (
            "nothing with 200",
            raw("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ),
        (
            "another task",
            json(200, r#"{"status":"processing","request_id":"t-2"}"#),
        ),
        (
            "another unknown",
            json(404, r#"{"status":"unknown","request_id":"t-2"}"#),
        ),
        ("an array", json(200, r#"[{"transaction":{}}]"#)),
        (
            "half an object",
            json(200, r#"{"transaction":{"uid":"1-a"}"#),
        ),
        (
            "gzip",
            raw(
                "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\u{b}ab",
            ),
        ),
    ];
    for (wire, (name, say)) in on_both_wires(never) {
        // Long enough for some polls, and for the handshakes before them.
        let hold = match wire {
            Wire::Plain => ms(120),
            Wire::Tls => ms(300),
        };
        let bench = holdline()
            .over(wire)
            .hold(hold)
            .gateway(resulting(move |_| say.clone()))
            .start()
            .await;
        let answer = bench.pay("a").send().await;
        answer.is_in_progress();
        assert!(bench.heard().len() > 3, "{wire:?}: {name}");
        bench.submits_heard().is(1);
    }
}

#[tokio::test]
async fn a_result_with_another_2xx_is_read_the_one_time_that_it_is_given() {
    for status in [201, 202, 203] {
        let gateway = resulting(move |before| match before {
            0 => processing(),
            1 => json(status, r#"{"transaction":{"uid":"1-a"}}"#),
            _ => unknown(),
        });
        let bench = brief().gateway(gateway).start().await;
        let answer = bench.pay("a").send().await;
        let told = answer.is_gateway(status).text();
        assert_eq!(told, r#"{"transaction":{"uid":"1-a"}}"#);
    }
}

#[tokio::test]
async fn an_odd_200_is_final_only_when_it_comes_twice_and_is_told_once() {
    let log = Log::capture();
    let bench = holdline()
        .gateway(resulting(|before| match before {
            0 => json(200, r#"{"hello":1}"#),
            1 => processing(),
            2 => json(200, r#"{"hello":2}"#),
            _ => json(200, r#"{"hello":3}"#),
        }))
        .start()
        .await;
    assert_eq!(
        bench.pay("a").send().await.is_gateway(200).text(),
        r#"{"hello":3}"#
    );
    let polls = bench.heard().iter().filter(|it| it.is_poll()).count();
    assert_eq!(polls, 5);
    let odd = "a poll brought a 200 of no known shape";
    assert_eq!(log.text().matches(odd).count(), 1);
}

#[tokio::test]
async fn a_200_cut_at_every_offset_is_read_again() {
    let result = || {
        json(
            200,
            r#"{"transaction":{"uid":"1-a","status":"successful"}}"#,
        )
    };
    let plain = (0..result().len()).map(|count| (Wire::Plain, count));
    let tls = (0..result().len()).step_by(11);
    for (wire, count) in plain.chain(tls.map(|count| (Wire::Tls, count))) {
        let bench = holdline()
            .over(wire)
            .gateway(resulting(move |before| match before {
                0 => result().cut(count),
                _ => result(),
            }))
            .start()
            .await;
        assert_eq!(
            bench.pay("a").send().await.is_gateway(200).uid(),
            "1-a",
            "{count}"
        );
        bench.submits_heard().is(1);
    }
}

#[tokio::test]
async fn a_cut_200_of_the_simulated_gateway_is_read_again() {
    for count in [0, 1, 20, 200] {
        let mut bench = holdline().start().await;
        bench.allowed.polls_after_the_result = 1;
        let answer = bench
            .pay("a")
            .words(&format!("result-cut={count}"))
            .send()
            .await;
        let path = format!("/transactions/{}", answer.is_gateway(200).uid());
        answer.is_same_as(&bench.gateway_says(&path).await);
        assert_eq!(bench.ledger().tasks[0].result_reads, 2);
    }
}

#[tokio::test]
async fn poll_urls_elsewhere_are_never_contacted() {
    // Every poll URL names the trap's host and port; `Bench` fails if anybody calls there.
    let bench = holdline().foreign_urls().start().await;
    bench.pay("a").send().await.is_gateway(200);
    for words in [
        "urls=foreign",
        "urls=relative",
        "urls=status-only",
        "urls=response-only",
        "urls=none",
    ] {
        bench.pay(words).words(words).send().await.is_gateway(200);
        bench.submits_of(words).is(1);
    }
}

#[tokio::test]
async fn a_receipt_without_urls_is_polled_in_either_version() {
    let bare = simulator().with(|it| {
        it.poll_urls = PollUrls::None;
        it.accepted_v3_code = true;
    });
    let bench = holdline().gateway(bare).start().await;
    for version in ["2", "3"] {
        let asking = bench.pay(version).field("X-API-Version", version);
        let answer = asking.send().await;
        assert!(!answer.is_gateway(200).text().contains("8010"));
        assert_eq!(answer.field("holdline-source"), None);
        bench.charges_of(version).is(1);
        let path = format!(
            "/transactions/{}",
            bench.ledger().charges.last().unwrap().uid
        );
        let read = bench.get(&path).field("X-API-Version", version);
        read.send().await.is_gateway(200).is_same_as(&answer);
    }
    let ledger = bench.ledger();
    assert!(ledger.tasks.iter().all(|it| it.result_reads == 1));
    assert!(
        ledger.queries.is_empty(),
        "nothing is relayed or searched for"
    );
}

#[tokio::test]
async fn whatever_a_receipt_names_only_the_origin_is_asked() {
    let trap = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let lure = trap.local_addr().unwrap();
    for url in [
        format!("http://{lure}/async/result/t-1"),
        format!("https://{lure}/async/result/t-1"),
        format!("http://user:pass@{lure}/async/result/t-1"),
        format!("//{lure}/async/result/t-1"),
        format!("http://127.0.0.1@{lure}/async/result/t-1"),
        format!("http://[::ffff:127.0.0.1]:{}/x", lure.port()),
        "file:///etc/passwd".to_owned(),
        "\\u0000".to_owned(),
        String::new(),
    ] {
        let receipt = format!(r#"{{"request_id":"t-1","response_url":"{url}"}}"#);
        let gateway = crate::stage::scripted::script(move |heard| match heard.method.as_str() {
            "POST" => json(200, &receipt),
            _ => json(200, r#"{"transaction":{"uid":"1-a"}}"#),
        });
        let bench = holdline().gateway(gateway).start().await;
        bench.pay("a").send().await.is_gateway(200);
        let paths: Vec<String> = bench.heard().into_iter().map(|it| it.path).collect();
        assert_eq!(paths[1..], ["/async/result/t-1"], "{url}");
        assert!(trap.accept().is_err(), "{url}");
    }
}

#[tokio::test]
async fn a_redirected_poll_is_not_followed_and_takes_no_credentials_along() {
    let trap = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let lure = trap.local_addr().unwrap();
    let bench = holdline()
        .gateway(resulting(move |before| match before {
            0..3 => raw(format!(
                "HTTP/1.1 302 Found\r\nLocation: http://{lure}/\r\nContent-Length: 0\r\n\r\n"
            )),
            _ => json(200, r#"{"transaction":{"uid":"1-a"}}"#),
        }))
        .start()
        .await;
    bench.pay("a").send().await.is_gateway(200);
    assert!(trap.accept().is_err());
}

#[tokio::test]
async fn a_slow_loris_meets_the_deadline_of_the_answer_and_polling_goes_on() {
    for wire in [Wire::Plain, Wire::Tls] {
        let bench = holdline()
            .over(wire)
            .configure(|config| config.upstream.answer_timeout = ms(100))
            .gateway(resulting(|before| match before {
                0 => raw("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"tra").hanging(),
                1 => raw("").hanging(),
                _ => json(200, r#"{"transaction":{"uid":"1-a"}}"#),
            }))
            .start()
            .await;
        bench.pay("a").send().await.is_gateway(200);
    }
}

#[tokio::test]
async fn a_black_hole_ends_and_polling_resumes() {
    let bench = holdline()
        .configure(|config| config.upstream.answer_timeout = ms(80))
        .gateway(simulator().latency(ms(10)))
        .start()
        .await;
    bench
        .pay("a")
        .words("poll-silent=400")
        .send()
        .await
        .is_gateway(200);
    bench.submits_of("a").is(1);
}

#[tokio::test]
async fn a_client_that_is_gone_when_the_result_comes_finds_it_kept() {
    for words in ["hold", "hold once fail=422", "hold once"] {
        let bench = holdline().start().await;
        let ask = || bench.pay("a").words(words);
        let line = ask().open().await;
        bench.accepted(1).await;
        line.reset();
        bench.simulated().finish_held();
        bench.at_rest().await;
        let answer = ask().send().await;
        answer.is_gateway(if words.contains("422") { 422 } else { 200 });
        assert_eq!(answer.field("idempotency-replayed"), Some("true"));
        bench.submits_of("a").is(1);
    }
}

#[tokio::test]
async fn polls_carry_the_credentials_and_the_version_and_no_key() {
    let bench = holdline()
        .gateway(resulting(|before| match before {
            0 => processing(),
            _ => json(200, r#"{"uid":"1-a","code":"S.0000"}"#),
        }))
        .start()
        .await;
    let asking = bench.pay("a").key("k").field("X-API-Version", "3");
    asking
        .field("Cookie", "session=1")
        .send()
        .await
        .is_gateway(200);
    let heard = bench.heard();
    for poll in heard.iter().filter(|it| it.is_poll()) {
        assert_eq!(poll.field("authorization"), heard[0].field("authorization"));
        assert_eq!(poll.field("x-api-version"), Some("3"));
        assert_eq!(poll.field("accept-encoding"), Some("identity"));
        assert_eq!(
            (poll.field("requestid"), poll.field("cookie")),
            (None, None)
        );
        assert_eq!(poll.field("via"), None);
    }
}

#[tokio::test]
async fn two_exchanges_with_one_task_have_one_poll_in_flight_and_one_answer() {
    let mut bench = brief().start().await;
    bench.allowed.submits_of_a_key = 2;
    // The same key with another body: a gateway that honours it gives the same task again.
    let (one, two) = tokio::join!(
        bench.pay("a").key("k").words("delay=150").send(),
        bench.pay("b").key("k").words("delay=150").send(),
    );
    one.is_gateway(200).is_same_as(&two);
    assert_eq!(bench.ledger().tasks.len(), 1);
}

#[tokio::test]
async fn a_receipt_with_the_task_of_another_request_does_not_spend_it_twice() {
    let bench = holdline().start().await;
    let mut first = bench.pay("a").words("hold").open().await;
    bench.accepted(1).await;
    let mut second = bench.pay("b").words("hold id=reused").open().await;
    until("both poll", || bench.exchanges() == (2, 0)).await;
    bench.accepted(2).await;
    bench.simulated().finish_held();
    let (one, two) = (first.answer().await, second.answer().await);
    one.is_gateway(200).is_same_as(&two);
}
