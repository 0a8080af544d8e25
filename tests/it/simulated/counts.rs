//! What is counted and logged of an exchange, once for each, however many processes had it.
use std::time::Duration;

use super::log::Log;
use super::network::Connect;
use super::world::{Ask, Setting, World, reply, until};
use holdline::exchange::machine::{State, Verdict};
use holdline::exchange::{Answered, Group, Held, Story, What};
use holdline::polling::ScheduleKind;
use serde_json::Value;

const A_DAY: Duration = Duration::from_hours(24);

/// Counts of exchanges: by their outcomes, then answers that expired, then observed durations.
fn counts(world: &World) -> [u64; 4] {
    [
        world.metric("exchanges_total{outcome=\"in-doubt\"}"),
        world.metric("exchanges_total{outcome=\"expired\"}"),
        world.metric("undelivered_expired_total"),
        world.metric("exchange_seconds_count"),
    ]
}

/// A payment that is in doubt, since it cannot be searched for.
async fn doubtful(world: &World) {
    let ask = Ask::of("", 100, "swallow", |request| {
        request["tracking_id"] = Value::Null;
    });
    world.pay(&ask).await.doubt();
}

#[tokio::test(start_paused = true)]
async fn a_doubt_that_nobody_settles_is_counted_as_expired_whichever_process_has_it() {
    for restarts in [false, true] {
        let mut world = World::calm();
        doubtful(&world).await;
        assert_eq!(counts(&world), [1, 0, 0, 1]);
        if restarts {
            world = world.restarted(&Setting::default()).0;
            assert_eq!(counts(&world), [0; 4], "it was counted");
        }
        let log = Log::capture();
        let before = counts(&world);
        world.pass(A_DAY).await;
        world.is_empty().await;
        assert_eq!(counts(&world), [before[0], 1, 0, before[3]]);
        assert!(log.text().contains("never had its answer"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_doubt_that_was_settled_as_executed_expires_without_a_warning() {
    let world = World::calm();
    doubtful(&world).await;
    let id = world.flights.all()[0].id().to_string();
    let executed = Verdict::Executed;
    let settled = world.flights.resolve(&id, executed, "back office".into());
    settled.await.unwrap();
    let log = Log::capture();
    world.pass(A_DAY).await;
    world.is_empty().await;
    assert_eq!(counts(&world), [1, 0, 0, 1]);
    let text = log.text();
    assert!(!text.contains("WARN") && !text.contains("never"), "{text}");
    assert!(text.contains("INFO") && text.contains("expired"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_expires_after_a_restart_is_no_doubt() {
    let world = World::calm();
    world.pay(&Ask::payment("")).await.answer().settle(false);
    world.pass(Duration::from_secs(1)).await;
    let (next, _) = world.restarted(&Setting::default());
    next.pass(A_DAY).await;
    next.is_empty().await;
    assert_eq!(counts(&next), [0, 0, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_nobody_came_back_for_is_counted_as_expired() {
    let world = World::calm();
    let held = world.begin(&Ask::payment(""));
    until(&held.flight, State::Waiting).await;
    let running = ["running", "oldest_running_seconds", "interrupted"];
    let told = |world: &World| running.map(|it| world.metric(it));
    assert_eq!((told(&world)[0], told(&world)[2]), (1, 0));
    let (next, _) = world.restarted(&Setting::default());
    next.pass(Duration::from_hours(1)).await;
    assert_eq!(told(&next), [0, 0, 1]);
    assert_eq!(next.flights.all()[0].glance().group, Group::Interrupted);
    next.pass(A_DAY).await;
    next.is_empty().await;
    assert_eq!(counts(&next), [0, 1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_an_earlier_process_had_is_neither_counted_nor_logged_as_a_payment_again() {
    let world = World::calm();
    let ask = Ask::payment("").with_key("k");
    world.pay(&ask).await.answer().settle(false);
    assert_eq!(world.metric("exchanges_total{outcome=\"completed\"}"), 1);
    world.pass(Duration::from_hours(3)).await;
    let (next, _) = world.restarted(&Setting::default());
    let log = Log::capture();
    let again = next.pay(&ask).await.answer();
    assert!(again.replayed);
    again.settle(true);
    next.is_empty().await;
    assert_eq!(next.metric("exchanges_total{outcome=\"completed\"}"), 0);
    assert_eq!(counts(&next), [0; 4]);
    assert!(next.metric("replayed_total") > 0);
    assert!(!log.text().contains("ended"), "{}", log.text());
}

#[tokio::test(start_paused = true)]
async fn a_search_that_the_gateway_does_not_answer_is_warned_of_once() {
    let world = World::calm();
    world.network.next(Connect::Ready);
    world.network.plan(|| Connect::Refused);
    let log = Log::capture();
    let held = world.begin(&Ask::payment("swallow"));
    until(&held.flight, State::Doubtful).await;
    let trail = held.flight.trail();
    let searches = trail.steps().map(|(_, step)| match step.what {
        What::Answered(Answered::LookupLost, _) => step.times,
        _ => 0,
    });
    assert!(searches.sum::<u32>() > 3);
    assert_eq!(log.text().matches("searched in vain").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_verdict_is_told_however_often_its_client_repeats() {
    let world = World::calm();
    doubtful(&world).await;
    let id = world.flights.all()[0].id().to_string();
    let settled = world
        .flights
        .resolve(&id, Verdict::Executed, "back office".into());
    settled.await.unwrap();
    let said = world.flights.stories(None, &id).await;
    for _ in 0..50 {
        doubtful(&world).await;
        world.pass(Duration::from_secs(1)).await;
    }
    let later = world.flights.stories(None, &id).await;
    let word = |story: &Story| {
        assert_eq!(story.verdict.as_deref(), Some("executed"));
        assert_eq!(story.reason.as_deref(), Some("back office"));
        story.settled.clone()
    };
    assert_eq!(word(&later[0]), word(&said[0]));
}

#[tokio::test(start_paused = true)]
async fn an_answer_on_its_way_is_undelivered_only_once_it_is_known_not_to_have_arrived() {
    let world = World::calm();
    let undelivered = || world.metric("undelivered");
    let answered = world.pay(&Ask::payment("")).await.answer();
    world.pass(Duration::from_millis(500)).await;
    assert_eq!(undelivered(), 0, "it may be acknowledged yet");
    answered.settle(false);
    world.pass(Duration::from_millis(1)).await;
    assert_eq!(undelivered(), 1);
    let again = world.pay(&Ask::payment("")).await.answer();
    assert_eq!(undelivered(), 0, "a repeat takes it");
    world.pass(Duration::from_mins(2)).await;
    assert_eq!(undelivered(), 1, "nobody knows");
    again.settle(true);
    world.pass(Duration::from_millis(1)).await;
    assert_eq!(undelivered(), 0);
}

/// The poll of another exchange tells as well as an own one how long the task ran.
#[tokio::test(start_paused = true)]
async fn how_late_a_result_was_read_is_told_from_the_last_poll_that_found_its_task_running() {
    let mut setting = Setting::default();
    setting.polling.schedule = ScheduleKind::Fixed;
    setting.polling.interval = Duration::from_secs(10);
    let world = World::new(&setting);
    let begin =
        |name| world.begin(&Ask::payment(&format!("delay=15000 {name}")).with_key("shared"));
    let first = begin("one");
    world.pass(Duration::from_secs(1)).await;
    let mut second = begin("two");
    while world.metric("polls_total{answer=\"pending\"}") == 0 {
        world.pass(Duration::from_millis(10)).await;
    }
    let has_asked = |held: &Held| held.flight.progress().0 == 1;
    assert!(has_asked(&first) && !has_asked(&second));
    world.flights.stop(|it| it.id() == first.flight.id());
    let told = (&mut second.told).await.unwrap();
    assert_eq!(reply(&second, told).answer().answer.status, 200);
    assert!(has_asked(&second));
    assert_eq!(world.ledger().tasks.len(), 1);
    // Half of the time between two polls, and not of the time since the second was accepted.
    let delay = world.metric("detection_delay_seconds_sum");
    assert!((4..=6).contains(&delay), "{delay}");
}
