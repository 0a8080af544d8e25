//! A gateway that takes so many polls a second, and so many connections: what is beyond that waits.
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{join, join_all, join3};
use holdline::exchange::{Credentials, Read, ReadOutcome, ReadPolicy};
use holdline::message::{Body, StoredResponse};
use holdline::polling::{self, Backoff, ScheduleKind};
use holdline::protocol::{BEGATEWAY, Route};
use holdline::simulator::Latency;
use holdline::timing::Moment;
use holdline::upstream;
use http::header::AUTHORIZATION;
use http::{Method, Request};

use super::world::{Ask, HOLD, Reply, Setting, World};

const SECOND: Duration = Duration::from_secs(1);
/// What the gateway takes a second.
const LIMIT: usize = 5;
const PAYMENTS: u64 = 40;

const BALANCE: &[u8] = br#"{"request":{"currency":"USD"}}"#;

fn world(schedule: ScheduleKind) -> World {
    let mut setting = Setting::default();
    setting.polling.schedule = schedule;
    setting.polling.max_per_second = u32::try_from(LIMIT).unwrap();
    setting.gateway.latency = Latency::LogNormal {
        median: 2 * SECOND,
        sigma: 0.7,
    };
    World::new(&setting)
}

fn asks(words: &str) -> Vec<Ask> {
    let asks =
        (0..PAYMENTS).map(|number| Ask::of(&number.to_string(), 100 + number, words, |_| ()));
    asks.collect()
}

async fn pay(world: &World, asks: &[Ask]) -> Vec<Reply> {
    let replies = join_all(asks.iter().map(|ask| world.pay(ask))).await;
    for reply in &replies {
        if let Reply::Answer(answered) = reply {
            answered.settle(true);
        }
    }
    replies
}

/// Asks for the balance as the proxy does, and waits for the answer as long as it is held.
async fn read(world: &World, words: &str, hold: Duration) -> Option<StoredResponse> {
    let Route::Converted(conversion) = BEGATEWAY.route(&Method::POST, "/balance") else {
        panic!("a balance query converts");
    };
    let request = Request::post("/async/balance")
        .header(AUTHORIZATION, Ask::payment("").authorization())
        .header("x-api-version", "2")
        .header("simulate", words)
        .body(Body::from(Bytes::from_static(BALANCE)))
        .unwrap();
    let read = Read {
        gateway: Arc::clone(&world.upstream),
        conversion,
        credentials: Credentials::of(request.headers(), &BEGATEWAY.shape_fields).unwrap(),
        request,
        hold_until: world.clock.now() + hold,
    };
    let policy = ReadPolicy {
        schedules: world.schedules.clone(),
        backoff: Backoff::new(&polling::Config::default()),
        unknown_grace: SECOND,
    };
    match tokio::time::timeout(hold, read.run(policy, world.clock)).await {
        Ok(ReadOutcome::Answer(answer)) => Some(answer),
        Ok(ReadOutcome::NotAsynchronous | ReadOutcome::Crowded | ReadOutcome::Failed) | Err(_) => {
            None
        }
    }
}

/// When polls came, the earliest first. Fails if more came within a second than the gateway takes.
fn polled(world: &World) -> Vec<Moment> {
    let tasks = world.ledger().tasks;
    let polls = tasks.iter().flat_map(|task| &task.polls);
    let mut polled: Vec<Moment> = polls.map(|poll| poll.at).collect();
    polled.sort();
    for span in polled.windows(LIMIT + 1) {
        assert!(span[LIMIT].since(span[0]) >= SECOND, "{span:?}");
    }
    polled
}

