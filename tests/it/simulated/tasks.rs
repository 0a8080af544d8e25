//! Exchanges that share a task, because a client gave them one key.
use std::time::Duration;

use holdline::exchange::machine::{Doubt, RecordKind, State, Verdict};
use holdline::exchange::{Held, VerdictError};

use uuid::Uuid;

use super::journal::{Disk, Reads};
use super::submits::unfindable;
use super::world::{Ask, Reply, Setting, World, reply, until};

const HOUR: Duration = Duration::from_hours(1);
const ALMOST_A_DAY: Duration = Duration::from_mins(24 * 60 - 30);

fn asks(words: &str) -> [Ask; 2] {
    ["one", "two"].map(|name| Ask::payment(&format!("{words} {name}")).with_key("shared"))
}

#[tokio::test(start_paused = true)]
async fn one_get_at_a_time_and_its_answer_goes_to_both() {
    for words in [
        "",
        "fail=422",
        "soft=406",
        "poll-503=3",
        "flap=2@1 fail=422",
        "poll-drip=3",
    ] {
        let world = World::calm();
        let [one, two] = asks(words);
        let second = async {
            world.pass(Duration::from_millis(700)).await;
            world.pay(&two).await
        };
        let (first, second) = tokio::join!(world.pay(&one), second);
        let (first, second) = (first.answer(), second.answer());
        assert_eq!(first.answer, second.answer, "{words}");
        let ledger = world.ledger();
        assert_eq!(
            (ledger.tasks.len(), ledger.tasks[0].overlapping_polls),
            (1, 0),
            "{words}"
        );
        first.settle(true);
        second.settle(true);
        world.is_empty().await;
        for ask in [&one, &two] {
            assert_eq!(
                world.pay(ask).await.answer().answer,
                first.answer,
                "{words}"
            );
        }
    }
}

