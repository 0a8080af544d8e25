//! A gateway that takes longer for the answer to a poll than `upstream.answer_timeout`.
use std::time::Duration;

use super::world::{Ask, Setting, World};

const LOST: &str = "polls_total{answer=\"lost\"}";

#[tokio::test(start_paused = true)]
async fn answers_that_take_longer_than_the_timeout_are_heard_once_a_poll_was_given_up() {
    let mut setting = Setting::default();
    setting.gateway.round_trip = Duration::from_secs(12);
    let world = World::new(&setting);
    // Several polls are told that it runs.
    let answered = world
        .pay(&Ask::payment("delay=60000 fail=422"))
        .await
        .answer();
    assert_eq!(answered.answer.status, 422);
    assert_eq!(world.metric(LOST), 1);
    answered.settle(true);
    world.is_empty().await;
}
