//! `kill -9` at the N-th system call between the start and the answer of one payment.
//! `HOLDLINE_CRASH_EVERY=1` tries every call, without it every so many-th is tried.
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use futures_util::future::{join, join_all};
use holdline::simulator::{Gateway, Latency, Settings, Shop, TaskRepeat};
use holdline::timing::Clock;

use super::buyer::{Buyer, Harness, World};
use super::holdline::Holdline;
use super::judge::{Evidence, Outage, ends};
use super::pace::Pace;
use super::plan::Intent;
use super::runs::{lines, number};
use super::tracer::is_there;
use crate::chaos::judge::Rule;
use crate::chaos::wire;
use crate::stage::bench::{ms, until};
use crate::stage::tap::Tap;

/// So many runs are side by side.
const AT_ONCE: usize = 4;
/// Where nothing else is said so many calls are tried, spread over all.
const USUALLY: usize = 24;
/// The distance of the calls that are tried.
const EVERY: &str = "HOLDLINE_CRASH_EVERY";

/// What a run came to.
struct Crashed {
    evidence: Evidence,
    /// False if there was no such call, so that the process lived on.
    died: bool,
    /// What strace saw.
    calls: String,
}

fn intent() -> Intent {
    Intent {
        tracking_id: "order-0".to_owned(),
        words: "",
        amount: 100,
        shop: ("1", "one"),
        key: None,
        rounds: 1,
        clients: 1,
    }
}

fn settings() -> Settings {
    Settings {
        shops: vec![Shop {
            id: "1".to_owned(),
            key: "one".to_owned(),
        }],
        latency: Latency::Fixed(ms(80)),
        task_repeat: TaskRepeat::Ignored,
        duplicate_window: Duration::ZERO,
        ..Settings::default()
    }
}

/// A call of a kind: the first, the second, ….
struct Call {
    name: String,
    count: usize,
}

/// One payment under strace with these words; where the process dies it is started again, and the
/// client repeats until it knows.
async fn pay(trace: &[&str], arguments: &[&str]) -> Crashed {
    let clock = Clock::start();
    let tap = Tap::before(Gateway::new(settings(), clock), clock).await;
    let mut holdline = Holdline::before(tap.address);
    holdline.arguments = arguments.iter().map(|&it| it.to_owned()).collect();
    let log = holdline.directory().join("calls");
    // The process stays our child, so that a signal to it is one to holdline.
    let strace = ["strace", "-D", "-f", "-qq", "-o", log.to_str().unwrap()];
    holdline.by = strace
        .iter()
        .chain(trace)
        .map(|&it| it.to_owned())
        .collect();
    holdline.spawn();
    let mut died = !holdline.listens().await;
    if died {
        again(&mut holdline).await;
    }
    let is_over = Cell::new(false);
    let pace = Pace::default();
    let buyer = Buyer {
        world: World {
            clock,
            address: holdline.address(),
            is_calm: Rc::new(Cell::new(true)),
            pace: pace.clone(),
            harness: Harness::Honest,
        },
        number: 0,
        client: 0,
        intent: intent(),
        rng: Rng::with_seed(0),
    };
    let buys = async {
        let told = buyer.buy().await;
        is_over.set(true);
        told
    };
    let reigns = async {
        let ended = || is_over.get() || holdline.has_ended();
        until("it dies or all is over", ended).await;
        let from = clock.now();
        if !holdline.has_ended() {
            return Vec::new();
        }
        again(&mut holdline).await;
        let until = clock.now();
        vec![Outage { from, until }]
    };
    let (told, outages) = pace.beside(clock, join(buys, reigns)).await;
    died |= !outages.is_empty();
    holdline.kill();
    let evidence = Evidence {
        intents: vec![intent()],
        told,
        ends: ends(&tap.gateway),
        ledger: tap.gateway.ledger(),
        slowest: pace.slowest(),
        calls: wire::calls(&tap.wires()),
        outages,
        resubmits: 0,
        journal: holdline.fault_of_journal(),
    };
    let calls = fs::read_to_string(log).unwrap_or_default();
    Crashed {
        evidence,
        died,
        calls,
    }
}

