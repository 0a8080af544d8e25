//! Clocks that do not agree: those of one gateway with each other.
use std::time::Duration;

use super::world::{Ask, Reply, Setting, World};

/// A payment that is lost and was not made, though its search has a minute.
fn lost(words: &str) -> Ask {
    Ask::payment(&format!("lost bad-gateway {words}")).held_for(Duration::from_secs(70))
}

#[tokio::test(start_paused = true)]
async fn no_older_transaction_is_taken_where_its_time_has_yet_to_come() {
    let world = World::calm();
    // Another process, of whose payments this one knows nothing.
    let elsewhere = world.reopened(&Setting::default());
    let older = Ask::payment("decline clock=3600");
    elsewhere.pay(&older).await.answer().settle(true);
    world.pass(Duration::from_mins(30)).await;
    assert!(matches!(world.pay(&lost("")).await, Reply::InDoubt(_)));
}

#[tokio::test(start_paused = true)]
async fn one_whose_time_has_yet_to_come_is_found_once_it_has_come() {
    let world = World::calm();
    let held = world.begin(&Ask::payment("swallow clock=10"));
    held.told.await.unwrap();
    assert!(held.flight.was_looked_up());
    assert_eq!(world.ledger().submits.len(), 1);
}
