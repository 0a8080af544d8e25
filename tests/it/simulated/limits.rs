//! Limits: a new exchange is refused before its intent, and a repeat never.
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdline::exchange::machine::{Doubt, State, Verdict};
use holdline::exchange::{Admission, Refusal, Told};
use holdline::upstream::Cause;

use super::journal::Reads;
use super::network::Connect;
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
async fn doubts_are_limited_until_they_are_settled() {
    let limits: [fn(&mut holdline::exchange::Config); 2] = [
        |limits| limits.undelivered = 1,
        |limits| limits.per_owner = 1,
    ];
    for limit in limits {
        let world = limited(limit);
        let lost = Ask::of("a", 100, "swallow", |request| {
            request["tracking_id"] = serde_json::Value::Null;
        });
        world.pay(&lost).await.doubt();
        refuses(&world, &ask("b"), Refusal::Undelivered, &lost).await;
        let id = world.flights.all()[0].id().to_string();
        let executed = Verdict::Executed;
        let settled = world.flights.resolve(&id, executed, "back office".into());
        settled.await.unwrap();
        world.pay(&ask("b")).await.answer().settle(true);
        world.pass(Duration::from_secs(1)).await;

        let mut setting = Setting::default();
        limit(&mut setting.exchange);
        let (next, recovered) = world.restarted(&setting);
        assert_eq!(recovered.in_doubt, 1);
        next.pay(&ask("c")).await.answer().settle(true);
        assert_eq!(next.pay(&lost).await.doubt(), Doubt::Executed);
        next.pass(Duration::from_hours(24)).await;
        next.is_empty().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_the_clients_of_one_shop_leaves_room_to_others() {
    let world = limited(|limits| (limits.undelivered, limits.per_owner) = (3, 2));
    for name in ["a", "b"] {
        world.pay(&ask(name)).await.answer().settle(false);
        world.pass(Duration::from_secs(1)).await;
    }
    refuses(&world, &ask("c"), Refusal::Undelivered, &ask("a")).await;
    world.pay(&ask("c").by("2:two")).await.answer().settle(true);
    for name in ["a", "b", "c"] {
        world.pay(&ask(name)).await.answer().settle(true);
        world.pass(Duration::from_secs(1)).await;
    }
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
        barred: Some(Refusal::Held),
        ..ask(name)
    };
    let _held = world.begin(&ask("a"));
    refuses(&world, &without("b"), Refusal::Held, &ask("a")).await;
    assert!(matches!(world.pay(&without("a")).await, Reply::InProgress));
    world.pay(&ask("a")).await.answer().settle(true);
    world.is_empty().await;
}

/// A request whose route is converted no more.
fn former(ask: &Ask) -> Ask {
    Ask {
        barred: Some(Refusal::Route),
        ..ask.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_converted_no_more_starts_nothing_in_the_moment_in_which_its_equal_ends() {
    let world = World::calm();
    world.pay(&ask("a")).await.answer().settle(true);
    // It joins before the flight has heard that its answer was delivered.
    let reply = world.pay(&former(&ask("a"))).await;
    assert!(
        matches!(reply, Reply::NotAdmitted(Refusal::Route)),
        "{reply:?}"
    );
    assert_eq!(world.ledger().submits.len(), 1);
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_converted_no_more_starts_nothing_though_its_payer_had_yet_to_finish() {
    let world = World::calm();
    let unfinished = Ask::payment("incomplete").with_key("k");
    let first = world.pay(&unfinished).await.answer();
    first.settle(true);
    world.pass(Duration::from_secs(1)).await;
    let (next, _) = world.restarted(&Setting::default());
    let again = next.pay(&former(&unfinished)).await.answer();
    assert_eq!(again.answer, first.answer);
    assert_eq!(world.ledger().submits.len(), 1);
    next.is_empty().await;
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

/// By then who came before the outage has given up, and a second has passed.
const SINCE_THE_LAST: Duration = Duration::from_secs(7);

/// A gateway that refuses connections, and is known to; an exchange runs that has one.
async fn in_an_outage() -> (World, Ask) {
    let world = World::calm();
    let running = Ask::of("a", 100, "delay=200000", |_| ());
    let held = world.begin(&running);
    until(&held.flight, State::Waiting).await;
    world.network.plan(|| Connect::Refused);
    // Whoever comes first waits for submit.start in vain.
    for number in 0..100 {
        let order = world.order(&ask(&format!("early-{number}")));
        if matches!(world.flights.request(order), Admission::Refused(_)) {
            assert!(number > 20, "it has not lasted");
            return (world, running);
        }
        world.pass(Duration::from_millis(200)).await;
    }
    panic!("everybody waits");
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_accepts_no_connections_is_told_at_once_and_one_at_a_time_tries() {
    let (world, running) = in_an_outage().await;
    let unreachable = Refusal::Unreachable(Cause::Refused);
    refuses(&world, &ask("b"), unreachable, &running).await;
    world.pass(SINCE_THE_LAST).await;
    let probe = world.begin(&ask("b"));
    assert!(!probe.joined, "one finds out");
    refuses(&world, &ask("c"), unreachable, &running).await;
    assert!(world.begin(&ask("b")).joined, "its repeat joins it");
    until(&probe.flight, State::Ended).await;
    assert_eq!(world.ledger().submits.len(), 1, "nothing was sent");

    world.network.plan(|| Connect::Ready);
    world.pass(Duration::from_secs(2)).await;
    world.pay(&ask("b")).await.answer().settle(true);
    let both = [world.begin(&ask("c")), world.begin(&ask("d"))];
    assert!(both.iter().all(|held| !held.joined), "it is over");
    world.pay(&running).await.answer().settle(true);
    for name in ["c", "d"] {
        world.pay(&ask(name)).await.answer().settle(true);
    }
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn the_probe_itself_is_served_where_the_gateway_comes_back_in_time() {
    let (world, _running) = in_an_outage().await;
    world.pass(SINCE_THE_LAST).await;
    let probe = world.begin(&ask("b"));
    world.pass(Duration::from_secs(2)).await;
    world.network.plan(|| Connect::Ready);
    until(&probe.flight, State::Undelivered).await;
    world.pay(&ask("b")).await.answer().settle(true);
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_is_over_before_anybody_comes_costs_nobody_his_payment() {
    let (world, _running) = in_an_outage().await;
    world.network.plan(|| Connect::Ready);
    world.pass(Duration::from_secs(60)).await;
    world.pay(&ask("b")).await.answer().settle(true);
}

#[tokio::test(start_paused = true)]
async fn of_two_equal_ones_that_are_wanted_side_by_side_one_joins_whose_client_has_gone() {
    let world = World::calm();
    let wanted = |request: &mut serde_json::Value| request["duplicate_check"] = false.into();
    let ask = Ask::of("a", 100, "delay=5000", wanted);
    let gone = world.begin(&ask);
    world.pass(Duration::from_secs(1)).await;
    let exchange = gone.flight.id();
    drop(gone);
    // Both come before the flight has looked into its mailbox.
    let [first, second] = [world.begin(&ask), world.begin(&ask)];
    assert!(first.joined && first.flight.id() == exchange);
    assert!(!second.joined, "it is wanted beside the other");
}

/// A body of which it is counted how often it is held.
struct Body(Arc<Bytes>);

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[tokio::test(start_paused = true)]
async fn repeats_that_come_while_an_answer_is_read_from_the_disk_hold_one_body() {
    let world = World::calm();
    let ask = Ask::payment("");
    let first = world.pay(&ask).await.answer();
    first.settle(false);
    world.pass(Duration::from_secs(1)).await;
    let (next, _) = world.restarted(&Setting::default());
    next.journal.read(Reads::Slow(Duration::from_mins(1)));
    let body = Arc::new(ask.body.clone());
    let mut last = None;
    for _ in 0..100 {
        let mut order = next.order(&ask);
        order.submission.body = Bytes::from_owner(Body(Arc::clone(&body)));
        let Admission::Held(mut held) = next.flights.request(order) else {
            panic!("the flight is there");
        };
        held.again = None;
        last = Some(held);
        next.pass(Duration::from_millis(100)).await;
        let held = Arc::strong_count(&body) - 1;
        assert!(held <= 1, "{held} bodies");
    }
    let told = last.unwrap().told.await.unwrap();
    let Told::Answer { answer, replayed } = told else {
        panic!("no answer but {told:?}");
    };
    assert_eq!(answer, first.answer);
    assert!(replayed);
    assert_eq!(world.ledger().submits.len(), 1);
    assert_eq!(Arc::strong_count(&body), 1, "none is needed");
}
