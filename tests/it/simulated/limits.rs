//! Limits: a new exchange is refused before its intent, and a repeat never.
use std::time::Duration;

use holdline::exchange::Refusal;
use holdline::exchange::machine::State;

use super::world::{Ask, Reply, Setting, World, until};

fn limited(change: impl FnOnce(&mut holdline::exchange::Config)) -> World {
    let mut setting = Setting::default();
    change(&mut setting.exchange);
    World::new(&setting)
}

/// `ask` is refused for `why`, leaves no trace, and the repeat of `running` is let in.
async fn refuses(world: &World, ask: &Ask, why: Refusal, running: &Ask) {
    let (records, census) = (world.journal.entries().len(), world.flights.census());
    let reply = world.pay(ask).await;
    assert!(
        matches!(reply, Reply::NotAdmitted(it) if it == why),
        "{reply:?}"
    );
    assert_eq!(world.journal.entries().len(), records, "no intent");
    assert_eq!(world.flights.census(), census);
    assert!(world.begin(running).joined);
}

fn ask(name: &str) -> Ask {
    Ask::of(name, 100, "delay=5000", |_| ())
}

#[tokio::test(start_paused = true)]
async fn running_exchanges_are_limited() {
    let world = limited(|limits| limits.running = 1);
    let held = world.begin(&ask("a"));
    refuses(&world, &ask("b"), Refusal::Running, &ask("a")).await;
    until(&held.flight, State::Undelivered).await;
    world.pay(&ask("b")).await.answer().settle(true);
}

#[tokio::test(start_paused = true)]
async fn the_exchanges_of_one_shop_are_limited() {
    let world = limited(|limits| limits.per_owner = 1);
    let _held = world.begin(&ask("a"));
    refuses(&world, &ask("b"), Refusal::Owner, &ask("a")).await;
    refuses(&world, &ask("b").by("1:other"), Refusal::Owner, &ask("a")).await;
    world.pay(&ask("b").by("2:two")).await.answer().settle(true);
    world.pay(&ask("a")).await.answer().settle(true);
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn undelivered_answers_are_limited() {
    let world = limited(|limits| limits.undelivered = 1);
    world.pay(&ask("a")).await.answer().settle(false);
    world.pass(Duration::from_secs(1)).await;
    refuses(&world, &ask("b"), Refusal::Undelivered, &ask("a")).await;
    world.pay(&ask("a")).await.answer().settle(true);
    world.pass(Duration::from_secs(1)).await;
    world.pay(&ask("b")).await.answer().settle(true);
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn facts_are_limited_for_requests_with_a_key() {
    let world = limited(|limits| limits.facts = 1);
    let keyed = ask("a").with_key("a");
    world.pay(&keyed).await.answer().settle(true);
    world.is_empty().await;
    let reply = world.pay(&ask("b").with_key("b")).await;
    assert!(
        matches!(reply, Reply::NotAdmitted(Refusal::Facts)),
        "{reply:?}"
    );
    assert!(world.pay(&keyed).await.answer().replayed);
    world.pay(&ask("b")).await.answer().settle(true);
    world.pass(Duration::from_hours(24)).await;
    world
        .pay(&ask("b").with_key("b"))
        .await
        .answer()
        .settle(true);
}

#[tokio::test(start_paused = true)]
async fn without_a_place_a_request_joins_and_starts_nothing() {
    let world = World::calm();
    let without = |name: &str| Ask {
        has_place: false,
        ..ask(name)
    };
    let _held = world.begin(&ask("a"));
    refuses(&world, &without("b"), Refusal::Held, &ask("a")).await;
    assert!(matches!(world.pay(&without("a")).await, Reply::InProgress));
    world.pay(&ask("a")).await.answer().settle(true);
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_takes_no_intent_refuses_before_it_is_asked_for_one() {
    for why in [Refusal::JournalDown, Refusal::JournalFull] {
        let world = World::calm();
        let _held = world.begin(&ask("a"));
        world.pass(Duration::from_secs(1)).await;
        world.journal.allow(Err(why));
        refuses(&world, &ask("b"), why, &ask("a")).await;
        world.pay(&ask("a")).await.answer().settle(true);
        world.journal.allow(Ok(()));
        world.pay(&ask("b")).await.answer().settle(true);
        world.is_empty().await;
    }
}
