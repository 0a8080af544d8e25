//! SIGTERM and SIGINT: what is held ends or is durable, and the successor gives the rest.
use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use futures_util::future::join_all;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::killed::holdline::Holdline;
use crate::stage::asking::{Answer, Asking, Line};
use crate::stage::bench::{PATIENCE, ms, until};
use crate::stage::upstream::{Upstream, upstream};

/// Waits until the gateway has so many submits.
pub(super) async fn submitted(upstream: &Upstream, count: usize) {
    let counted = async {
        while upstream.gateway.ledger().submits.len() < count {
            tokio::time::sleep(ms(5)).await;
        }
    };
    let counted = tokio::time::timeout(PATIENCE, counted).await;
    counted.expect("the submits come");
}

fn pay(holdline: &Holdline, number: usize) -> Asking {
    // The gateway's own filter takes two payments of one amount and card for one.
    Asking::new(holdline.address(), "POST", "/transactions/payments")
        .tracking(&format!("order-{number}"))
        .amount(100 + number as u64)
        .words("hold")
}

/// Waits until the gateway has taken so many tasks.
async fn accepted(holdline: &Holdline, count: usize) {
    let is_accepted = |line: &&Value| line["message"] == "accepted";
    until("all are accepted", || {
        holdline.log().iter().filter(is_accepted).count() == count
    })
    .await;
}

/// The one line of the log with this message.
fn line(holdline: &Holdline, message: &str) -> Value {
    let log = holdline.log();
    let line = log.into_iter().rfind(|line| line["message"] == message);
    line.unwrap_or_else(|| panic!("no {message:?} in {}", holdline.said()))
}

async fn answers(lines: &mut [Line]) -> Vec<Answer> {
    join_all(lines.iter_mut().map(Line::answer)).await
}

#[tokio::test]
async fn five_hundred_that_are_held_at_sigterm_lose_nothing_and_the_successor_gives_the_rest() {
    const HELD: usize = 500;
    let upstream = upstream(ms(1)).await;
    let mut holdline = Holdline::before(upstream.address);
    holdline.write("[hold]\ntimeout = \"2m\"\n[drain]\ntimeout = \"3s\"\n[upstream]\nanswer_timeout = \"2s\"\n");
    holdline.start().await;
    let mut held = join_all((0..HELD).map(|number| pay(&holdline, number).open())).await;
    submitted(&upstream, HELD).await;
    accepted(&holdline, HELD).await;
    assert_eq!(holdline.stop().await, Some(0), "{}", holdline.said());
    for answer in answers(&mut held).await {
        assert_eq!(answer.status, 504);
        assert_eq!(answer.field("holdline-outcome"), Some("in-progress"));
    }
    let draining = line(&holdline, "draining");
    assert_eq!(
        (&draining["held"], &draining["running"]),
        (&HELD.into(), &HELD.into())
    );
    let stopped = line(&holdline, "stopped");
    assert_eq!(
        (&stopped["ended"], &stopped["for_the_successor"]),
        (&0.into(), &HELD.into())
    );
    assert!(!holdline.said().contains("tasks that did not end"));

    upstream.gateway.finish_held();
    holdline.start().await;
    let mut again = join_all((0..HELD).map(|number| pay(&holdline, number).open())).await;
    for answer in answers(&mut again).await {
        answer.is_gateway(200);
    }
    let ledger = upstream.gateway.ledger();
    assert_eq!(ledger.submits.len(), HELD, "no payment is submitted twice");
    let charged: BTreeSet<_> = ledger
        .charges
        .iter()
        .map(|it| it.tracking_id.clone())
        .collect();
    assert_eq!((ledger.charges.len(), charged.len()), (HELD, HELD));
}

#[tokio::test]
async fn what_ends_within_the_drain_is_given_and_no_new_payment_is_taken() {
    let upstream = upstream(ms(1)).await;
    let mut holdline = Holdline::before(upstream.address);
    holdline.write("[drain]\ntimeout = \"20s\"\n");
    holdline.start().await;
    let mut held = pay(&holdline, 1).open().await;
    // Open before the drain, so that it can ask during it.
    let mut waiting = Line::connect(holdline.address()).await;
    submitted(&upstream, 1).await;
    holdline.signal("-INT");
    until("it drains", || holdline.said().contains("\"draining\"")).await;
    let ready = Asking::new(holdline.operator(), "GET", "/readyz").anonymous();
    assert_eq!(ready.send().await.status, 503);
    waiting.send(&pay(&holdline, 2).bytes()).await;
    waiting.answer().await.is_refusal(503);
    pay(&holdline, 3).send().await.is_refusal(503);
    upstream.gateway.finish_held();
    held.answer().await.is_gateway(200);
    assert_eq!(holdline.ended().await, Some(0));
    let stopped = line(&holdline, "stopped");
    assert_eq!(
        (&stopped["ended"], &stopped["for_the_successor"]),
        (&1.into(), &0.into())
    );
    assert_eq!(upstream.gateway.ledger().submits.len(), 1);
}

#[tokio::test]
async fn a_client_that_never_asks_does_not_draw_out_the_stop() {
    let upstream = upstream(ms(1)).await;
    let mut holdline = Holdline::before(upstream.address);
    holdline.write("[drain]\ntimeout = \"10m\"\n");
    holdline.start().await;
    let mut silent = Line::connect(holdline.address()).await;
    // An answer to a later connection shows that the silent one was accepted before.
    Asking::new(holdline.address(), "GET", "/")
        .anonymous()
        .send()
        .await;
    assert_eq!(holdline.stop().await, Some(0), "{}", holdline.said());
    assert!(silent.try_answer().await.is_none());
}

