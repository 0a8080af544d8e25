//! Answers that an earlier process left in its journal, and what becomes of them where they cannot be read.
use std::sync::Arc;
use std::time::Duration;

use super::journal::Reads;
use super::world::{Ask, Reply, Setting, World};
use holdline::exchange::machine::Doubt;
use holdline::exchange::{Recovered, TaskAnswer};
use holdline::message::StoredResponse;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_delivered_answer_with_a_key_is_read_from_the_journal_and_by_its_owner_only() {
    let world = World::calm();
    let ask = Ask::payment("").with_key("k");
    let first = world.pay(&ask).await.answer();
    first.settle(true);
    world.pass(SECOND).await;
    let (next, recovered) = world.restarted(&Setting::default());
    assert_eq!(recovered.facts, 1);
    for _ in 0..2 {
        let again = next.pay(&ask).await.answer();
        assert_eq!(again.answer, first.answer);
        assert!(again.replayed);
    }
    assert_eq!(world.ledger().submits.len(), 1);
    let other = next.pay(&ask.clone().by("1:other")).await;
    assert!(matches!(other, Reply::OtherSecret), "{other:?}");
    assert_eq!(world.ledger().submits.len(), 1);
    let stranger = next.pay(&ask.clone().by("2:two")).await.answer();
    assert!(!stranger.replayed, "I7");
    assert_eq!(world.ledger().submits.len(), 2);
    next.pass(Duration::from_hours(24)).await;
    assert!(!next.pay(&ask).await.answer().replayed);
    assert_eq!(world.ledger().submits.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_delivered_answer_that_the_cache_dropped_is_read_from_the_journal() {
    let mut setting = Setting::default();
    setting.results.max_bytes = 0;
    let world = World::new(&setting);
    let ask = Ask::payment("").with_key("k");
    let first = world.pay(&ask).await.answer();
    first.settle(true);
    world.is_empty().await;
    assert_eq!(world.pay(&ask).await.answer().answer, first.answer);
    for reads in [Reads::Fail, Reads::Lie, Reads::Drop] {
        world.journal.read(reads);
        let reply = world.pay(&ask).await;
        let is_told = match reads {
            // It may be read later.
            Reads::Fail => matches!(reply, Reply::Unread),
            _ => matches!(reply, Reply::Spent),
        };
        assert!(is_told, "{reads:?}: {reply:?}");
    }
    assert_eq!(world.ledger().submits.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_unfinished_transaction_is_queried_after_a_restart() {
    let world = World::calm();
    let ask = Ask::payment("incomplete payer=60000").with_key("k");
    let first = world.pay(&ask).await.answer();
    first.settle(true);
    world.pass(SECOND).await;
    let (next, _) = world.restarted(&Setting::default());
    assert_eq!(next.pay(&ask).await.answer().answer, first.answer);
    next.pass(Duration::from_mins(1)).await;
    let finished = next.pay(&ask).await.answer();
    assert_eq!(finished.json()["transaction"]["status"], "successful");
    assert_eq!(world.ledger().submits.len(), 1);
}

/// What the journal holds of the only task, for who made it with `ask`.
async fn read_by_task(world: &World, ask: &Ask) -> Arc<StoredResponse> {
    let id = world.ledger().tasks[0].request_id.parse().unwrap();
    let identity = world.order(ask).identity;
    let TaskAnswer::OnDisk(on_disk) = world.flights.task(identity.owner, identity.credential, &id)
    else {
        panic!("its answer is on disk");
    };
    let hash_key = world.flights.hash_key();
    let key = hash_key.answer_key("sim", ask.authorization().as_bytes());
    world.flights.read(on_disk, &key).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_undelivered_one_is_read_by_its_task_too() {
    let world = World::calm();
    let ask = Ask::payment("");
    let first = world.pay(&ask).await.answer();
    first.settle(false);
    world.pass(SECOND).await;
    let (next, recovered) = world.restarted(&Setting::default());
    assert_eq!(recovered.undelivered, 1);
    assert_eq!(read_by_task(&next, &ask).await, first.answer);
    // It waits for its client all the same.
    assert_eq!(next.pay(&ask).await.answer().answer, first.answer);
}

#[tokio::test(start_paused = true)]
async fn without_a_key_a_delivered_one_is_read_by_its_task_and_the_same_again_is_a_new_one() {
    let world = World::calm();
    let ask = Ask::payment("");
    let first = world.pay(&ask).await.answer();
    first.settle(true);
    world.pass(SECOND).await;
    let (next, recovered) = world.restarted(&Setting::default());
    assert_eq!(recovered, Recovered::default());
    assert_eq!(read_by_task(&next, &ask).await, first.answer);
    let id = world.ledger().tasks[0].request_id.parse().unwrap();
    let stranger = next.order(&ask.clone().by("1:other")).identity;
    let told = next.flights.task(stranger.owner, stranger.credential, &id);
    assert!(matches!(told, TaskAnswer::Unknown), "I7");
    assert_ne!(next.pay(&ask).await.answer().uid(), first.uid());
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_another_origin_is_not_given_and_nothing_is_sent_for_it_either() {
    let world = World::calm();
    let ask = Ask::payment("").with_key("k");
    world.pay(&ask).await.answer().settle(true);
    world.pass(SECOND).await;
    let gateway = world.gateway_at("sim", "http://elsewhere.test");
    let (next, _) = world.restarted_with(&Setting::default(), &[gateway]);
    let calls = world.network.wires().len();
    assert!(matches!(next.pay(&ask).await, Reply::Spent));
    let id = world.ledger().tasks[0].request_id.parse().unwrap();
    let identity = next.order(&ask).identity;
    let told = next.flights.task(identity.owner, identity.credential, &id);
    assert!(matches!(told, TaskAnswer::Unknown));
    assert_eq!(world.network.wires().len(), calls, "nobody is asked");
    let (back, _) = next.restarted(&Setting::default());
    back.pay(&ask).await.answer().settle(true);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_read_is_in_progress_and_the_next_repeat_tries_again() {
    let world = World::calm();
    let ask = Ask::payment("");
    let first = world.pay(&ask).await.answer();
    first.settle(false);
    world.pass(SECOND).await;
    let (next, _) = world.restarted(&Setting::default());
    world.journal.read(Reads::Fail);
    assert!(matches!(next.pay(&ask).await, Reply::InProgress));
    world.journal.read(Reads::Work);
    assert_eq!(next.pay(&ask).await.answer().answer, first.answer);
}

#[tokio::test(start_paused = true)]
async fn an_answer_whose_seal_does_not_open_is_in_doubt_and_looked_up_by_the_next_repeat() {
    for reads in [Reads::Lie, Reads::Drop, Reads::Spoil] {
        let world = World::calm();
        let ask = Ask::payment("");
        let first = world.pay(&ask).await.answer();
        first.settle(false);
        world.pass(SECOND).await;
        let (next, _) = world.restarted(&Setting::default());
        world.journal.read(reads);
        assert_eq!(next.pay(&ask).await.doubt(), Doubt::SealBroken);
        next.pass(Duration::from_secs(10)).await;
        let found = next.pay(&ask).await.answer();
        assert_eq!(found.uid(), first.uid());
        assert_eq!(world.ledger().submits.len(), 1);
        found.settle(true);
        next.is_empty().await;
    }
}
