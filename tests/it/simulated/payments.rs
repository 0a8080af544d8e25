//! Payments on their ordinary ways: answered, joined, replayed, forgotten.
use std::time::Duration;

use holdline::exchange::machine::{RecordKind as R, State};
use holdline::polling::ScheduleKind;
use serde_json::json;

use super::network::Connect;
use super::world::{Ask, Reply, Setting, World, until};

const ALMOST_A_DAY: Duration = Duration::from_mins(24 * 60 - 1);

#[tokio::test(start_paused = true)]
async fn a_payment_is_submitted_once_and_answered_in_the_gateways_words() {
    let world = World::calm();
    let answered = world.pay(&Ask::payment("")).await.answer();
    assert_eq!(answered.json()["transaction"]["status"], "successful");
    assert!(!answered.replayed);
    let ledger = world.ledger();
    assert_eq!((ledger.submits.len(), ledger.charges.len()), (1, 1));
    assert_eq!(answered.uid(), ledger.charges[0].uid);
    assert_eq!(ledger.tasks[0].polls_after_result, 0);
    answered.settle(true);
    world.is_empty().await;
    let kinds = [R::Submitted, R::Accepted, R::Completed, R::Delivered];
    assert_eq!(world.journal.kinds(), kinds);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_after_the_hold_joins_the_running_payment() {
    let world = World::calm();
    let ask = Ask::payment("delay=50000").held_for(Duration::from_secs(30));
    assert!(matches!(world.pay(&ask).await, Reply::InProgress));
    let answered = world.pay(&ask).await.answer();
    assert!(!answered.replayed, "it joined before the end");
    assert_eq!(world.ledger().submits.len(), 1);
    answered.settle(true);
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn of_two_that_joined_the_last_one_decides_what_is_delivered() {
    let world = World::calm();
    let ask = Ask::payment("");
    let (first, last) = tokio::join!(world.pay(&ask), world.pay(&ask));
    let (first, last) = (first.answer(), last.answer());
    assert_eq!(first.answer, last.answer);
    first.settle(true);
    world.pass(Duration::from_secs(1)).await;
    assert_eq!(world.flights.count(), (0, 1), "the last has not had it");
    last.settle(false);
    let again = world.pay(&ask).await.answer();
    assert!(again.replayed);
    assert_eq!(again.answer, last.answer);
    again.settle(true);
    world.is_empty().await;
    assert_eq!(world.ledger().submits.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn of_two_that_joined_the_one_that_stays_gets_the_answer() {
    let world = World::calm();
    let ask = Ask::payment("delay=5000");
    let gone = world.begin(&ask);
    let stays = world.pay(&ask);
    drop(gone);
    stays.await.answer().settle(true);
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn the_fifth_waiter_sends_the_first_away() {
    let world = World::calm();
    let ask = Ask::payment("delay=5000");
    let waiters: Vec<_> = (0..5).map(|_| world.begin(&ask)).collect();
    let mut told = Vec::new();
    for mut held in waiters {
        let told_now = (&mut held.told).await.unwrap();
        told.push(super::world::reply(&held, told_now));
    }
    assert!(matches!(told.remove(0), Reply::InProgress));
    assert!(told.iter().all(|reply| matches!(reply, Reply::Answer(_))));
}

#[tokio::test(start_paused = true)]
async fn with_a_key_the_kept_answer_is_given_for_a_day_and_then_no_more() {
    let world = World::calm();
    let ask = Ask::payment("").with_key("k");
    let first = world.pay(&ask).await.answer();
    first.settle(true);
    world.is_empty().await;
    world.pass(ALMOST_A_DAY).await;
    let kept = world.pay(&ask).await.answer();
    assert!(kept.replayed);
    assert_eq!(kept.answer, first.answer);
    world.pass(Duration::from_mins(1)).await;
    let anew = world.pay(&ask).await.answer();
    assert_ne!(anew.uid(), first.uid());
}

#[tokio::test(start_paused = true)]
async fn without_a_key_an_acknowledged_answer_ends_the_joining() {
    let world = World::calm();
    let ask = Ask::payment("");
    let first = world.pay(&ask).await.answer();
    first.settle(true);
    let second = world.pay(&ask).await.answer();
    assert_ne!(first.uid(), second.uid());
    second.settle(true);
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn an_unfinished_transaction_is_queried_once_it_is_delivered() {
    // Whatever the operator says of keys.
    let mut setting = Setting::default();
    setting.exchange.resubmits = 1;
    let world = World::new(&setting);
    let ask = Ask::payment("incomplete payer=60000").with_key("k");
    let first = world.pay(&ask).await.answer();
    first.settle(true);
    world.is_empty().await;
    let unfinished = world.pay(&ask).await.answer();
    assert_eq!(unfinished.answer, first.answer);
    assert!(unfinished.replayed);
    world.pass(Duration::from_mins(1)).await;
    let finished = world.pay(&ask).await.answer();
    assert_eq!(finished.uid(), first.uid());
    assert_eq!(finished.json()["transaction"]["status"], "successful");
    assert!(!finished.replayed);
    world.network.plan(|| Connect::Refused);
    world.pass(Duration::from_mins(1)).await;
    let unreached = world.pay(&ask).await.answer();
    assert_eq!(unreached.answer, finished.answer, "it is not taken back");
    assert_eq!(world.ledger().submits.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_fetches_is_forgotten_after_a_day_and_told() {
    let log = crate::simulated::log::Log::capture();
    let world = World::calm();
    let ask = Ask::payment("").with_key("k");
    world.pay(&ask).await.answer().settle(false);
    world.pass(ALMOST_A_DAY).await;
    assert!(world.pay(&ask).await.answer().replayed);
    world.pass(Duration::from_mins(1)).await;
    let told = log.text();
    let expires = |line: &&str| line.contains("never had its answer");
    let line = told.lines().find(expires).unwrap();
    for fact in ["amount=100", "currency=USD", "operation=\"payments\""] {
        assert!(line.contains(fact), "{line}");
    }
    assert_eq!(world.journal.kinds().last(), Some(&R::Closed));
    world.is_empty().await;
    assert!(!world.pay(&ask).await.answer().replayed, "it is a new one");
}

#[tokio::test(start_paused = true)]
async fn without_a_key_the_answer_waits_for_as_long_as_reclaim_says() {
    let mut setting = Setting::default();
    setting.exchange.reclaim = Duration::from_hours(1);
    let world = World::new(&setting);
    let ask = Ask::payment("");
    let first = world.pay(&ask).await.answer();
    world.pass(Duration::from_mins(59)).await;
    assert_eq!(world.pay(&ask).await.answer().uid(), first.uid());
    world.pass(Duration::from_mins(2)).await;
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_never_ends_is_given_up_after_a_day() {
    let mut setting = Setting::default();
    setting.polling.schedule = ScheduleKind::Fixed;
    setting.polling.interval = Duration::from_mins(1);
    let world = World::new(&setting);
    let ask = Ask::payment("hold").held_for(Duration::from_hours(25));
    assert!(matches!(world.pay(&ask).await, Reply::Expired));
    world.is_empty().await;
    assert_eq!(world.ledger().tasks[0].overlapping_polls, 0);
}

#[tokio::test(start_paused = true)]
async fn an_equal_request_under_another_secret_is_not_let_in_before_delivery() {
    let world = World::calm();
    let ask = Ask::payment("");
    let other = ask.clone().by("1:other");
    let held = world.begin(&ask);
    assert!(matches!(world.pay(&other).await, Reply::OtherSecret));
    until(&held.flight, State::Undelivered).await;
    assert!(matches!(world.pay(&other).await, Reply::OtherSecret));
    world.pay(&ask).await.answer().settle(true);
    world.is_empty().await;
    world.pay(&other).await.answer().settle(true);
    assert_eq!(world.ledger().charges.len(), 2);
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn wanted_duplicates_stand_side_by_side_and_a_repeat_finds_its_own() {
    let world = World::calm();
    let ask = Ask::of("order-7", 100, "", |request| {
        request["duplicate_check"] = json!(false);
    });
    let (one, two) = tokio::join!(world.pay(&ask), world.pay(&ask));
    let (one, two) = (one.answer(), two.answer());
    assert_ne!(one.uid(), two.uid());
    one.settle(true);
    two.settle(false);
    world.pass(Duration::from_secs(1)).await;
    let again = world.pay(&ask).await.answer();
    assert_eq!(
        again.uid(),
        two.uid(),
        "the repeat of the second is no third payment"
    );
    again.settle(true);
    assert_eq!(world.ledger().charges.len(), 2);
    world.is_empty().await;
}