/// A poll that might be cut by the stop could lose an answer that is given once, so none is made.
#[tokio::test]
async fn where_no_poll_ends_in_time_the_stop_waits_for_nothing() {
    let upstream = upstream(ms(1)).await;
    let mut holdline = Holdline::before(upstream.address);
    holdline.write("[drain]\ntimeout = \"5m\"\n[upstream]\nanswer_timeout = \"5m\"\n");
    holdline.start().await;
    let mut held = pay(&holdline, 1).open().await;
    let gone = pay(&holdline, 2).open().await;
    accepted(&holdline, 2).await;
    drop(gone);
    assert_eq!(holdline.stop().await, Some(0), "{}", holdline.said());
    let answer = held.answer().await;
    assert_eq!(answer.field("holdline-outcome"), Some("in-progress"));
    let stopped = line(&holdline, "stopped");
    assert_eq!(
        (&stopped["for_the_successor"], &stopped["ended"]),
        (&2.into(), &0.into())
    );
    upstream.gateway.finish_held();
    holdline.start().await;
    pay(&holdline, 1).send().await.is_gateway(200);
}

#[tokio::test]
async fn a_second_signal_ends_the_drain_and_the_journal_is_whole() {
    let upstream = upstream(ms(1)).await;
    let mut holdline = Holdline::before(upstream.address);
    holdline.write("[drain]\ntimeout = \"10m\"\n");
    holdline.start().await;
    let mut held = pay(&holdline, 1).open().await;
    accepted(&holdline, 1).await;
    for unheeded in ["-USR1", "-USR2"] {
        holdline.signal(unheeded);
    }
    holdline.signal("-TERM");
    until("it drains", || holdline.said().contains("\"draining\"")).await;
    holdline.signal("-HUP");
    until("it says so", || {
        holdline.said().contains("SIGHUP changes nothing any more")
    })
    .await;
    holdline.signal("-TERM");
    let answer = held.answer().await;
    assert_eq!(answer.field("holdline-outcome"), Some("in-progress"));
    assert_eq!(holdline.ended().await, Some(0));
    assert_eq!(holdline.fault_of_journal(), None);
    upstream.gateway.finish_held();
    holdline.start().await;
    pay(&holdline, 1).send().await.is_gateway(200);
    assert_eq!(upstream.gateway.ledger().submits.len(), 1);
}

#[tokio::test]
async fn a_signal_before_it_listens_ends_it_in_order_too() {
    let upstream = upstream(ms(1)).await;
    let mut holdline = Holdline::before(upstream.address);
    for _ in 0..10 {
        holdline.spawn();
        let starts = holdline.log().len();
        until("it starts", || holdline.log().len() > starts).await;
        assert_eq!(holdline.stop().await, Some(0), "{}", holdline.said());
        assert_eq!(holdline.fault_of_journal(), None);
    }
}

#[tokio::test]
async fn a_signal_while_its_files_are_read_ends_it_at_once() {
    let upstream = upstream(ms(1)).await;
    let mut holdline = Holdline::before(upstream.address);
    let made = rcgen::generate_simple_self_signed(["gateway.example".to_owned()]).unwrap();
    let [certificate, key] = ["its.pem", "its.key"].map(|name| holdline.directory().join(name));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    // It gives the key once, for the check of the configuration; at the start itself nothing comes.
    assert!(Command::new("mkfifo").arg(&key).status().unwrap().success());
    for (name, path) in [
        ("GATEWAY__TLS_CERTIFICATE", &certificate),
        ("GATEWAY__TLS_KEY", &key),
    ] {
        holdline.keys.push((name, path.display().to_string()));
    }
    holdline.spawn();
    let pem = made.signing_key.serialize_pem();
    let given = tokio::task::spawn_blocking(move || std::fs::write(key, pem));
    given.await.unwrap().unwrap();
    until("it reads", || {
        holdline.said().contains("the journal is open")
    })
    .await;
    assert_eq!(holdline.stop().await, Some(0), "{}", holdline.said());
    assert!(holdline.said().contains("told to stop before it served"));
    assert_eq!(holdline.fault_of_journal(), None);
}

#[tokio::test]
async fn closed_outputs_and_a_log_that_nobody_reads_any_more_stop_nothing() {
    let upstream = upstream(ms(1)).await;
    let mut holdline = Holdline::before(upstream.address);
    holdline.by = ["sh", "-c", "exec \"$@\" <&- >&- 2>&-", "sh"]
        .map(str::to_owned)
        .into();
    holdline.start().await;
    pay(&holdline, 1).words("").send().await.is_gateway(200);
    assert_eq!(holdline.stop().await, Some(0));

    let mut command = holdline.command(&["run"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    // Its reader goes before a word was read.
    drop(child.stdout.take());
    let asking = async {
        while TcpStream::connect(holdline.address()).await.is_err() {
            tokio::time::sleep(ms(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking)
        .await
        .expect("it listens");
    pay(&holdline, 2).words("").send().await.is_gateway(200);
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .unwrap()
            .success()
    );
    let mut ended = None;
    until("it ends", || {
        ended = child.try_wait().unwrap();
        ended.is_some()
    })
    .await;
    assert_eq!(ended.unwrap().code(), Some(0));
}