/// Starts it again, with nobody who kills it.
async fn again(holdline: &mut Holdline) {
    holdline.ended().await;
    holdline.by.clear();
    holdline.start().await;
}

/// Every call that a payment takes, from the start of the process on.
async fn every_call() -> Vec<Call> {
    let crashed = pay(&[], &[]).await;
    assert!(!crashed.died, "nobody kills it");
    assert!(crashed.evidence.violations().is_empty());
    // The first call is strace's own, that starts the binary.
    let begun = crashed.calls.lines().skip(1).filter_map(|line| {
        let (thread, call) = line.split_once(' ')?;
        let (name, _) = call.trim_start().split_once('(')?;
        let is_name = name
            .bytes()
            .all(|it| it.is_ascii_alphanumeric() || it == b'_');
        is_name.then(|| (thread.to_owned(), name.to_owned()))
    });
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut most: BTreeMap<String, usize> = BTreeMap::new();
    let mut calls = Vec::new();
    for (thread, name) in begun {
        // strace counts the calls of each thread for itself.
        let count = counts.entry((thread, name.clone())).or_default();
        *count += 1;
        let seen = most.entry(name.clone()).or_default();
        if *count > *seen {
            *seen = *count;
            calls.push(Call {
                name,
                count: *count,
            });
        }
    }
    calls
}

/// Kills the process at each of these calls; how many of them there were.
async fn kill_at(calls: &[&Call], arguments: &[&str]) -> Vec<(String, Crashed)> {
    let mut crashes = Vec::new();
    for some in calls.chunks(AT_ONCE) {
        let runs = some.iter().map(|call| async move {
            let (name, count) = (&call.name, call.count);
            let trace = format!("trace={name}");
            let inject = format!("inject={name}:signal=KILL:when={count}");
            let crashed = pay(&["-e", &trace, "-e", &inject], arguments).await;
            (format!("{name} {count}"), crashed)
        });
        crashes.extend(join_all(runs).await);
    }
    crashes
}

#[tokio::test]
async fn killed_at_any_call_it_charges_once_and_loses_nothing() {
    if !is_there() {
        return;
    }
    let calls = every_call().await;
    let every = number(EVERY).map_or(calls.len() / USUALLY, |every| {
        usize::try_from(every).unwrap()
    });
    let tried: Vec<&Call> = calls.iter().step_by(every.max(1)).collect();
    let crashes = kill_at(&tried, &[]).await;
    let died = crashes.iter().filter(|(_, crashed)| crashed.died).count();
    // What depends on chance, such as how often sockets are asked, may not happen again.
    assert!(died * 2 > tried.len(), "{died} of {} died", tried.len());
    for (at, crashed) in crashes {
        let violations = crashed.evidence.violations();
        assert_eq!(crashed.evidence.journal, None, "killed at {at}");
        assert!(
            violations.is_empty(),
            "killed at {at}:\n{}{}",
            crashed.evidence.story(),
            lines(&violations)
        );
    }
}

#[tokio::test]
async fn killed_after_its_submit_without_a_journal_it_charges_twice() {
    if !is_there() {
        return;
    }
    let calls = every_call().await;
    // The second half of the calls is not the start.
    let late: Vec<&Call> = calls[calls.len() / 2..].iter().collect();
    let every = late.len().div_ceil(8);
    // Which calls come after the submit is another in each run, so eight may all come before it.
    for offset in 0..every {
        let tried: Vec<&Call> = late.iter().copied().skip(offset).step_by(every).collect();
        let crashes = kill_at(&tried, &["--in-memory"]).await;
        let found = crashes.iter().any(|(_, crashed)| {
            let violations = crashed.evidence.violations();
            violations.iter().any(|it| it.rule == Rule::OneCharge)
        });
        if found {
            return;
        }
    }
    panic!("no call shows it");
}
