//! A process that stands still (SIGSTOP), and one that falls (SIGABRT).
use std::fs;
use std::os::unix::process::ExitStatusExt;

use holdline::simulator::{Gateway, Latency, Settings};
use holdline::timing::Clock;

use super::holdline::Holdline;
use crate::stage::asking::Asking;
use crate::stage::bench::{ms, until};
use crate::stage::tap::Tap;

/// The kernel holds what came meanwhile, and it is read before the time that passed counts.
#[tokio::test]
async fn a_result_that_is_given_once_is_not_lost_to_a_process_that_stood_still() {
    let settings = Settings {
        latency: Latency::Fixed(ms(1)),
        round_trip: ms(200),
        ..Settings::default()
    };
    let clock = Clock::start();
    let tap = Tap::before(Gateway::new(settings, clock), clock).await;
    let mut holdline = Holdline::before(tap.address);
    holdline.keys.push(("HOLD__TIMEOUT", "10s".to_owned()));
    holdline.keys.push(("SUBMIT__TIMEOUT", "10s".to_owned()));
    holdline.start().await;
    let asking = Asking::new(holdline.address(), "POST", "/transactions/payments");
    let mut line = asking.tracking("order").words("once").open().await;
    let tasks = || tap.gateway.ledger().tasks;
    until("it polls", || tasks().iter().any(|task| task.in_flight > 0)).await;
    holdline.signal("-STOP");
    until("the result is given", || tasks().iter().any(|it| it.spent)).await;
    // `upstream.answer_timeout` passes.
    tokio::time::sleep(ms(400)).await;
    holdline.signal("-CONT");
    line.answer().await.is_gateway(200);
    let ledger = tap.gateway.ledger();
    assert_eq!((ledger.submits.len(), ledger.queries.len()), (1, 0));
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
