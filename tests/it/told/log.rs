//! The log of a running holdline: its levels through the control socket, its traces, and what a
//! stranger can write into it.
use std::process::Output;

use holdline::simulator::{Gateway, Latency, Settings};
use holdline::timing::Clock;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::killed::holdline::Holdline;
use crate::stage::asking::Asking;
use crate::stage::bench::{ms, until};
use crate::stage::tap::Tap;
use crate::stage::upstream::upstream;

/// The specification's own example.
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn pay(holdline: &Holdline, tracking_id: &str) -> Asking {
    Asking::new(holdline.address(), "POST", "/transactions/payments").tracking(tracking_id)
}

fn log(holdline: &Holdline, levels: &[&str]) -> Output {
    let words = [&["log"][..], levels].concat();
    holdline.command(&words).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn lines(holdline: &Holdline, message: &str) -> Vec<Value> {
    let log = holdline.log().into_iter();
    log.filter(|line| line["message"] == message).collect()
}

#[tokio::test]
async fn the_levels_are_shown_and_changed_while_it_runs_and_a_bad_one_changes_nothing() {
    let upstream = upstream(ms(1)).await;
    let mut holdline = Holdline::before(upstream.address);
    let nobody = log(&holdline, &[]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(text(&nobody.stderr).contains("no holdline listens at the control socket"));
    holdline.start().await;
    assert_eq!(text(&log(&holdline, &[]).stdout), "info\n");
    let wanted = "info,holdline::upstream=debug";
    assert_eq!(
        text(&log(&holdline, &[wanted]).stdout),
        format!("{wanted}\n")
    );
    let told = &lines(&holdline, "other levels from now on")[0];
    assert_eq!(
        (&told["from"], &told["to"]),
        (&"info".into(), &wanted.into())
    );
    for bad in [
        "loud",
        "info,hyper=trace",
        "",
        "info\n{\"level\":\"ERROR\"}",
    ] {
        let refused = log(&holdline, &[bad]);
        assert_eq!(
            (refused.status.code(), text(&refused.stdout)),
            (Some(1), "")
        );
        let why = text(&refused.stderr);
        assert!(why.contains("; write a level (off, error, warn, "), "{why}");
        assert!(
            why.ends_with("The levels are still info,holdline::upstream=debug\n"),
            "{why}"
        );
        assert_eq!(why.lines().count(), 1, "{why}");
    }
    assert_eq!(text(&log(&holdline, &[]).stdout), format!("{wanted}\n"));
    assert_eq!(lines(&holdline, "other levels from now on").len(), 1);
    // The file counts again at the next reload.
    holdline.signal("-HUP");
    until("the level is the file's", || {
        text(&log(&holdline, &[]).stdout) == "info\n"
    })
    .await;
}

#[tokio::test]
async fn a_trace_is_passed_on_with_the_submit_its_polls_and_relays_and_told_in_the_log() {
    let clock = Clock::start();
    let settings = Settings {
        latency: Latency::Fixed(ms(150)),
        ..Settings::default()
    };
    let tap = Tap::before(Gateway::new(settings, clock), clock).await;
    let mut holdline = Holdline::before(tap.address);
    holdline.start().await;
    let traced = pay(&holdline, "traced")
        .field("Traceparent", TRACE)
        .field("tracestate", "a=1");
    traced.send().await.is_gateway(200);
    let relayed = Asking::new(holdline.address(), "GET", "/elsewhere").field("traceparent", TRACE);
    relayed.send().await;
    let sent = |tap: &Tap| -> Vec<String> {
        let wires = tap.wires();
        let read = wires.iter().map(|wire| {
            let pieces: Vec<&[u8]> = wire.up.iter().map(|(_, piece)| &piece[..]).collect();
            String::from_utf8_lossy(&pieces.concat()).into_owned()
        });
        let requests = read.flat_map(|text| {
            let heads = text.split("HTTP/1.1\r\n").skip(1);
            let heads = heads.map(|it| it.split("\r\n\r\n").next().unwrap().to_lowercase());
            heads.collect::<Vec<_>>()
        });
        requests.collect()
    };
    let heads = sent(&tap);
    assert!(heads.len() >= 3, "a submit, polls, a relay: {heads:#?}");
    let field = format!("traceparent: {TRACE}");
    assert!(heads.iter().all(|head| head.contains(&field)), "{heads:#?}");
    for message in ["accepted", "ended"] {
        let line = &lines(&holdline, message)[0];
        assert_eq!(line["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(line["parent_id"], "00f067aa0ba902b7");
    }
    let malformed = pay(&holdline, "malformed")
        .amount(200)
        .field("traceparent", &TRACE.to_uppercase());
    malformed
        .field("tracestate", "a=1")
        .send()
        .await
        .is_gateway(200);
    let all = sent(&tap);
    let (traced, untraced): (Vec<_>, Vec<_>) = all.iter().partition(|it| it.contains(&field));
    assert_eq!(traced.len(), heads.len());
    assert!(untraced.len() >= 2, "a submit and polls: {untraced:#?}");
    assert!(
        untraced.iter().all(|head| !head.contains("trace")),
        "{untraced:#?}"
    );
    assert_eq!(lines(&holdline, "ended")[1].get("trace_id"), None);
}

#[tokio::test]
async fn nothing_that_a_stranger_sends_writes_a_line_of_its_own_or_a_long_one() {
    let upstream = upstream(ms(1)).await;
    let mut holdline = Holdline::before(upstream.address);
    holdline.keys.push(("LOG__LEVEL", "trace".to_owned()));
    holdline.start().await;
    let hostile =
        "\\r\\n{\\\"level\\\":\\\"ERROR\\\",\\\"message\\\":\\\"forged\\\"}\\u001b[31m\\u202e";
    let long = "x".repeat(20_000);
    for (number, tracking_id) in [hostile, &long].into_iter().enumerate() {
        let asking = pay(&holdline, tracking_id).amount(500 + number as u64);
        let asking = asking.key(&format!("{number}{}", &long[..200]));
        asking.field("User-Agent", &long).send().await;
    }
    let oversized = pay(&holdline, "oversized").field("User-Agent", &"y".repeat(1 << 20));
    let mut stream = TcpStream::connect(holdline.address()).await.unwrap();
    // The connection may be cut while the rest of the head is still on its way.
    let _refused = stream.write_all(&oversized.bytes()).await;
    drop(stream);
    assert_eq!(holdline.stop().await, Some(0));
    let said = holdline.said();
    let log = holdline.log();
    assert_eq!(said.lines().count(), log.len(), "each line is one object");
    assert!(
        log.iter()
            .all(|line| line["message"] != "forged" && line["level"] != "ERROR")
    );
    let longest = said.lines().map(str::len).max().unwrap();
    assert!(longest < 2_000, "{longest}");
    assert!(!said.contains(['\u{1b}', '\u{202e}']));
    let cut = |line: &Value| line["key"].as_str().is_some_and(|it| it.ends_with('…'));
    assert!(log.iter().any(cut), "{said}");
}

#[tokio::test]
async fn why_a_payment_was_not_sent_or_its_answer_lost_is_told_once_and_in_words() {
    let nobody = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
    let mut holdline = Holdline::before(nobody);
    holdline.keys.push(("SUBMIT__START", "1s".to_owned()));
    holdline.keys.push(("HOLD__TIMEOUT", "5s".to_owned()));
    holdline.start().await;
    pay(&holdline, "down").send().await.is_refusal(502);
    let ended = &lines(&holdline, "ended")[0];
    let cause = "submit.start passed before a connection to the gateway was there";
    assert_eq!(ended["cause"], cause, "{ended}");
    assert_eq!(ended["connection"], "the gateway refused the connection");
    let upstream = upstream(ms(1)).await;
    let mut holdline = Holdline::before(upstream.address);
    holdline.keys.push(("HOLD__TIMEOUT", "5s".to_owned()));
    holdline.keys.push(("POLLING__INTERVAL", "20ms".to_owned()));
    holdline.start().await;
    pay(&holdline, "lost").words("swallow").send().await;
    let lost = &lines(&holdline, "lost the answer to the submit")[0];
    let error = lost["error"].as_str().unwrap();
    let cause = "the gateway closed the connection before its answer was whole";
    assert!(error.starts_with(cause), "{lost}");
    assert_eq!(error.matches("clos").count(), 1, "{lost}");
    pay(&holdline, "page").words("poll-html=2").send().await;
    let mute = "a poll brought a 200 that tells nothing of the task: if it is the result, nobody is given it";
    let told = lines(&holdline, mute);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["content_type"], "text/html");
    pay(&holdline, "forbidden").words("poll-403=8").send().await;
    let vain = lines(
        &holdline,
        "polls bring no result, and the last nothing that speaks of the task",
    );
    assert_eq!(vain.len(), 1, "{vain:?}");
    assert_eq!(vain[0]["why"], "status 403");
}
