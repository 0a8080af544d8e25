//! The same answer: status, content type and every byte of the body.
use crate::stage::asking::Answer;
use crate::stage::bench::{holdline, ms};
use crate::stage::scripted::{json, processing, raw, resulting, unknown};

/// Bodies that a proxy which reads JSON and writes it again would change.
const BODIES: [&str; 8] = [
    r#"{"transaction":{"uid":"1-a","amount":9223372036854775807,"rate":1.10,"big":1e400}}"#,
    "{ \"transaction\" :\t{ \"uid\" : \"1-a\" ,\r\n \"status\":\"successful\" } }\n\n",
    r#"{"transaction":{"uid":"1-a","holder":"Zoë Ünal 支付 \u0416 \/ \ud83d\ude00"}}"#,
    r#"{"b":1,"a":2,"transaction":{"a":1,"a":2,"uid":"1-a"}}"#,
    r#"{"transaction":{"uid":"1-a","amount":-0.0,"n":18446744073709551616}}"#,
    r#"{"uid":"1-a","code":"S.0000","status":"processing"}"#,
    r#"{"transactions":[]}"#,
    "\u{20}{\"response\":{\"message\":\"Запись не найдена\"}} ",
];

async fn answer_to(result: &'static str, status: u16) -> Answer {
    let bench = holdline()
        .gateway(resulting(move |before| match before {
            0 => processing(),
            _ => json(status, result),
        }))
        .start()
        .await;
    let answer = bench.pay("a").send().await;
    bench.submits_heard().is(1);
    let polls = bench.heard().iter().filter(|it| it.is_poll()).count();
    assert_eq!(polls, 2, "none after the result");
    answer
}

#[tokio::test]
async fn every_byte_of_a_result_is_the_gateways() {
    for body in BODIES {
        let answer = answer_to(body, 200).await;
        assert_eq!(answer.is_gateway(200).text(), body);
        assert_eq!(
            answer.field("content-type"),
            Some("application/json; charset=utf-8")
        );
    }
}

#[tokio::test]
async fn every_firm_error_keeps_its_code_and_bytes() {
    let body = r#"{ "response":{"message":"Ungültig","errors":{"amount":["is invalid"]}} }"#;
    for status in [400, 402, 404, 409, 410, 422] {
        let answer = answer_to(body, status).await;
        assert_eq!(answer.is_gateway(status).text(), body);
    }
}

#[tokio::test]
async fn a_once_only_error_is_delivered_after_the_grace_in_its_own_words() {
    let crash = r#"{"message":"We're sorry, but something went wrong"}"#;
    for (status, body) in [(500, crash), (500, "{}"), (418, crash), (406, crash)] {
        let bench = holdline()
            .gateway(resulting(move |before| match before {
                0 => json(status, body),
                _ => unknown(),
            }))
            .start()
            .await;
        let answer = bench.pay("a").send().await;
        assert_eq!(answer.is_gateway(status).text(), body);
        bench.submits_heard().is(1);
    }
}

#[tokio::test]
async fn chunked_and_close_delimited_results_are_whole_results() {
    let body = r#"{"transaction":{"uid":"1-a"}}"#;
    let chunked = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
         5;x=y\r\n{}\r\n{:x}\r\n{}\r\n0\r\nX-Trailer: dropped\r\n\r\n",
        &body[..5],
        body.len() - 5,
        &body[5..]
    );
    let delimited = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{body}");
    for (bytes, closes) in [(chunked, false), (delimited, true)] {
        let say = if closes {
            raw(bytes).closing()
        } else {
            raw(bytes)
        };
        let bench = holdline()
            .gateway(resulting(move |_| say.clone()))
            .start()
            .await;
        let answer = bench.pay("a").send().await;
        assert_eq!(answer.is_gateway(200).text(), body);
        assert_eq!(answer.field("content-length"), Some("29"));
        assert_eq!(answer.field("x-trailer"), None);
    }
}

#[tokio::test]
async fn bytes_behind_a_result_are_no_answer_to_anybody() {
    let split = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 29\r\n\r\n\
                 {\"transaction\":{\"uid\":\"1-a\"}}HTTP/1.1 200 OK\r\nContent-Length: 29\r\n\r\n\
                 {\"transaction\":{\"uid\":\"evil\"}}";
    let bench = holdline()
        .gateway(resulting(move |_| raw(split)))
        .start()
        .await;
    for _ in 0..3 {
        let answer = bench.pay("a").send().await;
        assert_eq!(answer.is_gateway(200).uid(), "1-a");
        bench.settled().await;
    }
}

#[tokio::test]
async fn every_operation_without_a_body_or_with_hostile_json_goes_on_unchanged() {
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    let keys: Vec<String> = (0..20_000)
        .map(|number| format!("\"k{number}\":1"))
        .collect();
    let keys = keys.join(",");
    for body in [
        String::new(),
        "not json".to_owned(),
        deep,
        format!("{{{keys},\"request\":{{}}}}"),
        format!("{{\"request\":{{\"amount\":{}}}}}", "9".repeat(10_000)),
        "{\"request\":{\"tracking_id\":\"a\",\"tracking_id\":\"b\",\"amount\":1,\"amount\":2}}"
            .to_owned(),
        "{\"request\":{\"duplicate_check\":false,\"duplicate_check\":true}}".to_owned(),
        "{\"request\":{\"tracking_id\":7,\"amount\":\"ten\"}}".to_owned(),
    ] {
        let bench = holdline()
            .gateway(resulting(|_| json(200, r#"{"transaction":{"uid":"1-a"}}"#)))
            .start()
            .await;
        bench
            .pay("a")
            .body(body.clone())
            .send()
            .await
            .is_gateway(200);
        assert_eq!(bench.heard()[0].body, body.as_bytes());
    }
}

#[tokio::test]
async fn a_large_answer_arrives_whole_and_one_over_the_limit_never_does() {
    let bench = holdline().start().await;
    let answer = bench.pay("a").words("big=3000000").send().await;
    assert!(answer.is_gateway(200).body.len() > 3_000_000);
    let limited = holdline()
        .hold(ms(300))
        .configure(|config| config.upstream.max_answer = 1000)
        .start()
        .await;
    let mut limited = limited;
    limited.allowed.polls_after_the_result = u32::MAX;
    limited
        .pay("a")
        .words("big=3000")
        .send()
        .await
        .is_in_progress();
    limited.submits_of("a").is(1);
}
