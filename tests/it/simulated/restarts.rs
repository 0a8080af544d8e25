//! A process that was killed, and the next one that begins with what its journal remembers.
use std::time::Duration;

use super::log::Log;
use super::submits::unfindable;
use super::world::{Ask, Reply, Setting, World, until};
use holdline::exchange::machine::{Doubt, RecordKind as R, State, Verdict};
use holdline::exchange::{Group, Recovered, VerdictError};
use holdline::simulator::ledger::PollAnswer as Handed;
use holdline::timing::Moment;

const SECOND: Duration = Duration::from_secs(1);

/// Plays `ask` until its exchange awaits `state`, and kills the process there.
async fn killed(world: &World, ask: &Ask, state: State) -> World {
    let held = world.begin(ask);
    until(&held.flight, state).await;
    world.restarted(&Setting::default()).0
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_not_delivered_is_given_to_the_repeat_byte_for_byte() {
    for ask in [Ask::payment(""), Ask::payment("").with_key("k")] {
        let world = World::calm();
        let first = world.pay(&ask).await.answer();
        first.settle(false);
        world.pass(SECOND).await;
        let (next, recovered) = world.restarted(&Setting::default());
        let undelivered = Recovered {
            undelivered: 1,
            ..Recovered::default()
        };
        assert_eq!(recovered, undelivered);
        assert_eq!(next.flights.count(), (0, 1));
        let calls = world.network.wires().len();
        let again = next.pay(&ask).await.answer();
        assert_eq!(again.answer, first.answer);
        assert!(again.replayed);
        assert_eq!(world.network.wires().len(), calls, "nobody was asked");
        again.settle(true);
        next.is_empty().await;
        assert_eq!(world.journal.kinds().last(), Some(&R::Delivered));
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_was_accepted_is_polled_for_once_its_client_is_back() {
    for state in [State::Waiting, State::Polling] {
        let world = World::calm();
        let ask = Ask::payment("poll-silent=3000");
        let next = killed(&world, &ask, state).await;
        next.pass(Duration::from_mins(1)).await;
        assert_eq!(next.flights.count(), (0, 1), "it waits for its client only");
        let polls = world.ledger().tasks[0].polls.len();
        let answered = next.pay(&ask).await.answer();
        assert_eq!(answered.uid(), world.ledger().charges[0].uid);
        let ledger = world.ledger();
        assert_eq!((ledger.submits.len(), ledger.charges.len()), (1, 1));
        assert!(ledger.tasks[0].polls.len() > polls);
        answered.settle(true);
        next.is_empty().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_submit_without_an_answer_is_looked_up_with_what_the_repeat_brings() {
    let world = World::calm();
    let ask = Ask::payment("late=20000");
    let next = killed(&world, &ask, State::Submitting).await;
    let listed = next.flights.all();
    assert_eq!(listed[0].standing().1, Some(Doubt::Restart));
    assert_eq!(listed[0].facts().last_four, None, "no card is on disk");
    next.pass(Duration::from_mins(1)).await;
    let answered = next.pay(&ask).await.answer();
    assert_eq!(answered.uid(), world.ledger().charges[0].uid);
    assert_eq!(listed[0].facts().last_four, Some(*b"0000"));
    assert_eq!(world.ledger().submits.len(), 1);
    answered.settle(true);
    next.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_being_searched_for_is_in_doubt_for_the_reason_that_it_had() {
    for (words, cause) in [
        ("bad-gateway", Doubt::SubmitUnclear),
        ("unknown fail=422", Doubt::TaskUnknown),
    ] {
        let world = World::calm();
        let ask = Ask::payment(words).held_for(70 * SECOND);
        let held = world.begin(&ask);
        until(&held.flight, State::Asking).await;
        world.pass(SECOND).await;
        let (next, recovered) = world.restarted(&Setting::default());
        assert_eq!(recovered.in_doubt, 1, "{words}");
        assert_eq!(next.flights.all()[0].standing().1, Some(cause));
        let records = world.journal.kinds().len();
        assert_eq!(next.pay(&ask).await.doubt(), cause);
        assert_eq!(world.ledger().submits.len(), 1);
        next.pass(70 * SECOND).await;
        // Another search says nothing new, and a doubt that is on record is not recorded again.
        assert_eq!(world.journal.kinds()[records..], []);
    }
}

#[tokio::test(start_paused = true)]
async fn an_older_transaction_is_not_taken_for_the_one_that_a_restart_lost() {
    let world = World::calm();
    world
        .pay(&Ask::payment("older"))
        .await
        .answer()
        .settle(true);
    world.pass(Duration::from_secs(5)).await;
    let ask = Ask::payment("lost bad-gateway");
    let next = killed(&world, &ask, State::Asking).await;
    let repeat = ask.held_for(Duration::from_secs(70));
    assert!(matches!(next.pay(&repeat).await, Reply::InDoubt(_)));
    assert_eq!(world.ledger().charges.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_payment_that_follows_a_restart_is_not_given_what_was_delivered_before_it() {
    for (key, pause, is_certain) in [("", 0, false), ("other", 0, false), ("other", 6, true)] {
        let world = World::calm();
        let first = Ask::payment("").with_key("first");
        world.pay(&first).await.answer().settle(true);
        world.pass(Duration::from_millis(100)).await;
        let (next, _) = world.restarted(&Setting::default());
        next.pass(Duration::from_secs(pause)).await;
        let words = if is_certain { "swallow" } else { "bad-gateway" };
        let mut lost = Ask::payment(words).held_for(Duration::from_secs(70));
        if !key.is_empty() {
            lost = lost.with_key(key);
        }
        match next.pay(&lost).await {
            Reply::Answer(answered) => {
                assert!(is_certain, "another exchange's transaction");
                assert_eq!(answered.uid(), world.ledger().charges[1].uid);
            }
            Reply::InDoubt(_) => assert!(!is_certain, "it is older than the grain of both clocks"),
            _ => panic!("neither an answer nor a doubt"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_exchange_brought_before_the_restart_is_not_taken_either() {
    let mut setting = Setting::default();
    setting.exchange.reclaim = SECOND;
    // The last is answered at once, by no task.
    let at_once = "refuse=200 created";
    for (words, is_delivered) in [("rival", true), ("rival", false), (at_once, false)] {
        let world = World::new(&setting);
        let lost = Ask::payment("lost bad-gateway").with_key("lost");
        let held = world.begin(&lost);
        until(&held.flight, State::Asking).await;
        // The same purchase, while the first is under way.
        let rival = Ask::payment(words);
        world.pay(&rival).await.answer().settle(is_delivered);
        world.pass(3 * SECOND).await;
        let last = world.journal.kinds().pop();
        let end = if is_delivered {
            R::Delivered
        } else {
            R::Closed
        };
        assert_eq!(last, Some(end));
        let (next, _) = world.restarted(&Setting::default());
        let repeat = lost.held_for(Duration::from_secs(70));
        assert!(matches!(next.pay(&repeat).await, Reply::InDoubt(_)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_soft_answer_is_kept_over_the_restart() {
    let world = World::calm();
    let ask = Ask::payment("soft=406");
    let held = world.begin(&ask);
    while !world.journal.kinds().contains(&R::Candidate) {
        world.pass(Duration::from_millis(100)).await;
    }
    assert_eq!(held.flight.state(), State::Waiting);
    let (next, _) = world.restarted(&Setting::default());
    let answered = next.pay(&ask).await.answer();
    assert_eq!(answered.answer.status, 406);
    let polls = &world.ledger().tasks[0].polls;
    let results = polls.iter().filter(|poll| poll.answer == Handed::Result);
    assert_eq!(results.count(), 1);
    answered.settle(true);
    next.is_empty().await;
}

/// Its result, which is given once, is cut: what remains is a page of before that was none.
#[tokio::test(start_paused = true)]
async fn a_soft_answer_that_processing_followed_is_not_the_result_after_the_restart_either() {
    let world = World::calm();
    let ask = Ask::payment("poll-500=1 delay=20000 fail=422 result-cut=20");
    let _held = world.begin(&ask);
    world.pass(10 * SECOND).await;
    let (next, _) = world.restarted(&Setting::default());
    next.pass(20 * SECOND).await;
    let told = next.pay(&ask.held_for(Duration::from_secs(70))).await;
    assert_eq!(told.doubt(), Doubt::TaskUnknown);
    let kinds = world.journal.kinds();
    let count = |kind| kinds.iter().filter(|it| **it == kind).count();
    assert_eq!([R::Candidate, R::TakenBack].map(count), [1, 1], "{kinds:?}");
}

/// The same without a word that the task runs: that the result broke off says that the page was none.
#[tokio::test(start_paused = true)]
async fn a_soft_answer_that_a_broken_result_followed_is_not_the_result() {
    for cut in ["result-cut-fields", "result-cut=1", "result-cut=20"] {
        let words = format!("poll-500=1 delay=300 fail=422 {cut}");
        let ask = Ask::payment(&words).held_for(Duration::from_secs(70));
        let told = World::calm().pay(&ask).await;
        assert_eq!(told.doubt(), Doubt::TaskUnknown, "{words}");
        let world = World::calm();
        let _held = world.begin(&ask);
        while !world.journal.kinds().contains(&R::TakenBack) {
            assert!(world.clock.now() < Moment::START + 60 * SECOND, "{words}");
            world.pass(Duration::from_millis(100)).await;
        }
        let (next, _) = world.restarted(&Setting::default());
        let told = next.pay(&ask).await;
        assert_eq!(told.doubt(), Doubt::TaskUnknown, "{words}, restarted");
    }
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_is_gone_or_elsewhere_is_not_asked() {
    for (name, origin, cause) in [
        ("sim", "http://elsewhere.test", Doubt::OriginChanged),
        ("other", "http://gateway.test", Doubt::GatewayGone),
    ] {
        for state in [State::Submitting, State::Waiting, State::Undelivered] {
            let world = World::calm();
            let ask = Ask::payment("late=100");
            let held = world.begin(&ask);
            until(&held.flight, state).await;
            let gateway = world.gateway_at(name, origin);
            let (next, recovered) = world.restarted_with(&Setting::default(), &[gateway]);
            assert_eq!(recovered.in_doubt, 1);
            next.pass(Duration::from_mins(1)).await;
            let calls = world.network.wires().len();
            for _ in 0..2 {
                assert_eq!(next.pay(&ask).await.doubt(), cause, "{state:?}");
                next.pass(Duration::from_secs(11)).await;
            }
            assert_eq!(world.network.wires().len(), calls, "nobody is asked");
            let id = next.flights.all()[0].id().to_string();
            let settled = next
                .flights
                .resolve(&id, Verdict::NotExecuted, "none".into());
            settled.await.unwrap();
            next.is_empty().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_is_spelled_otherwise_is_the_same() {
    for origin in ["http://gateway.test:80", "http://Gateway.TEST"] {
        let world = World::calm();
        let (ask, keyed) = (Ask::payment("delay=2000"), Ask::payment("").with_key("k"));
        let answered = world.pay(&keyed).await.answer();
        answered.settle(true);
        let held = world.begin(&ask);
        until(&held.flight, State::Waiting).await;
        let gateway = world.gateway_at("sim", origin);
        let (next, recovered) = world.restarted_with(&Setting::default(), &[gateway]);
        assert_eq!((recovered.waiting, recovered.in_doubt), (1, 0), "{origin}");
        let again = next.pay(&keyed).await.answer();
        assert_eq!(again.uid(), answered.uid(), "{origin}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_operators_word_outlives_the_process() {
    let world = World::calm();
    let ask = Ask::payment("bad-gateway").held_for(Duration::from_secs(70));
    assert!(matches!(world.pay(&ask).await, Reply::InDoubt(_)));
    until(&world.flights.all()[0], State::Doubtful).await;
    let id = world.flights.all()[0].id().to_string();
    let said = world
        .flights
        .resolve(&id, Verdict::Executed, "in the back office".into());
    said.await.unwrap();
    let (next, _) = world.restarted(&Setting::default());
    next.pass(Duration::from_secs(30)).await;
    let calls = world.network.wires().len();
    assert_eq!(next.pay(&ask).await.doubt(), Doubt::Executed);
    assert_eq!(world.network.wires().len(), calls);
}

#[tokio::test(start_paused = true)]
async fn the_operators_word_holds_where_the_gateway_is_elsewhere() {
    let world = World::calm();
    let ask = unfindable("swallow");
    world.pay(&ask).await.doubt();
    let id = world.flights.all()[0].id().to_string();
    let reason = "in the back office";
    let said = world.flights.resolve(&id, Verdict::Executed, reason.into());
    said.await.unwrap();
    let gateway = world.gateway_at("sim", "http://elsewhere.test");
    let (next, _) = world.restarted_with(&Setting::default(), &[gateway]);
    assert_eq!(next.pay(&ask).await.doubt(), Doubt::Executed);
    let not_executed = Verdict::NotExecuted;
    let said = next.flights.resolve(&id, not_executed, "none".into()).await;
    assert_eq!(said, Err(VerdictError::AlreadyExecuted));
}

#[tokio::test(start_paused = true)]
async fn the_operators_word_ends_a_search_that_a_repeat_keeps_going() {
    let world = World::calm();
    let ask = Ask::payment("bad-gateway").held_for(10 * SECOND);
    for _ in 0..4 {
        assert!(matches!(world.pay(&ask).await, Reply::InDoubt(_)));
        let flight = &world.flights.all()[0];
        flight.hold_ended(world.flights.now());
        world.pass(10 * SECOND).await;
        assert_eq!(
            flight.state(),
            State::Asking,
            "its repeats have it searched for"
        );
        assert_eq!(
            flight.glance().group,
            Group::InDoubt,
            "its client was told so"
        );
    }
    let id = world.flights.all()[0].id().to_string();
    let said = world
        .flights
        .resolve(&id, Verdict::Executed, "in the back office".into());
    said.await.unwrap();
    let calls = world.network.wires().len();
    assert_eq!(world.pay(&ask).await.doubt(), Doubt::Executed);
    assert_eq!(
        world.network.wires().len(),
        calls,
        "nobody is asked any more"
    );
}

#[tokio::test(start_paused = true)]
async fn what_nobody_comes_for_expires_with_a_warning_after_as_many_hours_as_before() {
    let world = World::calm();
    world.pay(&Ask::payment("")).await.answer().settle(false);
    world.pass(Duration::from_hours(20)).await;
    let (next, _) = world.restarted(&Setting::default());
    let log = Log::capture();
    next.pass(Duration::from_hours(3)).await;
    assert_eq!(next.flights.count(), (0, 1));
    next.pass(Duration::from_hours(1) + SECOND * 5).await;
    next.is_empty().await;
    let id = &world.ledger().tasks[0].request_id;
    assert!(log.text().contains("expires") && log.text().contains(id));
    assert_eq!(world.journal.kinds().last(), Some(&R::Closed));
}

#[tokio::test(start_paused = true)]
async fn reclaim_counts_from_the_answer_over_a_restart() {
    let mut setting = Setting::default();
    setting.exchange.reclaim = Duration::from_mins(30);
    let world = World::new(&setting);
    // Its task takes fifty minutes.
    let ask = Ask::payment("delay=3000000").held_for(Duration::from_hours(2));
    world.pay(&ask).await.answer().settle(false);
    world.pass(SECOND).await;
    let (next, _) = world.restarted(&setting);
    next.pass(Duration::from_mins(10)).await;
    assert!(next.pay(&ask).await.answer().replayed);
    assert_eq!(world.ledger().submits.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_submit_is_not_repeated_once_its_key_may_be_forgotten() {
    let mut setting = Setting::default();
    setting.exchange.resubmits = 1;
    for (hours, submits) in [(22, 2), (23, 1)] {
        let world = World::new(&setting);
        let ask = Ask::payment("late=20000");
        let held = world.begin(&ask);
        until(&held.flight, State::Submitting).await;
        let (first, _) = world.restarted(&setting);
        first.pass(Duration::from_secs(hours * 3600 - 30)).await;
        let (next, _) = first.restarted(&setting);
        next.pass(SECOND * 60).await;
        next.pay(&ask).await.answer().settle(true);
        assert_eq!(world.ledger().submits.len(), submits, "{hours} h");
        assert_eq!(world.ledger().charges.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn two_that_have_one_request_are_both_kept() {
    let world = World::calm();
    let ask = Ask::payment("late=20000");
    let held = world.begin(&ask);
    until(&held.flight, State::Submitting).await;
    // A process that forgot the first: what a defect of ours or a copied journal would look like.
    let amnesiac = world.reopened(&Setting::default());
    let second = amnesiac.begin(&ask);
    until(&second.flight, State::Submitting).await;
    let _ = amnesiac.flights.stop(|_| true);
    let (next, recovered) = world.restarted(&Setting::default());
    assert_eq!((recovered.in_doubt, next.flights.count()), (2, (0, 2)));
    let newest = next.begin(&ask).flight;
    assert_eq!(newest.id(), second.flight.id());
}

#[tokio::test(start_paused = true)]
async fn wanted_duplicates_are_each_found_by_a_repeat_after_a_restart() {
    let world = World::calm();
    let wanted = |request: &mut serde_json::Value| request["duplicate_check"] = false.into();
    let ask = Ask::of("a", 100, "delay=20000", wanted);
    let held = [world.begin(&ask), world.begin(&ask)];
    for one in &held {
        assert!(!one.joined, "it is wanted twice");
        until(&one.flight, State::Waiting).await;
    }
    let (next, _) = world.restarted(&Setting::default());
    let [first, second] = [next.begin(&ask), next.begin(&ask)];
    assert!(first.joined && second.joined);
    assert_ne!(first.flight.id(), second.flight.id());
    assert_eq!(world.ledger().submits.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn no_limit_drops_what_is_recovered_and_all_of_it_counts() {
    let world = World::calm();
    for name in ["a", "b", "c"] {
        let ask = Ask::of(name, 100, "", |_| ());
        world.pay(&ask).await.answer().settle(false);
    }
    world.pass(SECOND).await;
    let mut setting = Setting::default();
    setting.exchange.undelivered = 2;
    let (next, recovered) = world.restarted(&setting);
    assert_eq!(recovered.undelivered, 3);
    let new = Ask::of("d", 100, "", |_| ());
    let reply = next.pay(&new).await;
    assert!(
        matches!(
            reply,
            Reply::NotAdmitted(holdline::exchange::Refusal::Undelivered)
        ),
        "{reply:?}"
    );
    for name in ["a", "b", "c"] {
        let ask = Ask::of(name, 100, "", |_| ());
        next.pay(&ask).await.answer().settle(true);
    }
    next.pass(SECOND).await;
    next.pay(&new).await.answer().settle(true);
    next.is_empty().await;
}
