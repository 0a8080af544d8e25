//! The drain, begun in each state of an exchange.
use std::time::Duration;

use holdline::exchange::machine::{Doubt, RecordKind as R, State, Withdrawal};
use holdline::exchange::{Held, Refusal};

use super::journal::Disk;
use super::network::Connect;
use super::submits::unfindable;
use super::world::{Ask, Reply, World, reply, until};

const DRAIN: Duration = Duration::from_secs(30);

/// Brings `ask` to `state`, drains, and says what its client is told.
async fn drained(world: &World, ask: &Ask, state: State) -> Reply {
    let mut held = world.begin(ask);
    until(&held.flight, state).await;
    drain(world);
    told(&mut held).await
}

fn drain(world: &World) {
    world.stops_within(DRAIN);
}

/// What is told by the end of the drain, when everything is let go.
async fn told(held: &mut Held) -> Reply {
    let word = tokio::time::timeout(DRAIN, &mut held.told).await;
    reply(
        held,
        word.map_or(holdline::exchange::Told::AsItStands, Result::unwrap),
    )
}

async fn stopped(world: &World) {
    world.flights.stop(|_| true);
    world.drain.end();
    world.drain.finished().await;
    assert!(world.flights.stop(|_| true).is_empty(), "all are let go");
}

#[tokio::test(start_paused = true)]
async fn what_was_not_sent_is_withdrawn() {
    let world = World::calm();
    world
        .journal
        .next(R::Submitted, Disk::Slow(Duration::from_secs(1)));
    let reply = drained(&world, &Ask::payment(""), State::Recording(R::Submitted)).await;
    assert!(
        matches!(reply, Reply::NotSubmitted(Withdrawal::Draining)),
        "{reply:?}"
    );
    let world = World::calm();
    world.network.next(Connect::Slow(Duration::from_secs(2)));
    let reply = drained(&world, &Ask::payment(""), State::Connecting).await;
    assert!(
        matches!(reply, Reply::NotSubmitted(Withdrawal::Draining)),
        "{reply:?}"
    );
    assert!(world.ledger().submits.is_empty());
    stopped(&world).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_let_go_before_its_intent_is_on_disk_is_withdrawn() {
    let world = World::calm();
    let slow = Disk::Slow(Duration::from_mins(1));
    world.journal.next(R::Submitted, slow);
    let mut held = world.begin(&Ask::payment(""));
    until(&held.flight, State::Recording(R::Submitted)).await;
    drain(&world);
    world.flights.stop(|_| true);
    let reply = told(&mut held).await;
    assert!(
        matches!(reply, Reply::NotSubmitted(Withdrawal::Draining)),
        "{reply:?}"
    );
    let entries = world.journal.entries();
    let kinds: Vec<R> = entries.iter().map(|it| it.kind).collect();
    assert_eq!(kinds, [R::Submitted, R::Withdrawn]);
    assert!(world.ledger().submits.is_empty());
    stopped(&world).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_let_go_before_its_withdrawal_is_on_disk_was_not_submitted_either() {
    let world = World::calm();
    let slow = Disk::Slow(Duration::from_mins(1));
    world.journal.next(R::Withdrawn, slow);
    world.network.next(Connect::Slow(Duration::from_secs(2)));
    let mut held = world.begin(&Ask::payment(""));
    until(&held.flight, State::Connecting).await;
    drain(&world);
    until(&held.flight, State::Recording(R::Withdrawn)).await;
    world.flights.stop(|_| true);
    let reply = told(&mut held).await;
    assert!(
        matches!(reply, Reply::NotSubmitted(Withdrawal::Draining)),
        "{reply:?}"
    );
    assert!(world.ledger().submits.is_empty());
    stopped(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_submit_that_may_still_be_answered_is_waited_for_though_it_is_in_doubt() {
    let world = World::calm();
    let ask = unfindable("late=40000");
    assert_eq!(world.pay(&ask).await.doubt(), Doubt::SubmitTimeout);
    drain(&world);
    assert!(world.flights.any_runs());
    world.pass(Duration::from_secs(15)).await;
    world.pay(&ask).await.answer().settle(true);
    world.is_empty().await;
    assert!(!world.flights.any_runs());
    stopped(&world).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_is_answered_within_the_drain() {
    for (words, state) in [
        ("late=1000", State::Submitting),
        ("delay=9000", State::Waiting),
        ("delay=3000 poll-drip=5", State::Polling),
        ("soft=406", State::Recording(R::Candidate)),
    ] {
        let world = World::calm();
        world
            .journal
            .next(R::Candidate, Disk::Slow(Duration::from_secs(1)));
        let reply = drained(&world, &Ask::payment(words), state).await;
        let Reply::Answer(answered) = reply else {
            panic!("{words}: {reply:?}")
        };
        answered.settle(true);
        world.is_empty().await;
        stopped(&world).await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_poll_begins_that_may_outlast_the_drain() {
    let world = World::calm();
    let ask = Ask::payment("delay=25000 fail=422");
    let reply = drained(&world, &ask, State::Waiting).await;
    assert!(matches!(reply, Reply::InProgress), "{reply:?}");
    assert!(
        !world.ledger().tasks[0].spent,
        "the once-only answer waits for the next process"
    );
    stopped(&world).await;
}

#[tokio::test(start_paused = true)]
async fn no_poll_begins_that_may_outlast_the_drain_since_polls_may_take_longer_than_they_did() {
    let world = World::calm();
    let ask = Ask::payment("delay=9000 fail=422");
    let mut held = world.begin(&ask);
    until(&held.flight, State::Waiting).await;
    world.polls_may_take(Duration::from_secs(25));
    drain(&world);
    let reply = told(&mut held).await;
    assert!(matches!(reply, Reply::InProgress), "{reply:?}");
    assert!(!world.ledger().tasks[0].spent);
    stopped(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_search_ends_in_doubt_and_a_doubt_stays() {
    let world = World::calm();
    let ask = Ask::payment("swallow fail=422");
    let reply = drained(&world, &ask, State::Asking).await;
    assert_eq!(reply.doubt(), Doubt::SubmitLost);
    assert_eq!(
        world.pay(&ask).await.doubt(),
        Doubt::SubmitLost,
        "a repeat is told so"
    );
    stopped(&world).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_given_to_who_comes_while_it_drains_and_nothing_new_starts() {
    let world = World::calm();
    let ask = Ask::payment("");
    world.pay(&ask).await.answer().settle(false);
    drain(&world);
    let other = world.pay(&Ask::of("other", 1, "", |_| ())).await;
    assert!(
        matches!(other, Reply::NotAdmitted(Refusal::Draining)),
        "{other:?}"
    );
    world.pay(&ask).await.answer().settle(true);
    world.is_empty().await;
    stopped(&world).await;
}

#[tokio::test(start_paused = true)]
async fn who_joins_in_the_moment_of_the_stop_is_let_go() {
    let world = World::calm();
    let ask = Ask::payment("delay=60000");
    let held = world.begin(&ask);
    until(&held.flight, State::Waiting).await;
    world.flights.stop(|_| true);
    let mut late = world.begin(&ask);
    let told = tokio::time::timeout(Duration::from_secs(1), &mut late.told).await;
    assert!(matches!(
        reply(&late, told.unwrap().unwrap()),
        Reply::InProgress
    ));
    stopped(&world).await;
    // Even now it may have been sent, and its repeat is not told otherwise.
    let mut last = world.begin(&ask);
    let told = (&mut last.told).await.unwrap();
    assert!(matches!(reply(&last, told), Reply::InProgress));
}
