//! Room, descriptors and memory run out: what is new is refused before its intent, and what runs goes
//! on.
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use holdline::simulator::{Gateway, Latency, Settings};
use holdline::timing::Clock;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::killed::holdline::Holdline;
use crate::stage::asking::{Asking, Line};
use crate::stage::bench::{Bench, holdline, ms, simulator, until};
use crate::stage::scripted::{Script, accepted, json, processing, raw, script};
use crate::stage::tap::Tap;

/// A payment with a body of about 100 KiB.
fn large(bench: &Bench, tracking_id: &str) -> Asking {
    let note = format!("\"note\":\"{}\",", "x".repeat(100 * 1024));
    bench.pay(tracking_id).members(&note)
}

fn chunked(asking: Asking) -> Asking {
    let body = asking.body_bytes();
    let size = format!("{:x}\r\n", body.len()).into_bytes();
    let body = [&size, &body[..], b"\r\n0\r\n\r\n"].concat();
    asking.field("Transfer-Encoding", "chunked").body(body)
}

#[tokio::test]
async fn where_bodies_have_no_room_a_new_one_is_refused_and_a_repeat_is_known_all_the_same() {
    let says = |heard: &crate::stage::scripted::Heard| match heard.method.as_str() {
        // The first payment's submit is never answered, so its body stays.
        "POST" if heard.body.windows(9).any(|it| it == b"\"hanging\"") => raw("").hanging(),
        "POST" => accepted(),
        _ if heard.is_poll() => processing(),
        _ => json(200, r#"{"transactions":[]}"#),
    };
    let setup = holdline().gateway(script(says));
    let setup = setup.configure(|config| config.proxy.bodies = 150 * 1024);
    let bench = setup.start().await;
    // What the gateway has taken needs no room any more.
    let mut lines = Vec::new();
    for number in 1..=3 {
        let asking = large(&bench, &format!("taken-{number}"));
        lines.push(asking.open().await);
        let polls = |bench: &Bench| bench.heard().iter().filter(|it| it.is_poll()).count();
        let before = polls(&bench);
        until("it is polled", || {
            bench.submits_heard_so_far() == number && polls(&bench) > before
        })
        .await;
    }
    let _held = large(&bench, "hanging").open().await;
    until("it is submitted", || bench.submits_heard_so_far() == 4).await;
    let taken = large(&bench, "hanging").body_bytes().len() - 16 * 1024;
    bench
        .metric(&format!("holdline_bodies_bytes {taken}\n"))
        .await;
    bench.metric("holdline_bodies_turned_away_total 0\n").await;

    for asking in [large(&bench, "new"), large(&bench, "new").key("k")] {
        asking.send().await.is_refusal(503);
    }
    // What is known runs; what cannot be told apart may run.
    let repeat = large(&bench, "hanging").send().await;
    repeat.is_in_progress();
    for known in ["exchange", "idempotency_key", "submitted_at"] {
        assert!(repeat.json()[known].is_string(), "{known}: {repeat:?}");
    }
    let rotated = large(&bench, "hanging").of_shop("361", crate::stage::bench::ROTATED_KEY);
    rotated.send().await.is_in_doubt();
    chunked(large(&bench, "new")).send().await.is_in_doubt();
    assert_eq!(bench.submits_heard_so_far(), 4, "nothing of them was sent");
    bench.metric("holdline_bodies_turned_away_total 5\n").await;
    // Ordinary bodies need no room, and their repeats join.
    let _small = bench.pay("small").open().await;
    let _again = bench.pay("small").open().await;
    bench.metric("holdline_joined_total 1").await;
    assert_eq!(bench.submits_heard_so_far(), 5);
}

/// Takes every task under an id of its own, runs the second for ever and the first until it is said to be
/// over; a submit that hangs is never answered.
fn second_runs(first_is_over: &Arc<AtomicBool>) -> Script {
    let (is_over, submits) = (Arc::clone(first_is_over), AtomicUsize::new(0));
    script(move |heard| match heard.method.as_str() {
        "POST" if heard.body.windows(9).any(|it| it == b"\"hanging\"") => raw("").hanging(),
        "POST" => {
            let id = submits.fetch_add(1, Ordering::Relaxed) + 1;
            let url = format!("/async/result/t-{id}");
            let receipt = format!(
                r#"{{"status":"processing","request_id":"t-{id}","status_url":"{url}","response_url":"{url}"}}"#
            );
            json(200, &receipt)
        }
        _ if heard.is_poll() => {
            let id = heard.path.rsplit('/').next().unwrap_or_default();
            if id == "t-2" || id == "t-1" && !is_over.load(Ordering::Relaxed) {
                let runs = format!(r#"{{"status":"processing","request_id":"{id}"}}"#);
                return json(425, &runs);
            }
            let result = format!(r#"{{"transaction":{{"uid":"u-{id}","status":"successful"}}}}"#);
            json(200, &result)
        }
        _ => json(200, r#"{"transactions":[]}"#),
    })
}

#[tokio::test]
async fn where_bodies_have_no_room_and_nothing_is_remembered_nothing_was_submitted() {
    let setup = holdline().configure(|config| config.proxy.bodies = 1024);
    let bench = setup.start().await;
    for asking in [large(&bench, "new"), chunked(large(&bench, "new"))] {
        asking.send().await.is_refusal(503);
    }
    assert_eq!(bench.ledger().connections, 0);
}

#[tokio::test]
async fn where_bodies_have_no_room_what_stands_beside_and_what_was_paid_is_known_too() {
    let first_is_over = Arc::new(AtomicBool::new(false));
    let setup = holdline().gateway(second_runs(&first_is_over));
    let setup = setup.configure(|config| config.proxy.bodies = 150 * 1024);
    let bench = setup.start().await;
    let twin = || large(&bench, "twin").members("\"duplicate_check\":false,");
    let paid = || large(&bench, "paid").key("k");
    let mut first = twin().open().await;
    until("it is submitted", || bench.submits_heard_so_far() == 1).await;
    let _second = twin().open().await;
    until("it stands beside", || bench.submits_heard_so_far() == 2).await;
    first_is_over.store(true, Ordering::Relaxed);
    first.answer().await.is_gateway(200);
    paid().send().await.is_gateway(200);
    until("the second runs alone", || bench.exchanges() == (1, 0)).await;
    let _held = large(&bench, "hanging").open().await;
    until("nothing has room", || bench.submits_heard_so_far() == 4).await;

    twin().send().await.is_in_progress();
    let rotated = || crate::stage::bench::ROTATED_KEY;
    twin().of_shop("361", rotated()).send().await.is_in_doubt();
    paid().send().await.is_ours(504, "F.1000", "completed");
    paid().of_shop("361", rotated()).send().await.is_in_doubt();
    large(&bench, "new").send().await.is_refusal(503);
    assert_eq!(bench.submits_heard_so_far(), 4, "nothing of them was sent");
}

#[tokio::test]
async fn relayed_requests_and_reads_that_hang_leave_connections_to_the_polls_of_payments() {
    let gateway = || {
        script(|heard| match heard.method.as_str() {
            "POST" if heard.is_submit() => accepted(),
            _ if heard.path.ends_with("/products") || heard.path.ends_with("/1-a") => {
                raw("").hanging()
            }
            _ => json(200, r#"{"transaction":{"uid":"u","status":"successful"}}"#),
        })
    };
    for (path, heard_as) in [
        ("/products", "/products"),
        ("/transactions/1-a", "/async/transactions/1-a"),
    ] {
        let setup = holdline().gateway(gateway());
        let setup = setup.configure(|config| config.upstream.connections = 8);
        let bench = setup.start().await;
        let mut hanging = Vec::new();
        for _ in 0..8 {
            hanging.push(bench.get(path).open().await);
        }
        until("a quarter of the connections hang", || {
            bench.heard().len() == 2
        })
        .await;
        bench.pay("a").send().await.is_gateway(200);
        bench.settled().await;
        let heard = bench.heard();
        let others = heard.iter().filter(|it| it.path == heard_as);
        assert_eq!(others.count(), 2);
    }
}

#[tokio::test]
async fn bodies_that_trickle_into_relayed_requests_leave_connections_to_reads() {
    let gateway = script(|heard| match heard.method.as_str() {
        "GET" if heard.path == "/async/transactions/1-a" => accepted(),
        _ if heard.is_poll() => json(200, r#"{"transaction":{"uid":"1-a"}}"#),
        _ => raw("").hanging(),
    });
    let setup = holdline().gateway(gateway);
    let setup = setup.configure(|config| config.upstream.connections = 8);
    let bench = setup.start().await;
    let mut trickling = Vec::new();
    let head = "POST /products HTTP/1.1\r\nHost: gateway\r\nContent-Length: 100000\r\n\r\nx";
    for _ in 0..8 {
        let mut line = Line::connect(bench.address).await;
        line.send(head.as_bytes()).await;
        trickling.push(line);
    }
    bench.metric("holdline_relayed_total 8\n").await;
    let read = bench.get("/transactions/1-a").send();
    read.await.is_gateway(200);
}

#[tokio::test]
async fn small_bodies_that_trickle_have_no_turn_and_nobody_waits_long_for_those_of_large_ones() {
    let gateway = script(|heard| match heard.method.as_str() {
        "GET" => json(200, "{}"),
        _ => raw("").hanging(),
    });
    let setup = holdline().gateway(gateway).configure(|config| {
        config.proxy.hold = Duration::from_mins(5);
        config.upstream.connections = 8;
        config.upstream.answer_timeout = ms(100);
    });
    let bench = setup.start().await;
    let asked = async || {
        let asked = bench.get("/products");
        timeout(Duration::from_secs(10), asked.send())
            .await
            .expect("it waits")
    };
    let mut trickling = Vec::new();
    let mut trickle = async |length: usize| {
        for _ in 0..8 {
            let mut line = Line::connect(bench.address).await;
            let head = "POST /products HTTP/1.1\r\nHost: gateway\r\nContent-Length:";
            line.send(format!("{head} {length}\r\n\r\nx").as_bytes())
                .await;
            trickling.push(line);
        }
    };
    trickle(16 * 1024).await;
    bench.metric("holdline_relayed_total 8\n").await;
    assert_eq!(asked().await.status, 200);
    trickle(16 * 1024 + 1).await;
    bench.metric("holdline_relayed_total 17\n").await;
    let refused = asked().await;
    let words = "No connection to the gateway was free. The request was not sent.";
    refused.is_refusal(502);
    assert!(refused.text().contains(words), "{refused:?}");
}

/// Of reads that nobody answers some wait in vain until there is no time for them either.
#[tokio::test]
async fn a_read_without_a_connection_is_told_so_and_not_relayed() {
    let gateway = script(|heard| match heard.path.as_str() {
        "/async/transactions/1-a" => raw("").hanging(),
        _ => json(200, r#"{"transaction":{"uid":"1-a"}}"#),
    });
    let setup = holdline().gateway(gateway).configure(|config| {
        config.upstream.connections = 4;
        config.upstream.answer_timeout = ms(400);
    });
    let bench = setup.start().await;
    let mut reading = JoinSet::new();
    for _ in 0..10 {
        let read = bench.get("/transactions/1-a");
        reading.spawn(async move { read.send().await.status });
    }
    let statuses = reading.join_all().await;
    let count = |status: u16| statuses.iter().filter(|it| **it == status).count();
    let (relayed, refused) = (count(200), count(502));
    assert!(refused > 0 && relayed + refused == 10, "{statuses:?}");
    let heard = bench.heard();
    let plain = heard.iter().filter(|it| it.path == "/transactions/1-a");
    assert_eq!(plain.count(), relayed);
}

#[tokio::test]
async fn where_answers_wait_in_too_much_memory_a_new_payment_is_refused_and_a_repeat_is_not() {
    let setup = holdline().gateway(simulator().latency(ms(50)));
    let setup = setup.configure(|config| config.exchange.answers = 1);
    let bench = setup.start().await;
    bench.pay("left").open().await.reset();
    bench.at_rest().await;
    bench.pay("new").send().await.is_refusal(503);
    bench.submits_of("new").is(0);
    bench.pay("left").send().await.is_gateway(200);
    bench.settled().await;
    bench.pay("new").send().await.is_gateway(200);
}

/// A built holdline under limits of the system, before a simulated gateway.
async fn limited_by(limit: &str) -> (Tap, Holdline) {
    let clock = Clock::start();
    let settings = Settings {
        latency: Latency::Fixed(ms(300)),
        duplicate_window: Duration::ZERO,
        ..Settings::default()
    };
    let tap = Tap::before(Gateway::new(settings, clock), clock).await;
    let mut holdline = Holdline::before(tap.address);
    holdline.by = vec!["prlimit".to_owned(), limit.to_owned()];
    holdline.keys.push(("HOLD__TIMEOUT", "10s".to_owned()));
    holdline.keys.push(("SUBMIT__START", "5s".to_owned()));
    holdline
        .keys
        .push(("UPSTREAM__CONNECT_TIMEOUT", "5s".to_owned()));
    holdline.start().await;
    (tap, holdline)
}

fn pay(address: SocketAddr, number: usize) -> Asking {
    let asking = Asking::new(address, "POST", "/transactions/payments");
    asking.tracking(&format!("number-{number}"))
}

/// Everybody is answered by the gateway, or told that nothing was sent and the ledger says so too.
async fn all_at_once(tap: &Tap, asked: Vec<Asking>) -> usize {
    let mut asking = JoinSet::new();
    for (number, ask) in asked.into_iter().enumerate() {
        asking.spawn(async move { (number, ask.send().await) });
    }
    let mut paid = 0;
    while let Some(answered) = asking.join_next().await {
        let (number, answer) = answered.unwrap();
        let charges = tap
            .gateway
            .ledger()
            .charges_of(&format!("number-{number}"))
            .count();
        match answer.status {
            200 => assert_eq!(charges, 1, "{answer:?}"),
            status => {
                answer.is_refusal(status);
                assert_eq!(charges, 0, "{answer:?}");
            }
        }
        paid += usize::from(answer.status == 200);
    }
    paid
}

#[tokio::test]
async fn with_64_descriptors_everybody_is_answered_or_refused_and_the_next_one_is_served() {
    let (tap, holdline) = limited_by("--nofile=64:64").await;
    let address = holdline.address();
    let paid = all_at_once(&tap, (0..300).map(|it| pay(address, it)).collect()).await;
    assert!(paid > 0);
    pay(address, 1000).send().await.is_gateway(200);
    assert!(
        tap.gateway
            .ledger()
            .tasks
            .iter()
            .all(|it| it.overlapping_polls == 0)
    );
}

/// The most memory that a process ever had, in KiB (proc(5)).
fn peak(holdline: &Holdline) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", holdline.id())).unwrap();
    let line = status.lines().find(|it| it.starts_with("VmHWM:")).unwrap();
    line.split_ascii_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

/// 150 MiB come at once, and the gateway takes nothing from anybody.
#[tokio::test]
async fn large_bodies_at_once_take_no_more_memory_than_they_may() {
    let gateway = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut holdline = Holdline::before(gateway.local_addr().unwrap());
    holdline.keys.push(("LIMITS__BODIES", "8MiB".to_owned()));
    holdline.start().await;
    let address = holdline.address();
    pay(address, 0).send().await.is_in_doubt();
    let before = peak(&holdline);
    let note = format!("\"note\":\"{}\",", "x".repeat(750 * 1024));
    let mut asking = JoinSet::new();
    for number in 1..=200 {
        let ask = pay(address, number).members(&note);
        asking.spawn(async move { ask.send().await.status });
    }
    let statuses = asking.join_all().await;
    let count = |status: u16| statuses.iter().filter(|it| **it == status).count();
    let (refused, in_time) = (count(503), count(504) + count(502));
    assert_eq!(refused + in_time, 200, "{statuses:?}");
    assert!(refused > 100 && count(504) > 0, "{statuses:?}");
    let grown = peak(&holdline) - before;
    assert!(grown < 80 * 1024, "{grown} KiB more than {before} KiB");
}
