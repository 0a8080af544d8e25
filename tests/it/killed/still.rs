//! A process that stands still (SIGSTOP), and one that falls (SIGABRT).
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use futures_util::future::join_all;
use holdline::simulator::{Gateway, Latency, Settings};
use holdline::timing::Clock;

use super::holdline::Holdline;
use crate::stage::asking::{Asking, Line};
use crate::stage::bench::{ms, until};
use crate::stage::tap::Tap;

/// A gateway whose answers take `round_trip`, and a holdline that is not started.
async fn before_a_gateway(round_trip: Duration, work: Duration) -> (Tap, Holdline) {
    let settings = Settings {
        latency: Latency::Fixed(work),
        duplicate_window: Duration::ZERO,
        round_trip,
        ..Settings::default()
    };
    let clock = Clock::start();
    let tap = Tap::before(Gateway::new(settings, clock), clock).await;
    let mut holdline = Holdline::before(tap.address);
    holdline.keys.push(("HOLD__TIMEOUT", "10s".to_owned()));
    holdline.keys.push(("SUBMIT__TIMEOUT", "10s".to_owned()));
    (tap, holdline)
}

fn payment(holdline: &Holdline, words: &str) -> Asking {
    let asking = Asking::new(holdline.address(), "POST", "/transactions/payments");
    asking.words(words)
}

async fn a_poll_is_under_way(tap: &Tap) {
    let tasks = || tap.gateway.ledger().tasks;
    until("it polls", || tasks().iter().any(|task| task.in_flight > 0)).await;
}

async fn is_submitted(tap: &Tap, count: usize) {
    let submits = || tap.gateway.ledger().submits.len();
    until("they are submitted", || submits() == count).await;
}

/// The kernel holds what came meanwhile, and it is read before the time that passed counts.
#[tokio::test]
async fn a_result_that_is_given_once_is_not_lost_to_a_process_that_stood_still() {
    let (tap, mut holdline) = before_a_gateway(ms(200), ms(1)).await;
    holdline.start().await;
    let mut line = payment(&holdline, "once").tracking("order").open().await;
    a_poll_is_under_way(&tap).await;
    holdline.signal("-STOP");
    let tasks = || tap.gateway.ledger().tasks;
    until("the result is given", || tasks().iter().any(|it| it.spent)).await;
    // `upstream.answer_timeout` passes.
    tokio::time::sleep(ms(400)).await;
    holdline.signal("-CONT");
    line.answer().await.is_gateway(200);
    let ledger = tap.gateway.ledger();
    assert_eq!((ledger.submits.len(), ledger.queries.len()), (1, 0));
}

/// Is told to stop, and stands still beyond the end of its drain, in which the gateway answers.
async fn stand_still_over_the_drain(holdline: &Holdline) {
    holdline.signal("-TERM");
    until("it drains", || holdline.said().contains("\"draining\"")).await;
    holdline.signal("-STOP");
    tokio::time::sleep(ms(1500)).await;
    holdline.signal("-CONT");
}

#[tokio::test]
async fn a_stop_that_stood_still_reads_the_result_that_is_given_once_before_it_ends() {
    let (tap, mut holdline) = before_a_gateway(ms(400), ms(1)).await;
    holdline
        .keys
        .push(("UPSTREAM__ANSWER_TIMEOUT", "5s".to_owned()));
    holdline.start().await;
    let mut line = payment(&holdline, "once").open().await;
    a_poll_is_under_way(&tap).await;
    stand_still_over_the_drain(&holdline).await;
    line.answer().await.is_gateway(200);
    assert_eq!(holdline.ended().await, Some(0), "{}", holdline.said());
}

#[tokio::test]
async fn a_stop_that_stood_still_leaves_the_task_to_its_successor_and_no_doubt() {
    let (tap, mut holdline) = before_a_gateway(Duration::ZERO, ms(1)).await;
    holdline.start().await;
    let mut line = payment(&holdline, "late=400").open().await;
    is_submitted(&tap, 1).await;
    stand_still_over_the_drain(&holdline).await;
    line.answer().await.is_in_progress();
    assert_eq!(holdline.ended().await, Some(0), "{}", holdline.said());
    holdline.start().await;
    payment(&holdline, "late=400").send().await.is_gateway(200);
    assert_eq!(tap.gateway.ledger().submits.len(), 1);
}

