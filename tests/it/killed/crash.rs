//! `kill -9` at the N-th system call between the start and the answer of one payment.
//! `HOLDLINE_CRASH_EVERY=1` tries every call, without it every so many-th is tried.
use std::cell::Cell;
use std::rc::Rc;

use fastrand::Rng;
use futures_util::future::{join, join_all};
use holdline::simulator::{Gateway, Latency, Settings, Shop, TaskRepeat};
use holdline::timing::Clock;

use super::buyer::{Buyer, Harness, Said, World};
use super::holdline::Holdline;
use super::judge::{Evidence, Outage};
use super::plan::Intent;
use super::runs::{lines, number};
use super::tap::Tap;
use super::tracer::{SYNCS, WRITES, is_there};
use crate::app::bench::{ms, until};
use crate::chaos::wire;

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
        duplicate_window: std::time::Duration::ZERO,
        ..Settings::default()
    }
}

/// One payment, and the process dies at the call that `inject` names; then it is started again and
/// the client repeats until it knows.
async fn crash(trace: &[String], arguments: &[&str]) -> Crashed {
    let clock = Clock::start();
    let tap = Tap::before(Gateway::new(settings(), clock), clock).await;
    let mut holdline = Holdline::before(tap.address);
    holdline.arguments = arguments.iter().map(|&it| it.to_owned()).collect();
    let plain = ["strace", "-f", "-qq", "-o"].map(str::to_owned).to_vec();
    let log = holdline.directory().join("calls");
    let file = holdline.journal().to_str().unwrap().to_owned();
    let trace = trace.iter().map(|word| word.replace("JOURNAL", &file));
    holdline.by = [plain, vec![log.to_str().unwrap().to_owned()], trace.collect()].concat();
    holdline.spawn();
    let mut died = !holdline.listens().await;
    if died {
        holdline.again().await;
    }
    let is_over = Cell::new(false);
    let buyer = Buyer {
        world: World {
            clock,
            address: holdline.address(),
            is_calm: Rc::new(Cell::new(true)),
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
        let mut outages = Vec::new();
        until("it dies or all is over", || is_over.get() || holdline.has_ended()).await;
        if holdline.has_ended() {
            let from = clock.now();
            holdline.again().await;
            let until = clock.now();
            outages.push(Outage { from, until });
        }
        outages
    };
    let (told, outages) = join(buys, reigns).await;
    died |= !outages.is_empty();
    holdline.end().await;
    let evidence = Evidence {
        intents: vec![intent()],
        told,
        ledger: tap.gateway.ledger(),
        calls: wire::calls(&tap.wires()),
        outages,
        resubmits: 0,
    };
    Crashed { evidence, died }
}