#[tokio::test(start_paused = true)]
async fn no_second_has_more_polls_than_the_gateway_takes_and_every_client_is_answered() {
    for schedule in [
        ScheduleKind::Fixed,
        ScheduleKind::Exponential,
        ScheduleKind::Learned,
    ] {
        let world = world(schedule);
        for reply in pay(&world, &asks("")).await {
            reply.answer();
        }
        let polled = polled(&world);
        // All of them began at once, so there was no room to spare until few were left.
        let first = polled[..40].to_vec();
        assert!(first[39].since(first[0]) < 9 * SECOND, "{schedule:?}");
        world.is_empty().await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_when_the_holds_of_many_have_ended_does_not_wait_behind_them() {
    for schedule in [
        ScheduleKind::Fixed,
        ScheduleKind::Exponential,
        ScheduleKind::Learned,
    ] {
        let world = world(schedule);
        let brief =
            |name: String, amount| Ask::of(&name, amount, "delay=500", |_| ()).held_for(8 * SECOND);
        // Forty seconds of polls at the least, and nobody waits for longer than eight.
        let burst: Vec<Ask> = (0..200)
            .map(|number| brief(number.to_string(), 100 + number))
            .collect();
        pay(&world, &burst).await;
        for number in 0..10 {
            let late = brief(format!("late-{number}"), 1_000 + number);
            world.pay(&late).await.answer().settle(true);
        }
        polled(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_poll_before_the_end_of_a_hold_does_not_wait_behind_others() {
    let world = world(ScheduleKind::Learned);
    // Twenty seconds of polls are due all the time, and one client waits for six.
    let late = async {
        world.pass(2 * SECOND).await;
        let ask = Ask::of("late", 1_000, "delay=5000", |_| ()).held_for(6 * SECOND);
        world.pay(&ask).await.answer().settle(true);
    };
    join(pay(&world, &asks("delay=60000")), late).await;
    polled(&world);
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn reads_and_payments_share_the_turns_of_their_gateway() {
    for schedule in [
        ScheduleKind::Fixed,
        ScheduleKind::Exponential,
        ScheduleKind::Learned,
    ] {
        let world = world(schedule);
        let reads = (0..PAYMENTS).map(|_| read(&world, "", HOLD));
        let asks = asks("");
        let (replies, answers) = join(pay(&world, &asks), join_all(reads)).await;
        for reply in replies {
            reply.answer();
        }
        for answer in answers {
            assert_eq!(answer.expect("a balance").status, 200);
        }
        let tasks = world.ledger().tasks;
        let asked = |path: &str| tasks.iter().filter(|it| it.path == path).count() as u64;
        assert_eq!(asked("/async/balance"), PAYMENTS, "{schedule:?}");
        polled(&world);
        world.is_empty().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_not_held_much_longer_does_not_wait_behind_payments() {
    let world = world(ScheduleKind::Learned);
    let asks = asks("delay=60000");
    let late = async {
        world.pass(2 * SECOND).await;
        read(&world, "delay=5000", 6 * SECOND).await
    };
    let patient = async {
        world.pass(2 * SECOND).await;
        read(&world, "delay=5000", HOLD).await
    };
    let (_, late, patient) = join3(pay(&world, &asks), late, patient).await;
    assert_eq!(late.expect("a balance in time").status, 200);
    assert_eq!(patient.expect("a balance").status, 200);
    polled(&world);
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn tasks_that_no_client_waits_for_leave_connections_to_the_others() {
    let world = World::calm();
    world.calls_as(upstream::Config {
        connections: 4,
        ..upstream::Config::default()
    });
    let hangs = |number: u64| {
        let words = "poll-silent=3600000";
        Ask::of(&format!("gone-{number}"), 100 + number, words, |_| ()).held_for(600 * SECOND)
    };
    let asks: Vec<Ask> = (0..20).map(hangs).collect();
    let mut clients: Vec<_> = asks.iter().map(|ask| world.begin(ask)).collect();
    world.pass(60 * SECOND).await;
    // Half of them hang up; of the task of each that waits on a poll was given up.
    clients.truncate(10);
    for number in 0..10 {
        world.pass(7 * SECOND).await;
        let begun = world.clock.now();
        let held = Ask::of(&format!("held-{number}"), 1_000 + number, "", |_| ());
        world.pay(&held).await.answer().settle(true);
        let took = world.clock.now().since(begun);
        assert!(took < 3 * SECOND, "{number}: {took:?}");
    }
    drop(clients);
}
