//! The disk under an exchange: slow, failing, and a journal that panics.
use std::time::Duration;

use holdline::exchange::VerdictError;
use holdline::exchange::machine::{Doubt, RecordKind as R, State, Verdict, Withdrawal};
use holdline::journal::Change;
use holdline::simulator::ledger::PollAnswer as Handed;

use super::journal::Disk;
use super::submits::unfindable;
use super::world::{Ask, Reply, Setting, World, until};

const SLOW: Duration = Duration::from_secs(2);

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_before_the_intent_is_durable() {
    let world = World::calm();
    world.journal.next(R::Submitted, Disk::Slow(SLOW));
    world.pay(&Ask::payment("")).await.answer().settle(true);
    let intent = world.journal.entries().swap_remove(0);
    assert_eq!(intent.kind, R::Submitted);
    let wires = world.network.wires();
    assert!(wires[0].up[0].0 >= intent.durable_at.unwrap());
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn an_intent_that_is_durable_too_late_is_withdrawn() {
    let world = World::calm();
    world
        .journal
        .next(R::Submitted, Disk::Slow(Duration::from_secs(6)));
    let reply = world.pay(&Ask::payment("")).await;
    assert!(
        matches!(reply, Reply::NotSubmitted(Withdrawal::Journal)),
        "{reply:?}"
    );
    assert!(world.network.wires().is_empty());
    assert_eq!(world.journal.kinds(), [R::Submitted, R::Withdrawn]);
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn who_comes_while_it_is_recorded_that_nothing_was_executed_starts_anew() {
    let world = World::calm();
    let ask = Ask::payment("swallow fail=422").held_for(Duration::from_secs(70));
    assert_eq!(world.pay(&ask).await.doubt(), Doubt::SubmitLost);
    let id = world.flights.all()[0].id().to_string();
    world.journal.next(R::Closed, Disk::Slow(SLOW));
    let not_executed = Verdict::NotExecuted;
    let settled = world.flights.resolve(&id, not_executed, "none".into());
    let repeat = async {
        world.pass(SLOW / 2).await;
        world.pay_and(&ask, |_| ()).await
    };
    let (settled, reply) = tokio::join!(settled, repeat);
    settled.unwrap();
    assert_eq!(reply.doubt(), Doubt::SubmitLost, "of its own");
    assert_eq!(world.ledger().submits.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn no_poll_leaves_before_what_may_be_the_result_is_durable() {
    let world = World::calm();
    world
        .journal
        .next(R::Candidate, Disk::Slow(Duration::from_secs(20)));
    let reply = world.pay(&Ask::payment("soft=406")).await.answer();
    assert_eq!(reply.answer.status, 406);
    let entries = world.journal.entries();
    let kept = entries.iter().find(|entry| entry.kind == R::Candidate);
    let durable_at = kept.unwrap().durable_at.unwrap();
    let polls = &world.ledger().tasks[0].polls;
    let handed_out = polls
        .iter()
        .position(|poll| poll.answer == Handed::Result)
        .unwrap();
    assert!(polls[handed_out + 1].at >= durable_at);
    reply.settle(true);
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn an_intent_that_fails_is_not_submitted() {
    let world = World::calm();
    world.journal.next(R::Submitted, Disk::Fails(SLOW));
    let reply = world.pay(&Ask::payment("")).await;
    assert!(
        matches!(reply, Reply::NotSubmitted(Withdrawal::Journal)),
        "{reply:?}"
    );
    assert!(world.network.wires().is_empty());
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_resubmit_whose_record_fails_is_not_sent() {
    let mut setting = Setting::default();
    setting.exchange.resubmits = 1;
    let world = World::new(&setting);
    world.gateway.arm("swallow".parse().unwrap());
    world.journal.next(R::Resubmitted, Disk::Fails(SLOW));
    let answered = world.pay(&Ask::payment("")).await.answer();
    assert_eq!(world.ledger().submits.len(), 1);
    assert_eq!(answered.uid(), world.ledger().charges[0].uid);
    answered.settle(true);
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn every_other_record_that_fails_changes_nothing_for_the_client() {
    for (kind, words) in [
        (R::Accepted, ""),
        (R::Candidate, "soft=406"),
        (R::Completed, ""),
        (R::Delivered, ""),
    ] {
        let world = World::calm();
        world.journal.next(kind, Disk::Fails(SLOW));
        let reply = world.pay(&Ask::payment(words)).await;
        let Reply::Answer(answered) = reply else {
            panic!("{kind:?}: {reply:?}")
        };
        answered.settle(true);
        world.pass(SLOW).await;
        world.is_empty().await;
        let failed =
            |entry: &super::journal::Entry| entry.kind == kind && entry.durable_at.is_none();
        assert!(
            world.journal.entries().iter().any(failed),
            "{kind:?} was asked for"
        );
    }
    for (kind, words) in [(R::Refused, "refuse=422"), (R::Withdrawn, "")] {
        let world = World::calm();
        world.journal.next(kind, Disk::Fails(SLOW));
        world.journal.next(
            R::Submitted,
            Disk::Slow(if words.is_empty() { SLOW * 3 } else { SLOW }),
        );
        let reply = world.pay(&Ask::payment(words)).await;
        assert!(
            matches!(reply, Reply::Refused(_) | Reply::NotSubmitted(_)),
            "{kind:?}: {reply:?}"
        );
        world.is_empty().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_doubt_whose_record_fails_is_told_all_the_same() {
    let world = World::calm();
    world.journal.next(R::InDoubt, Disk::Fails(SLOW));
    let ask = Ask::payment("swallow fail=422").held_for(Duration::from_secs(90));
    assert_eq!(world.pay(&ask).await.doubt(), Doubt::SubmitLost);
    world.journal.next(R::Closed, Disk::Fails(SLOW));
    world.pass(Duration::from_hours(25)).await;
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_at_any_record_leaves_a_doubt_that_the_next_repeat_clears() {
    for kind in [R::Accepted, R::Candidate, R::Completed] {
        for disk in [Disk::Panics, Disk::PanicsAfter(SLOW)] {
            let world = World::calm();
            let words = if kind == R::Candidate {
                "soft=406 executed"
            } else {
                ""
            };
            world.journal.next(kind, disk);
            let ask = Ask::payment(words);
            assert_eq!(
                world.pay(&ask).await.doubt(),
                Doubt::Driver,
                "{kind:?} {disk:?}"
            );
            assert_eq!(world.flights.count(), (0, 1));
            world.pass(Duration::from_secs(10)).await;
            let answered = world.pay(&ask).await.answer();
            assert_eq!(answered.uid(), world.ledger().charges[0].uid);
            assert_eq!(world.ledger().submits.len(), 1);
            answered.settle(true);
            world.is_empty().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_before_anything_was_sent_ends_the_exchange() {
    for disk in [Disk::Panics, Disk::PanicsAfter(SLOW)] {
        let world = World::calm();
        world.journal.next(R::Submitted, disk);
        let reply = world.pay(&Ask::payment("")).await;
        assert!(
            matches!(reply, Reply::NotSubmitted(Withdrawal::Driver)),
            "{reply:?}"
        );
        world.is_empty().await;
        world.pay(&Ask::payment("")).await.answer().settle(true);
        world.is_empty().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_at_the_record_of_the_delivery_takes_no_answer_back() {
    for disk in [Disk::Panics, Disk::PanicsAfter(SLOW)] {
        let world = World::calm();
        world.journal.next(R::Delivered, disk);
        let ask = Ask::payment("").with_key("k");
        let first = world.pay(&ask).await.answer();
        first.settle(true);
        world.pass(SLOW).await;
        world.is_empty().await;
        assert_eq!(world.pay(&ask).await.answer().answer, first.answer);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_record_of_the_delivery_is_made_though_the_flight_has_gone() {
    let world = World::calm();
    world.journal.next(R::Delivered, Disk::Slow(SLOW));
    world.pay(&Ask::payment("")).await.answer().settle(true);
    world.pass(SLOW).await;
    world.is_empty().await;
    assert_eq!(world.journal.kinds().last(), Some(&R::Delivered));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_comes_while_a_record_is_on_its_way_gets_what_follows() {
    for kind in [R::Submitted, R::Accepted, R::Completed] {
        let world = World::calm();
        world.journal.next(kind, Disk::Slow(SLOW));
        let ask = Ask::payment("");
        let held = world.begin(&ask);
        until(&held.flight, State::Recording(kind)).await;
        world.pay(&ask).await.answer().settle(true);
        assert_eq!(world.ledger().submits.len(), 1);
        world.is_empty().await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_ruled_not_executed_while_its_submit_is_open() {
    let world = World::calm();
    let ask = unfindable("late=100000");
    assert_eq!(world.pay(&ask).await.doubt(), Doubt::SubmitTimeout);
    let id = world.flights.all()[0].id().to_string();
    let not_executed = Verdict::NotExecuted;
    let said = world.flights.resolve(&id, not_executed, "none".into());
    assert_eq!(said.await, Err(VerdictError::UnderWay));
}

#[tokio::test(start_paused = true)]
async fn a_verdict_whose_record_fails_is_told_as_such() {
    let world = World::calm();
    world.pay(&unfindable("swallow")).await.doubt();
    world.journal.next(R::InDoubt, Disk::Fails(SLOW));
    let id = world.flights.all()[0].id().to_string();
    let reason = "in the back office";
    let said = world.flights.resolve(&id, Verdict::Executed, reason.into());
    assert_eq!(said.await, Err(VerdictError::NotDurable));
}

/// A reason stands in the last record of what the operator said was not executed, and of nothing else.
#[tokio::test(start_paused = true)]
async fn what_was_executed_by_the_operators_word_is_over_without_a_reason() {
    for (words, is_answered) in [("swallow", false), ("late=100000", true)] {
        let world = World::calm();
        let ask = Ask::of("", 100, words, |_| ()).held_for(Duration::from_secs(40));
        assert!(matches!(world.pay(&ask).await, Reply::InDoubt(_)));
        let id = world.flights.all()[0].id().to_string();
        let reason = "in the back office";
        let said = world.flights.resolve(&id, Verdict::Executed, reason.into());
        said.await.unwrap();
        world.pass(Duration::from_hours(25)).await;
        world.is_empty().await;
        assert_eq!(world.journal.kinds().contains(&R::Completed), is_answered);
        let last = world.journal.entries().pop().unwrap();
        assert_eq!(last.written.change, Change::Closed(None), "{words}");
    }
}
