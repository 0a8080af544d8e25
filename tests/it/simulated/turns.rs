//! A gateway that takes so many polls a second: what is beyond that waits, whatever the schedule.
use std::time::Duration;

use futures_util::future::{join, join_all};
use holdline::polling::ScheduleKind;
use holdline::simulator::Latency;
use holdline::timing::Moment;

use super::world::{Ask, Reply, Setting, World};

const SECOND: Duration = Duration::from_secs(1);
/// What the gateway takes a second.
const LIMIT: usize = 5;
const PAYMENTS: u64 = 40;

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
