//! A gateway whose ids come again, as a test gateway's do that was restarted: a new purchase has an older
//! task's id, and nothing else of it.
use std::time::Duration;

use super::world::{Answered, Ask, Setting, World, until};
use holdline::exchange::TaskAnswer;
use holdline::exchange::machine::{RecordKind, State};

const SECOND: Duration = Duration::from_secs(1);

fn first() -> Ask {
    Ask::of("order-7", 100, "", |_| ())
}

fn second(words: &str) -> Ask {
    Ask::of("order-8", 200, words, |_| ())
}

fn amount(answered: &Answered) -> u64 {
    answered.json()["transaction"]["amount"].as_u64().unwrap()
}

/// Asserts that the gateways of both worlds gave one id each, and the same.
fn has_the_same_id(before: &World, after: &World) {
    let ids = |world: &World| {
        let tasks = world.ledger().tasks;
        tasks
            .into_iter()
            .map(|task| task.request_id)
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(before), ids(after));
}

/// Asserts that the new purchase is answered by the gateway with what is its own.
async fn is_asked_for(world: &World, ask: &Ask) -> Answered {
    let answered = world.pay(ask).await.answer();
    assert_eq!(amount(&answered), 200);
    assert_eq!(world.ledger().tasks[0].result_reads, 1);
    answered
}

#[tokio::test(start_paused = true)]
async fn a_new_purchase_is_not_told_what_an_ended_one_was() {
    for key in [None, Some("other")] {
        let world = World::calm();
        world
            .pay(&first().with_key("k"))
            .await
            .answer()
            .settle(true);
        world.pass(SECOND).await;
        let next = world.with_the_gateway_anew();
        let mut ask = second("");
        ask.key = key.map(str::to_owned);
        is_asked_for(&next, &ask).await.settle(true);
        has_the_same_id(&world, &next);
        // What the ended one was is still its repeat's.
        next.pass(SECOND).await;
        let again = next.pay(&first().with_key("k")).await.answer();
        assert_eq!((again.replayed, amount(&again)), (true, 100));
        next.is_empty().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_purchase_is_not_told_what_an_ended_one_left_on_disk() {
    let mut setting = Setting::default();
    setting.results.max_bytes = 0;
    let world = World::new(&setting);
    world.pay(&first()).await.answer().settle(true);
    world.is_empty().await;
    let next = world.with_the_gateway_anew();
    is_asked_for(&next, &second("")).await;
    has_the_same_id(&world, &next);
}

#[tokio::test(start_paused = true)]
async fn a_new_purchase_is_not_told_what_an_earlier_process_was() {
    let world = World::calm();
    world.pay(&first()).await.answer().settle(true);
    world.pass(SECOND).await;
    let (next, _) = world.restarted(&Setting::default());
    let next = next.with_the_gateway_anew();
    is_asked_for(&next, &second("")).await;
    has_the_same_id(&world, &next);
}

#[tokio::test(start_paused = true)]
async fn a_new_purchase_and_one_whose_answer_still_waits_have_each_its_own() {
    let world = World::calm();
    let older = first().with_key("k");
    world.pay(&older).await.answer().settle(false);
    world.pass(SECOND).await;
    let next = world.with_the_gateway_anew();
    let newer = is_asked_for(&next, &second("").with_key("other")).await;
    has_the_same_id(&world, &next);
    for _ in 0..2 {
        let again = next.pay(&older).await.answer();
        assert_eq!(amount(&again), 100);
        again.settle(true);
        next.pass(SECOND).await;
    }
    newer.settle(true);
    next.pass(SECOND).await;
    for (ask, expected) in [(&older, 100), (&second("").with_key("other"), 200)] {
        assert_eq!(amount(&next.pay(ask).await.answer()), expected);
    }
    next.is_empty().await;
}

/// The gateway denies the new task for longer than the grace; its transaction is found then.
#[tokio::test(start_paused = true)]
async fn a_soft_answer_of_an_older_purchase_is_not_the_result_of_a_new_one() {
    let world = World::calm();
    let _older = world.begin(&Ask::payment("soft=406"));
    while !world.journal.kinds().contains(&RecordKind::Candidate) {
        world.pass(Duration::from_millis(10)).await;
    }
    let next = world.with_the_gateway_anew();
    let told = next.pay(&second("lag=9000")).await.answer();
    has_the_same_id(&world, &next);
    assert_eq!((told.answer.status.as_u16(), amount(&told)), (200, 200));
}

#[tokio::test(start_paused = true)]
async fn who_asks_by_hand_is_told_of_the_newest() {
    let world = World::calm();
    world.pay(&first()).await.answer().settle(true);
    world.pass(SECOND).await;
    let next = world.with_the_gateway_anew();
    let identity = next.order(&first()).identity;
    let id = world.ledger().tasks[0].request_id.parse().unwrap();
    let by_hand = || next.flights.task(identity.owner, identity.credential, &id);
    let TaskAnswer::Kept(older) = by_hand() else {
        panic!("it is kept");
    };
    let newer = next.begin(&second("delay=5000"));
    until(&newer.flight, State::Waiting).await;
    assert!(matches!(by_hand(), TaskAnswer::Running));
    until(&newer.flight, State::Undelivered).await;
    let TaskAnswer::Kept(answer) = by_hand() else {
        panic!("it is kept");
    };
    assert_ne!(answer.body, older.body);
}
