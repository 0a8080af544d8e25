//! JSON that is made to hurt whoever reads it: it goes on as it came, byte for byte, and nothing is
//! told wrongly because of it.
use crate::stage::asking::Asking;
use crate::stage::bench::{Bench, holdline, ms};
use crate::stage::scripted::{Heard, Say, accepted, json, script};

/// Values of some hundred kilobytes, each with its name.
fn bombs() -> Vec<(&'static str, String)> {
    let nested =
        |open: &str, close: &str, depth: usize| open.repeat(depth) + "1" + &close.repeat(depth);
    let keys = |name: fn(usize) -> String, count: usize| {
        let members: Vec<String> = (0..count).map(|it| format!("\"{}\":1", name(it))).collect();
        format!("{{{}}}", members.join(","))
    };
    vec![
        ("deep lists", nested("[", "]", 150_000)),
        ("deep objects", nested("{\"a\":", "}", 50_000)),
        ("deep lists without an end", "[".repeat(300_000)),
        ("many keys", keys(|it| it.to_string(), 30_000)),
        ("one key many times", keys(|_| "amount".to_owned(), 30_000)),
        ("a number of many digits", "9".repeat(300_000)),
        ("a number beyond every double", "1e999999999".to_owned()),
        (
            "a small number of many digits",
            format!("0.{}1", "0".repeat(300_000)),
        ),
        (
            "a text of escapes",
            format!("\"{}\"", "\\u0041".repeat(150_000)),
        ),
        ("half a pair of escapes", "\"\\ud800\"".to_owned()),
        ("money as it was written", "1.10".to_owned()),
    ]
}

fn payment(bench: &Bench, members: &str) -> Asking {
    let body = format!("{{\"request\":{{{members}\"currency\":\"USD\",\"tracking_id\":\"a\"}}}}");
    bench.post("/transactions/payments").body(body)
}

/// What holdline reads of a request: each of these may be a bomb, or stand there twice.
const READ: [&str; 5] = [
    "amount",
    "tracking_id",
    "credit_card",
    "duplicate_check",
    "x-unread",
];

const RESULT: &str = r#"{"transaction":{"uid":"u-1","status":"successful","amount":1.10}}"#;

fn results(heard: &Heard, result: impl Fn() -> Say) -> Say {
    match heard.method.as_str() {
        "POST" => accepted(),
        _ if heard.is_poll() => result(),
        _ => json(200, r#"{"transactions":[]}"#),
    }
}

#[tokio::test]
async fn a_body_goes_on_as_it_came_whatever_it_is_made_of() {
    let gateway = script(|heard| results(heard, || json(200, RESULT)));
    let bench = holdline().gateway(gateway).start().await;
    let mut sent = Vec::new();
    for (_, bomb) in bombs() {
        for member in READ {
            let member = format!("\"{member}\":{bomb},");
            sent.push(payment(&bench, &member).body_bytes());
        }
    }
    for member in [
        "\"amount\":1,\"amount\":2,",
        "\"duplicate_check\":true,\"duplicate_check\":false,",
    ] {
        sent.push(payment(&bench, member).body_bytes());
    }
    sent.extend([&b""[..], b"null", b"\xff\xfe", b"{\"request\":{}}garbage"].map(Vec::from));
    for body in &sent {
        let answer = bench
            .post("/transactions/payments")
            .body(body.clone())
            .send()
            .await;
        answer.is_gateway(200);
        assert_eq!(answer.text(), RESULT);
        bench.settled().await;
    }
    let heard = bench.heard();
    let submits: Vec<&Heard> = heard.iter().filter(|it| it.is_submit()).collect();
    assert_eq!(submits.len(), sent.len());
    for (submit, sent) in submits.iter().zip(&sent) {
        assert!(submit.body == *sent, "{:?}…", &sent[..sent.len().min(60)]);
    }
}

#[tokio::test]
async fn two_words_on_duplicates_are_none_so_that_a_repeat_joins() {
    let gateway = script(|heard| {
        results(heard, || {
            json(425, r#"{"status":"processing","request_id":"t-1"}"#)
        })
    });
    let bench = holdline().gateway(gateway).start().await;
    let twice = "\"duplicate_check\":false,\"duplicate_check\":true,";
    let _first = payment(&bench, twice).open().await;
    let _second = payment(&bench, twice).open().await;
    bench.metric("holdline_joined_total 1").await;
    bench.submits_heard().is(1);
}

#[tokio::test]
async fn what_the_gateway_says_is_given_as_it_came_or_is_in_doubt() {
    for (name, bomb) in bombs() {
        let is_json = name != "deep lists without an end";
        let result = RESULT.replace("1.10", &bomb);
        let says = result.clone();
        let gateway = script(move |heard| results(heard, || json(200, &says)));
        let bench = holdline().gateway(gateway).start().await;
        let answer = bench.pay("a").send().await;
        if is_json {
            answer.is_gateway(200);
            assert!(answer.text() == result, "{name}");
        } else {
            assert!(
                matches!(answer.status, 200 | 504),
                "{name}: {}",
                answer.status
            );
        }

        let receipt =
            format!("{{\"more\":{bomb},\"status\":\"processing\",\"request_id\":\"t-1\"}}");
        let gateway = script(move |heard| match heard.method.as_str() {
            "POST" => json(200, &receipt),
            _ => results(heard, || json(200, RESULT)),
        });
        let setup = holdline().gateway(gateway).hold(ms(400));
        let bench = setup.start().await;
        let answer = bench.pay("a").send().await;
        if answer.status == 200 {
            assert_eq!(answer.text(), RESULT, "{name}");
        } else {
            answer.is_in_doubt();
        }
        assert_eq!(bench.submits_heard_so_far(), 1, "{name}");
    }
}