/// What the first has on disk cannot be read: the gateway is asked, which tells a result that lasts once more.
#[tokio::test(start_paused = true)]
async fn one_that_cannot_be_given_what_is_kept_asks_for_itself() {
    for reads in [Reads::Fail, Reads::Spoil, Reads::Lie, Reads::Drop] {
        let world = World::calm();
        let [one, two] = asks("");
        let first = world.pay(&one).await.answer();
        first.settle(true);
        world.pass(Duration::from_secs(1)).await;
        let (next, _) = world.restarted(&Setting::default());
        next.journal.read(reads);
        let second = next.pay(&two).await.answer();
        assert_eq!(second.answer.body, first.answer.body);
        assert_eq!(world.ledger().tasks[0].result_reads, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_comes_after_the_answer_takes_what_is_kept() {
    let world = World::calm();
    let [one, two] = asks("fail=422");
    let first = world.pay(&one).await.answer();
    first.settle(true);
    assert_eq!(world.pay(&two).await.answer().answer, first.answer);
    assert_eq!(world.ledger().tasks[0].result_reads, 1);
}

#[tokio::test(start_paused = true)]
async fn what_one_reads_while_it_drains_goes_to_the_other_that_may_not_poll_any_more() {
    let world = World::calm();
    let [one, two] = asks("fail=422 poll-drip=3");
    let mut first = world.begin(&one);
    world.pass(Duration::from_millis(70)).await;
    let mut second = world.begin(&two);
    while (first.flight.state(), second.flight.state()) != (State::Polling, State::Waiting)
        || world.ledger().tasks[0].result_reads == 0
    {
        world.pass(Duration::from_millis(1)).await;
    }
    world.stops_within(Duration::from_secs(9));
    world.pass(Duration::from_millis(1)).await;
    let stopped = world.flights.stop_what_waits_in_vain();
    assert!(stopped.is_empty(), "what the first reads is the second's");
    for held in [&mut first, &mut second] {
        let told = (&mut held.told).await.unwrap();
        let answered = reply(held, told).answer();
        assert_eq!(answered.answer.status, 422);
        answered.settle(true);
    }
    assert_eq!(world.ledger().tasks[0].result_reads, 1);
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn who_comes_too_late_for_a_poll_is_given_what_another_of_the_task_read() {
    let world = World::calm();
    let [one, two] = asks("fail=422 delay=2000");
    for ask in [&one, &two] {
        let held = world.begin(ask);
        until(&held.flight, State::Waiting).await;
    }
    let (next, _) = world.restarted(&Setting::default());
    let first = next.pay(&one).await.answer();
    first.settle(false);
    next.stops_within(Duration::from_secs(1));
    let mut second = next.begin(&two);
    let told = tokio::time::timeout(Duration::from_secs(1), &mut second.told).await;
    let answered = reply(&second, told.expect("it is at hand").unwrap()).answer();
    assert_eq!(answered.answer, first.answer);
    answered.settle(true);
    assert_eq!(next.ledger().tasks[0].result_reads, 1);
}

/// To the first the gateway denied the task after the page, for so long that the page became its answer; to the
/// second it then said that the task runs.
#[tokio::test(start_paused = true)]
async fn a_page_that_was_taken_back_is_not_taken_from_who_ended_with_it() {
    let world = World::calm();
    let [one, two] = asks("poll-500=1 flap=5@1 delay=30000");
    let mut first = world.begin(&one);
    world.pass(Duration::from_secs(4)).await;
    let mut second = world.begin(&two);
    let told = (&mut first.told).await.unwrap();
    assert_eq!(reply(&first, told).answer().answer.status, 500);
    world.pass(Duration::from_secs(5)).await;
    until(&second.flight, State::Waiting).await;
    world.stops_within(Duration::from_secs(1));
    world.pass(Duration::from_millis(1)).await;
    world.flights.stop_what_waits_in_vain();
    let told = (&mut second.told).await.unwrap();
    let told = reply(&second, told);
    assert!(matches!(told, Reply::InProgress), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_accepted_too_late_for_a_poll_has_what_another_of_the_task_read() {
    let world = World::calm();
    let [one, _] = asks("fail=422");
    let two = Ask::payment("fail=422 late=3000").with_key("shared");
    let first = world.pay(&one).await.answer();
    let mut second = world.begin(&two);
    until(&second.flight, State::Submitting).await;
    world.stops_within(Duration::from_secs(1));
    let told = tokio::time::timeout(Duration::from_secs(9), &mut second.told).await;
    let answered = reply(&second, told.expect("it is at hand").unwrap()).answer();
    assert_eq!(answered.answer, first.answer);
    for answer in [first, answered] {
        answer.settle(true);
    }
    assert_eq!(world.ledger().tasks[0].result_reads, 1);
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn in_a_stop_nobody_waits_for_what_another_of_the_task_read() {
    let world = World::calm();
    let [one, two] = asks("fail=422");
    let first = world.pay(&one).await.answer();
    let mut second = world.begin(&two);
    until(&second.flight, State::Waiting).await;
    world.stops_within(Duration::from_mins(1));
    let told = tokio::time::timeout(Duration::from_millis(1), &mut second.told).await;
    let answered = reply(&second, told.expect("it is at hand").unwrap()).answer();
    assert_eq!(answered.answer, first.answer);
    for answer in [first, answered] {
        answer.settle(true);
    }
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn what_one_leaves_undelivered_or_delivers_stays_pinned_for_the_other() {
    for delivered in [false, true] {
        let world = World::calm();
        let [one, two] = asks("fail=422");
        let first = world.pay(&one).await.answer();
        world.pass(Duration::from_hours(1)).await;
        world.pay(&two).await.answer().settle(false);
        first.settle(delivered);
        world.pass(Duration::from_hours(23)).await;
        assert_eq!(
            (world.flights.census().flights, world.results.pins()),
            (1, 1)
        );
        let again = world.pay(&two).await.answer();
        assert_eq!(again.answer, first.answer);
        again.settle(true);
        world.is_empty().await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_whose_driver_dies_while_it_polls_lets_the_other_poll() {
    use holdline::exchange::machine::RecordKind as R;
    let world = World::calm();
    let [one, two] = asks("poll-silent=4000");
    world.journal.next(R::Candidate, Disk::Panics);
    let first = world.begin(&one);
    let second = world.begin(&two);
    until(&first.flight, State::Polling).await;
    assert!(matches!(
        second.flight.state(),
        State::Waiting | State::Polling
    ));
    world.pay(&one).await.answer().settle(true);
    world.pay(&two).await.answer().settle(true);
    assert_eq!(world.ledger().tasks[0].overlapping_polls, 0);
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn a_result_whose_record_is_slow_is_not_read_twice() {
    use holdline::exchange::machine::RecordKind as R;
    let world = World::calm();
    world
        .journal
        .next(R::Completed, Disk::Slow(Duration::from_secs(20)));
    let [one, two] = asks("fail=422");
    let first = world.begin(&one);
    until(&first.flight, State::Recording(R::Completed)).await;
    let second = world.pay(&two).await.answer();
    assert_eq!(second.answer.status, 422);
    let task = &world.ledger().tasks[0];
    assert_eq!((task.result_reads, task.polls_after_result), (1, 0));
    second.settle(true);
    world.pay(&one).await.answer().settle(true);
    world.is_empty().await;
}

/// After a restart the second has nobody yet who brings its credentials while the first is told that the
/// task runs.
#[tokio::test(start_paused = true)]
async fn a_soft_answer_of_a_task_that_runs_for_another_exchange_is_not_the_result() {
    let world = World::calm();
    let [one, two] = asks("poll-500=1 delay=30000 fail=422 result-cut=20");
    let _held = (world.begin(&one), world.begin(&two));
    let are_soft = || {
        let kinds = world.journal.kinds();
        kinds
            .iter()
            .filter(|it| **it == RecordKind::Candidate)
            .count()
            == 2
    };
    while !are_soft() {
        world.pass(Duration::from_millis(50)).await;
    }
    let (next, _) = world.restarted(&Setting::default());
    let one = one.held_for(Duration::from_secs(70));
    assert_eq!(next.pay(&one).await.doubt(), Doubt::TaskUnknown);
    let told = next.pay(&two.held_for(Duration::from_secs(70))).await;
    assert_eq!(told.doubt(), Doubt::TaskUnknown);
}

/// No process has anything on disk to take back.
#[tokio::test(start_paused = true)]
async fn that_a_task_runs_is_no_record_for_another_exchange_without_an_answer_under_a_seal() {
    let world = World::calm();
    let [one, two] = asks("delay=30000");
    let _held = (world.begin(&one), world.begin(&two));
    world.pass(Duration::from_secs(5)).await;
    let (next, _) = world.restarted(&Setting::default());
    next.pay(&one).await.answer();
    let kinds = world.journal.kinds();
    assert!(!kinds.contains(&RecordKind::TakenBack), "{kinds:?}");
}

/// The second is accepted while the first, which read the one error that there is, waits for the grace to end.
#[tokio::test(start_paused = true)]
async fn a_soft_answer_is_the_result_of_one_that_is_accepted_after_it_was_read() {
    // Before the first "unknown", and after some.
    for pause in [0, 1_000, 3_000] {
        let world = World::calm();
        let [one, two] = asks("soft=406");
        let first = async { world.pay(&one).await.answer() };
        let second = async {
            while !world.journal.kinds().contains(&RecordKind::Candidate) {
                world.pass(Duration::from_millis(1)).await;
            }
            world.pass(Duration::from_millis(pause)).await;
            world.pay(&two).await.answer()
        };
        let (first, second) = tokio::join!(first, second);
        assert_eq!(first.answer.status, 406);
        assert_eq!(first.answer, second.answer, "{pause}");
        let ledger = world.ledger();
        assert_eq!((ledger.tasks.len(), ledger.tasks[0].result_reads), (1, 1));
        first.settle(true);
        second.settle(true);
        world.is_empty().await;
    }
}

/// Payments that nobody finds by a search.
fn unfindable_asks(words: &str) -> [Ask; 2] {
    ["one", "two"].map(|name| unfindable(&format!("{words} {name}")).with_key("shared"))
}

/// The gateway denies the task for longer than the first's grace. The second comes later, and reads its result.
#[tokio::test(start_paused = true)]
async fn what_another_reads_is_given_to_one_that_gave_the_task_up() {
    let world = World::calm();
    let [one, two] = asks("delay=8500 lag=8500");
    let mut first = world.begin(&one);
    until(&first.flight, State::Asking).await;
    let second = world.pay(&two).await.answer();
    let told = tokio::time::timeout(Duration::from_secs(1), &mut first.told).await;
    let answered = reply(&first, told.expect("it is at hand").unwrap()).answer();
    assert_eq!(answered.answer, second.answer);
    assert!(!first.flight.was_looked_up());
    let ledger = world.ledger();
    assert_eq!((ledger.submits.len(), ledger.charges.len()), (2, 1));
    for answer in [answered, second] {
        answer.settle(true);
    }
    world.is_empty().await;
    for ask in [&one, &two] {
        let again = world.pay(ask).await.answer();
        assert_eq!(again.uid(), world.ledger().charges[0].uid);
    }
}

/// Whether the second has delivered its answer by then, or keeps it.
#[tokio::test(start_paused = true)]
async fn what_another_read_is_given_to_the_repeat_of_one_in_doubt_about_the_task() {
    for delivered in [false, true] {
        let world = World::calm();
        let [one, two] = unfindable_asks("delay=300 lag=9000");
        let held = world.begin(&one);
        until(&held.flight, State::Doubtful).await;
        let second = world.pay(&two).await.answer();
        second.settle(delivered);
        world.pass(Duration::from_secs(1)).await;
        assert_eq!(held.flight.state(), State::Doubtful);
        assert_eq!(world.metric("in_doubt"), 1);
        // A repeat that comes so soon would not ask the gateway.
        let again = world.pay(&one).await.answer();
        assert_eq!(again.answer, second.answer, "{delivered}");
        assert_eq!(world.ledger().submits.len(), 2);
        assert_eq!(world.metric("in_doubt"), 0);
        let kinds = world.journal.kinds();
        let completed = kinds.iter().filter(|it| **it == RecordKind::Completed);
        assert_eq!(completed.count(), 2, "{kinds:?}");
        again.settle(true);
        second.settle(true);
        world.is_empty().await;
    }
}

/// The first's client repeats its request, so that its submit is repeated too, and the answer to that is slow.
#[tokio::test(start_paused = true)]
async fn what_another_reads_is_given_while_a_repeat_of_the_submit_is_under_way_and_nothing_else_is_sent()
 {
    let mut setting = Setting::default();
    setting.exchange.resubmits = 2;
    let world = World::new(&setting);
    let one = unfindable("late=20000 lag=45000").with_key("shared");
    let two = unfindable("two").with_key("shared");
    let (held, began) = (world.begin(&one), world.clock.now());
    until(&held.flight, State::Doubtful).await;
    world.pass(Duration::from_secs(11)).await;
    let mut first = world.begin(&one);
    until(&first.flight, State::Submitting).await;
    while world.clock.now().since(began) < Duration::from_secs(42) {
        world.pass(Duration::from_millis(100)).await;
    }
    assert_eq!(first.flight.state(), State::Submitting);
    let second = world.pay(&two).await.answer();
    let told = tokio::time::timeout(Duration::from_secs(1), &mut first.told).await;
    let answered = reply(&first, told.expect("it is at hand").unwrap()).answer();
    assert_eq!(answered.answer, second.answer);
    world.pass(Duration::from_mins(1)).await;
    let ledger = world.ledger();
    assert_eq!((ledger.submits.len(), ledger.charges.len()), (3, 1));
    for answer in [answered, second] {
        answer.settle(true);
    }
    world.is_empty().await;
}

#[tokio::test(start_paused = true)]
async fn what_another_reads_is_nothing_to_one_that_was_executed_as_the_operator_says() {
    let world = World::calm();
    let [one, two] = unfindable_asks("delay=300 lag=9000");
    let held = world.begin(&one);
    until(&held.flight, State::Doubtful).await;
    settle(&world, &held, Verdict::Executed).await;
    world.pay(&two).await.answer().settle(true);
    assert_eq!(world.pay(&one).await.doubt(), Doubt::Executed);
}

/// The one reading that there is was not on disk yet.
#[tokio::test(start_paused = true)]
async fn what_was_read_before_the_driver_died_is_given_to_the_repeat() {
    let world = World::calm();
    world.journal.next(RecordKind::Completed, Disk::Panics);
    let ask = unfindable("fail=422");
    assert_eq!(world.pay(&ask).await.doubt(), Doubt::Driver);
    let answered = world.pay(&ask).await.answer();
    assert_eq!(answered.answer.status, 422);
    let ledger = world.ledger();
    assert_eq!((ledger.submits.len(), ledger.tasks[0].result_reads), (1, 1));
    answered.settle(true);
    world.is_empty().await;
}

/// Nothing of it can be read from the disk.
#[tokio::test(start_paused = true)]
async fn what_one_has_delivered_stays_when_another_of_the_task_ends_without_it() {
    let world = World::calm();
    let [one, two] = unfindable_asks("delay=300 lag=9000");
    let held = world.begin(&one);
    until(&held.flight, State::Doubtful).await;
    world.pass(HOUR).await;
    let second = world.pay(&two).await.answer();
    second.settle(true);
    let denied = settled(&world, &held, Verdict::NotExecuted).await;
    assert_eq!(denied, Err(VerdictError::Answered));
    world.pass(ALMOST_A_DAY).await;
    world.is_empty().await;
    world.journal.read(Reads::Fail);
    assert_eq!(world.pay(&two).await.answer().answer, second.answer);
}

async fn settle(world: &World, held: &Held, verdict: Verdict) {
    settled(world, held, verdict).await.unwrap();
}

async fn settled(world: &World, held: &Held, verdict: Verdict) -> Result<Uuid, VerdictError> {
    let id = held.flight.id().to_string();
    let reason = "back office".into();
    world.flights.resolve(&id, verdict, reason).await
}