#[tokio::test]
async fn a_submit_that_was_answered_while_the_process_stood_still_is_in_no_doubt() {
    let (tap, mut holdline) = before_a_gateway(Duration::ZERO, ms(1)).await;
    holdline.keys.push(("SUBMIT__TIMEOUT", "600ms".to_owned()));
    holdline.start().await;
    let mut line = payment(&holdline, "late=300").open().await;
    is_submitted(&tap, 1).await;
    holdline.signal("-STOP");
    tokio::time::sleep(ms(1200)).await;
    holdline.signal("-CONT");
    line.answer().await.is_gateway(200);
}

/// A dozen payments in every phase: told, at rest, polled, submitted, begun, and not yet read.
#[tokio::test]
async fn whatever_was_under_way_as_the_process_stood_still_ends_as_if_it_had_not() {
    const EACH: usize = 12;
    let (tap, mut holdline) = before_a_gateway(ms(20), ms(100)).await;
    holdline.keys.push(("SUBMIT__START", "10s".to_owned()));
    holdline.keys.push(("SUBMIT__TIMEOUT", "2s".to_owned()));
    holdline
        .keys
        .push(("UPSTREAM__ANSWER_TIMEOUT", "5s".to_owned()));
    holdline.start().await;
    let group = |name: &str, words: &str| -> Vec<Asking> {
        let asking = payment(&holdline, words);
        let number = |it| asking.clone().tracking(&format!("{name}-{it}"));
        (0..EACH).map(number).collect()
    };
    let open = |group: Vec<Asking>| join_all(group.into_iter().map(Asking::open));
    let mut told = open(group("told", "")).await;
    for line in &mut told {
        line.answer().await.is_gateway(200);
    }
    let gone = open(group("at-rest", "hold")).await;
    is_submitted(&tap, 2 * EACH).await;
    gone.into_iter().for_each(Line::reset);
    let at_rest = || {
        tap.gateway.finish_held();
        holdline.said().matches("\"outcome\":\"completed\"").count() == 2 * EACH
    };
    until("their answers are kept", at_rest).await;
    let mut lines = open(group("polled", "hold")).await;
    let held = || tap.gateway.ledger().tasks.len() == 3 * EACH;
    until("they are accepted", held).await;
    lines.extend(open(group("submitted", "late=500")).await);
    is_submitted(&tap, 4 * EACH).await;
    lines.extend(open(group("begun", "")).await);
    holdline.signal("-STOP");
    lines.extend(open(group("unread", "")).await);
    tap.gateway.finish_held();
    tokio::time::sleep(ms(3000)).await;
    let before = tap.gateway.ledger();
    holdline.signal("-CONT");
    for line in &mut lines {
        line.answer().await.is_gateway(200);
    }
    for asking in group("at-rest", "hold") {
        asking.send().await.is_gateway(200);
    }
    let ledger = tap.gateway.ledger();
    assert_eq!(
        (ledger.submits.len(), ledger.charges.len()),
        (6 * EACH, 6 * EACH)
    );
    for task in &ledger.tasks {
        assert_eq!(
            (task.overlapping_polls, task.polls_after_result),
            (0, 0),
            "{task:?}"
        );
        let was_taken = before.task(&task.request_id);
        let more = was_taken.map_or(0, |it| task.polls.len() - it.polls.len());
        // A poll that was under way as it stood still may have been answered before the task ended.
        assert!(more <= 2, "{more} more polls: {task:?}");
    }
}

#[tokio::test]
async fn a_process_that_falls_leaves_no_core_file() {
    let gateway = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
    let mut holdline = Holdline::before(gateway);
    // Whoever starts it allows core files of any size.
    holdline.by = vec!["prlimit".to_owned(), "--core=unlimited".to_owned()];
    holdline.start().await;
    let limits = fs::read_to_string(format!("/proc/{}/limits", holdline.id())).unwrap();
    let core = limits
        .lines()
        .find(|it| it.starts_with("Max core file size"));
    let words: Vec<&str> = core.unwrap().split_ascii_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{limits}");
    holdline.signal("-ABRT");
    let status = holdline.fallen().await;
    assert_eq!((status.signal(), status.core_dumped()), (Some(6), false));
}
