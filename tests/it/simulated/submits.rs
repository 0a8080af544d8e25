//! Submits that are not simply accepted, and the ladder that follows.
use std::time::Duration;

use holdline::exchange::Told;
use holdline::exchange::machine::{Doubt, RecordKind as R, State, Withdrawal};
use holdline::simulator::TaskRepeat;
use serde_json::Value;

use super::journal::{Disk, Journal};
use super::network::Connect;
use super::process::Start;
use super::world::{Ask, Reply, Setting, World, until};

/// A payment by which no transaction can be looked up.
pub(super) fn unfindable(words: &str) -> Ask {
    Ask::of("", 100, words, |request| {
        request["tracking_id"] = Value::Null;
    })
}

fn resubmitting() -> Setting {
    let mut setting = Setting::default();
    setting.exchange.resubmits = 1;
    setting
}

#[tokio::test(start_paused = true)]
async fn a_swallowed_acceptance_is_looked_up() {
    let world = World::calm();
    let ask = Ask::payment("swallow");
    let held = world.begin(&ask);
    let answered = world.pay(&ask).await.answer();
    assert_eq!(answered.uid(), world.ledger().charges[0].uid);
    assert!(held.flight.was_looked_up());
    assert_eq!(world.ledger().submits.len(), 1);
    answered.settle(true);
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_tracking_id_that_is_a_number_is_searched_for_and_the_same_as_its_text() {
    let tracked = |id: Value, words: &str| {
        let ask = Ask::of("", 100, words, |request| request["tracking_id"] = id);
        ask.held_for(Duration::from_secs(70))
    };
    let world = World::calm();
    let answered = world.pay(&tracked(7.into(), "swallow")).await.answer();
    assert_eq!(answered.uid(), world.ledger().charges[0].uid);
    let world = World::calm();
    world.begin(&tracked(7.into(), "swallow"));
    let other = world.pay(&tracked("7".into(), "bad-gateway")).await;
    assert_eq!(other.doubt(), Doubt::SubmitUnclear);
    assert_eq!(world.ledger().charges.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lower_number_of_resubmits_binds_what_began_under_a_higher_one() {
    for (words, state) in [
        ("unknown fail=422", State::Doubtful),
        ("silent", State::Submitting),
    ] {
        let world = World::new(&resubmitting());
        let ask = unfindable(words).held_for(Duration::from_secs(20));
        let held = world.begin(&ask);
        until(&held.flight, state).await;
        world.submits_may_be_repeated(0);
        world.submits_may_be_repeated(1);
        world.pass(Duration::from_mins(1)).await;
        let told = world.pay(&ask).await;
        assert!(matches!(told, Reply::InDoubt(_)), "{words}");
        assert_eq!(world.ledger().submits.len(), 1, "{words}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_unknown_for_ever_is_in_doubt_after_the_grace() {
    let world = World::calm();
    let ask = unfindable("unknown fail=422");
    let began = world.clock.now();
    assert_eq!(world.pay(&ask).await.doubt(), Doubt::TaskUnknown);
    let took = world.clock.now().since(began);
    assert!(took >= Duration::from_secs(5), "{took:?}");
    assert!(took < Duration::from_secs(12), "{took:?}");
    assert_eq!(world.ledger().submits.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_doubt_is_searched_again_by_a_repeat_but_not_within_ten_seconds() {
    let world = World::calm();
    let ask = Ask::payment("unknown fail=422").held_for(Duration::from_secs(2));
    let held = world.begin(&ask);
    until(&held.flight, State::Doubtful).await;
    let searches = || world.ledger().queries.len();
    let before = searches();
    assert!(before > 3, "it searched for a minute");
    assert_eq!(world.pay(&ask).await.doubt(), Doubt::TaskUnknown);
    assert_eq!(searches(), before, "the last search has just ended");
    world.pass(Duration::from_secs(10)).await;
    assert_eq!(world.pay(&ask).await.doubt(), Doubt::TaskUnknown);
    assert!(searches() > before, "a later repeat searches");
    assert_eq!(held.flight.state(), State::Asking);
    assert_eq!(world.ledger().submits.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_doubt_that_nobody_asks_about_is_forgotten_after_a_day() {
    let log = super::log::Log::capture();
    let world = World::calm();
    world.pay(&unfindable("unknown fail=422")).await.doubt();
    world.pass(Duration::from_hours(24)).await;
    assert!(log.text().contains("an exchange expires"));
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_429_is_tried_again_within_submit_start() {
    let world = World::calm();
    world
        .gateway
        .arm("refuse=429 retry-after=1".parse().unwrap());
    let answered = world.pay(&Ask::payment("")).await.answer();
    let ledger = world.ledger();
    assert_eq!((ledger.submits.len(), ledger.charges.len()), (2, 1));
    assert_eq!(ledger.submits[0].key, ledger.submits[1].key);
    answered.settle(true);
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_429_that_stays_is_passed_on_when_submit_start_has_passed() {
    let world = World::calm();
    let reply = world.pay(&Ask::payment("refuse=429 retry-after=1")).await;
    let Reply::Refused(answer) = reply else {
        panic!("{reply:?}")
    };
    assert_eq!(answer.status, 429);
    assert!(world.clock.now().since_start() <= Duration::from_secs(6));
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn an_acceptance_after_submit_timeout_still_wins() {
    let world = World::calm();
    let ask = unfindable("late=40000");
    assert_eq!(world.pay(&ask).await.doubt(), Doubt::SubmitTimeout);
    assert_eq!(world.clock.now().since_start(), Duration::from_secs(30));
    world.pass(Duration::from_secs(15)).await;
    let answered = world.pay(&ask).await.answer();
    assert!(answered.replayed);
    assert_eq!(answered.uid(), world.ledger().charges[0].uid);
    answered.settle(true);
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn polling_resumes_after_a_black_hole_of_five_minutes() {
    let world = World::calm();
    let ask = Ask::payment("poll-silent=300000").held_for(Duration::from_mins(10));
    let answered = world.pay(&ask).await.answer();
    assert!(world.clock.now().since_start() > Duration::from_mins(5));
    assert_eq!(world.ledger().tasks[0].overlapping_polls, 0);
    answered.settle(true);
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_fails_is_tried_again_and_then_nothing_was_submitted() {
    let world = World::calm();
    world.network.next(Connect::Refused);
    world.network.next(Connect::Slow(Duration::from_secs(4)));
    world.pay(&Ask::payment("")).await.answer().settle(true);
    world.is_empty().await;
    world.network.plan(|| Connect::Refused);
    let reply = world.pay(&Ask::payment("")).await;
    assert!(
        matches!(reply, Reply::NotSubmitted(Withdrawal::Start)),
        "{reply:?}"
    );
    world
        .network
        .plan(|| Connect::Slow(Duration::from_secs(60)));
    let reply = world.pay(&Ask::payment("")).await;
    assert!(
        matches!(reply, Reply::NotSubmitted(Withdrawal::Connect)),
        "the last attempt had its say: {reply:?}"
    );
    assert_eq!(world.ledger().submits.len(), 1);
    world.is_empty().await;
}

/// The time of a submit may be over though the connection is there before its timer fires.
#[tokio::test(start_paused = true)]
async fn a_process_that_stood_still_while_it_connected_sends_nothing() {
    let world = World::calm();
    let standstill = Connect::StandsStill(Duration::from_secs(10));
    world.network.next(standstill);
    let reply = world.pay(&Ask::payment("")).await;
    assert!(
        matches!(reply, Reply::NotSubmitted(Withdrawal::Start)),
        "{reply:?}"
    );
    let wires = world.network.wires();
    assert!(wires.len() == 1 && wires[0].up.is_empty());
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_panics_while_it_writes_a_submit_leaves_it_in_doubt() {
    let world = World::calm();
    world.network.next(Connect::Panics);
    assert_eq!(world.pay(&unfindable("")).await.doubt(), Doubt::Driver);
    world.pass(Duration::from_secs(1)).await;
    assert!(!world.network.wires()[0].up.is_empty(), "it has left");
    assert_eq!(world.journal.kinds(), [R::Submitted], "not withdrawn");
}

#[tokio::test(start_paused = true)]
async fn a_resubmit_meets_the_task_of_the_first_at_a_gateway_that_honours_the_key() {
    let world = World::new(&resubmitting());
    world.gateway.arm("swallow".parse().unwrap());
    let answered = world.pay(&unfindable("")).await.answer();
    let ledger = world.ledger();
    assert_eq!((ledger.submits.len(), ledger.charges.len()), (2, 1));
    assert_eq!(answered.uid(), ledger.charges[0].uid);
    answered.settle(true);
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_task_is_left_when_a_resubmit_makes_another() {
    let mut setting = resubmitting();
    setting.gateway.task_repeat = TaskRepeat::Ignored;
    let world = World::new(&setting);
    let lost = "unknown fail=422";
    world.gateway.arm(lost.parse().unwrap());
    let ask = unfindable("");
    world.pay(&ask).await.doubt();
    world.pass(Duration::from_secs(10)).await;
    let answered = world.pay(&ask).await.answer();
    assert_eq!(world.ledger().tasks.len(), 2);
    assert_eq!(world.flights.census().tasks, 1);
    answered.settle(true);
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_search_takes_no_transaction_that_an_equal_looking_exchange_may_have_made() {
    let world = World::calm();
    // Nothing comes of the first submit, and its client starts another payment for the same order.
    world.gateway.arm("reset=50".parse().unwrap());
    let mut first = world.begin(&Ask::payment("first"));
    until(&first.flight, State::Asking).await;
    let second = Ask::payment("second poll-silent=20000 delay=100");
    let answered = world.pay(&second).await.answer();
    answered.settle(true);
    assert_eq!(answered.uid(), world.ledger().charges[0].uid);
    let at_last = (&mut first.told).await.unwrap();
    let told = super::world::reply(&first, at_last);
    assert_eq!(
        told.doubt(),
        Doubt::SubmitLost,
        "the payment was the second's"
    );
}

#[tokio::test(start_paused = true)]
async fn a_search_whose_answer_is_slow_takes_no_older_transaction() {
    let world = World::calm();
    // Another process makes it, of which this one knows nothing.
    let start = Start {
        journal: Journal::new(world.clock),
        ..world.start.clone()
    };
    let (gateway, network) = (world.gateway.clone(), world.network.clone());
    let other = World::start(&Setting::default(), world.clock, gateway, network, start);
    let older = other.pay(&Ask::payment("older")).await.answer();
    older.settle(true);
    world.pass(Duration::from_secs(2)).await;
    let slow = Connect::AnswersAfter(Duration::from_secs(5));
    world.network.plan(move || slow);
    let lost = Ask::payment("bad-gateway").held_for(Duration::from_secs(70));
    assert_eq!(world.pay(&lost).await.doubt(), Doubt::SubmitUnclear);
    assert!(!world.ledger().queries.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_repeat_that_brings_the_body_again_is_submitted_under_the_first_key() {
    let world = World::new(&resubmitting());
    world.journal.next(R::Accepted, Disk::Panics);
    let ask = unfindable("");
    assert_eq!(world.pay(&ask).await.doubt(), Doubt::Driver);
    world.pass(Duration::from_secs(10)).await;
    let answered = world.pay(&ask).await.answer();
    let ledger = world.ledger();
    assert_eq!((ledger.submits.len(), ledger.charges.len()), (2, 1));
    assert_eq!(ledger.submits[0].key, ledger.submits[1].key);
    answered.settle(true);
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn where_too_many_others_made_what_looks_the_same_a_search_takes_nothing() {
    for (card, others, is_found) in [
        ("4200000000000000", 5, true),
        ("4200000000000000", 40, false),
        ("4111111111111111", 40, true),
    ] {
        let world = World::calm();
        let other = |number: usize| {
            let change = |request: &mut Value| request["credit_card"]["number"] = card.into();
            Ask::of("order-7", 100, "", change).with_key(&format!("other-{number}"))
        };
        let others: Vec<_> = (0..others).map(|it| world.begin(&other(it))).collect();
        // The last ones are listed.
        world.pass(Duration::from_millis(500)).await;
        let held = world.begin(&Ask::payment("late=100000").with_key("lost"));
        for other in others {
            let told = other.told.await.unwrap();
            assert!(matches!(told, Told::Answer { .. }), "{told:?}");
            other.flight.settle(other.waiter, true);
        }
        assert_eq!(held.flight.state(), State::Submitting);
        world.pass(Duration::from_secs(40)).await;
        let state = held.flight.state();
        let expected = if is_found {
            State::Undelivered
        } else {
            State::Asking
        };
        assert_eq!(state, expected, "{card}");
    }
}
