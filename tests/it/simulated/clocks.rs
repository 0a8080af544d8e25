//! Clocks that do not agree: those of one gateway with each other, and a time of day that was set.
use std::time::Duration;

use holdline::exchange::ToldStep;
use holdline::exchange::machine::State;

use super::log::Log;
use super::world::{Ask, Reply, Setting, World, until};

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

#[tokio::test(start_paused = true)]
async fn what_is_left_out_for_its_time_alone_is_told_once() {
    for (words, why) in [
        ("clock=-30", "before the submit"),
        ("clock=3600", "has yet to come"),
    ] {
        let log = Log::capture();
        let world = World::calm();
        let ask = Ask::payment(&format!("swallow {words}")).held_for(Duration::from_secs(70));
        assert!(matches!(world.pay(&ask).await, Reply::InDoubt(_)));
        let warned = log.text().matches("a search left out").count();
        assert_eq!(warned, 1, "{}", log.text());
        assert!(log.text().contains(&world.ledger().charges[0].uid));
        let id = world.flights.all()[0].id().to_string();
        let story = &world.flights.stories(None, &id).await[0];
        let told = |step: &&ToldStep| step.what.starts_with("a search left out");
        let told: Vec<_> = story.steps.iter().filter(told).collect();
        assert_eq!((told.len(), told[0].times), (1, 1));
        assert!(told[0].why.as_ref().unwrap().contains(why));
    }
}

/// When it began, as `explain` tells it to the second.
async fn began(world: &World, id: &str) -> String {
    let stories = world.flights.stories(None, id).await;
    stories[0].began[..19].to_owned()
}

#[tokio::test(start_paused = true)]
async fn when_it_began_is_told_alike_though_the_time_of_day_was_set_back() {
    let world = World::calm();
    let ask = lost("");
    let held = world.begin(&ask);
    let id = held.flight.id().to_string();
    until(&held.flight, State::Doubtful).await;
    let told = began(&world, &id).await;
    let (next, _) = world.rebooted_at(Duration::from_secs(1));
    next.pass(Duration::from_secs(5)).await;
    assert_eq!(began(&next, &id).await, told);
    let sent = next.flights.all()[0].sent().unwrap();
    assert!(sent.is_of_boot(held.flight.sent().unwrap()));
}
