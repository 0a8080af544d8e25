//! A machine that boots with a time of day that is far ahead: what seems old is not forgotten, and no
//! older transaction is taken for the one that was lost.
use std::time::Duration;

use holdline::exchange::machine::{Doubt, State};

use super::submits::unfindable;
use super::world::{Ask, Reply, Setting, World, until};

const YEAR: Duration = Duration::from_hours(365 * 24);

#[tokio::test(start_paused = true)]
async fn nothing_is_forgotten_at_once() {
    let world = World::calm();
    let keyed = Ask::of("keyed", 1, "", |_| ()).with_key("k");
    let first = world.pay(&keyed).await.answer();
    first.settle(true);
    let undelivered = Ask::of("undelivered", 2, "", |_| ());
    world.pay(&undelivered).await.answer().settle(false);
    let waits = Ask::of("waits", 3, "delay=9000", |_| ());
    let held = world.begin(&waits);
    until(&held.flight, State::Waiting).await;
    let lost = Ask::of("lost", 4, "late=20000", |_| ());
    let held = world.begin(&lost);
    until(&held.flight, State::Submitting).await;
    let (next, recovered) = world.rebooted(YEAR);
    assert_eq!((recovered.facts, recovered.undelivered), (1, 1));
    assert_eq!((recovered.waiting, recovered.in_doubt), (1, 1));
    next.pass(Duration::from_hours(1)).await;
    for ask in [keyed, undelivered, waits, lost] {
        next.pay(&ask).await.answer().settle(true);
    }
    assert_eq!(world.ledger().submits.len(), 4);
    // What this process runs counts.
    next.pass(Duration::from_hours(24)).await;
    next.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_delivered_after_it_is_remembered_from_then_on() {
    let world = World::calm();
    let ask = Ask::payment("").with_key("k");
    world.pay(&ask).await.answer().settle(false);
    world.pass(Duration::from_secs(1)).await;
    let (next, _) = world.rebooted(YEAR);
    next.pay(&ask).await.answer().settle(true);
    next.is_empty().await;
    assert!(next.pay(&ask).await.answer().replayed);
    assert_eq!(world.ledger().submits.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_older_transaction_is_not_taken_for_the_one_that_was_lost() {
    for (minutes, ahead) in [
        (9, Duration::ZERO),
        (9, YEAR),
        (3, Duration::ZERO),
        (3, YEAR),
    ] {
        let world = World::calm();
        let older = Ask::payment("older");
        world.pay(&older).await.answer().settle(true);
        world.pass(Duration::from_mins(minutes)).await;
        let ask = Ask::payment("lost bad-gateway").held_for(Duration::from_secs(70));
        let held = world.begin(&ask);
        until(&held.flight, State::Asking).await;
        let (next, _) = world.rebooted(ahead);
        assert!(matches!(next.pay(&ask).await, Reply::InDoubt(_)));
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_is_found_though_the_clock_is_ahead_of_the_gateways() {
    let world = World::calm();
    let (ahead, _) = world.rebooted(Duration::from_mins(3));
    let ask = Ask::payment("late=20000");
    let held = ahead.begin(&ask);
    until(&held.flight, State::Submitting).await;
    let (next, _) = ahead.rebooted(Duration::ZERO);
    next.pay(&ask).await.answer();
    assert_eq!(world.ledger().submits.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_later_transaction_is_not_taken_where_the_clock_was_behind_when_it_was_made() {
    let world = World::calm();
    let lost = Ask::payment("lost bad-gateway").held_for(Duration::from_secs(70));
    assert!(matches!(world.pay(&lost).await, Reply::InDoubt(_)));
    let right = world.time_of_day();
    let (behind, _) = world.rebooted_at(Duration::from_secs(1));
    let other = Ask::payment("other");
    behind.pay(&other).await.answer().settle(true);
    behind.pass(Duration::from_secs(1)).await;
    let (next, _) = behind.rebooted_at(right + Duration::from_mins(1));
    assert!(matches!(next.pay(&lost).await, Reply::InDoubt(_)));
}

/// A clock that anybody can set does not tell how old its key is.
#[tokio::test(start_paused = true)]
async fn a_submit_of_an_earlier_boot_is_not_repeated() {
    let mut setting = Setting::default();
    setting.exchange.resubmits = 1;
    let world = World::new(&setting);
    let ask = unfindable("late=100000");
    let held = world.begin(&ask);
    until(&held.flight, State::Submitting).await;
    let (booted, _) = world.rebooted(Duration::ZERO);
    let (next, _) = booted.restarted(&setting);
    assert_eq!(next.pay(&ask).await.doubt(), Doubt::Restart);
    assert_eq!(world.ledger().submits.len(), 1);
}
