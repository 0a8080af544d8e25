//! The gateway's answer has a larger head than holdline reads: it is told as that, and nothing else
//! is believed of it.
use std::fmt::Write as _;

use crate::stage::bench::{Bench, holdline, ms};
use crate::stage::scripted::{Say, accepted, processing, raw, resulting, script, submitting};

/// More fields than are read, and fewer that are too long.
const LARGE: [(usize, usize); 2] = [(101, 1), (70, 3000)];

const MESSAGE: &str = "The head of the gateway's answer is larger than holdline reads.";

fn with_fields(count: usize, length: usize) -> Say {
    let body = r#"{"transaction":{"uid":"1-a","status":"successful"}}"#;
    let mut head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    for number in 2..count {
        let _ = write!(head, "X-{number}: {}\r\n", "x".repeat(length));
    }
    raw(format!("{head}\r\n{body}"))
}

async fn counted(bench: &Bench, times: usize) {
    let line = format!("holdline_upstream_errors_total{{cause=\"head_too_large\"}} {times}");
    bench.metric(&line).await;
}

#[tokio::test]
async fn of_a_submit_it_is_in_doubt_and_says_why() {
    for (count, length) in LARGE {
        let bench = holdline()
            .hold(ms(250))
            .gateway(submitting(move |_| with_fields(count, length)))
            .start()
            .await;
        let answer = bench.post("/transactions/payments").send().await;
        answer.is_in_doubt();
        assert!(answer.text().contains(MESSAGE), "{}", answer.text());
        let status = answer.field("proxy-status").unwrap();
        assert!(status.contains("error=http_response_header_section_size"));
        bench.submits_heard().is(1);
        let tasks = bench.operator("/tasks").await.json();
        assert_eq!(tasks["tasks"][0]["cause"], "submit-head-too-large");
        counted(&bench, 1).await;
    }
}

#[tokio::test]
async fn of_a_poll_it_is_polled_again() {
    for (count, length) in LARGE {
        let bench = holdline()
            .gateway(resulting(move |before| match before {
                0 => processing(),
                1 => with_fields(count, length),
                _ => with_fields(100, 1),
            }))
            .start()
            .await;
        let answer = bench.pay("a").send().await;
        assert_eq!(answer.is_gateway(200).uid(), "1-a");
        assert_eq!(answer.field("x-99"), Some("x"));
        bench.submits_heard().is(1);
        counted(&bench, 1).await;
    }
}

#[tokio::test]
async fn of_a_relayed_request_it_may_have_been_executed_and_says_why() {
    for (count, length) in LARGE {
        let bench = holdline()
            .gateway(script(move |_| with_fields(count, length)))
            .start()
            .await;
        for posted in [
            bench.post("/credit_cards"),
            // Too large for the connection that carries small ones.
            bench.post("/credit_cards").body("x".repeat(40_000)),
        ] {
            let answer = posted.send().await;
            answer.is_in_doubt();
            assert!(answer.text().contains(MESSAGE), "{}", answer.text());
            let status = answer.field("proxy-status").unwrap();
            assert!(status.contains("error=http_response_header_section_size"));
        }
        let read = bench.get("/products").send().await;
        read.is_ours(504, "F.1000", "not-submitted");
        assert!(read.text().contains(MESSAGE), "{}", read.text());
        counted(&bench, 3).await;
    }
}

#[tokio::test]
async fn an_answer_over_the_limit_and_one_that_is_no_http_are_told_as_what_they_are() {
    let large = || {
        raw(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            1_u64 << 40
        ))
    };
    let odd = || raw("SSH-2.0-OpenSSH_9.2\r\n\r\n");
    let cases: [(fn() -> Say, _, _, _); 3] = [
        (
            large,
            "larger than limits.answer",
            "http_response_body_size",
            "submit-too-large",
        ),
        (
            odd,
            "is not HTTP",
            "http_protocol_error",
            "submit-malformed",
        ),
        (
            || accepted().cut(30),
            "The connection to the gateway broke",
            "connection_terminated",
            "submit-lost",
        ),
    ];
    for (say, message, error, cause) in cases {
        let bench = holdline().gateway(submitting(move |_| say())).start().await;
        let answer = bench.post("/transactions/payments").send().await;
        answer.is_in_doubt();
        assert!(answer.text().contains(message), "{}", answer.text());
        assert!(answer.field("proxy-status").unwrap().contains(error));
        let tasks = bench.operator("/tasks").await.json();
        assert_eq!(tasks["tasks"][0]["cause"], cause);
    }
}
