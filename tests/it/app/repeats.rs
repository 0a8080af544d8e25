//! Requests without a key: when an equal one joins, and when it is a new charge.
use std::io::Write as _;
use std::net::{Shutdown, TcpStream};

use crate::stage::asking::{Asking, Line};
use crate::stage::bench::{
    Bench, OTHER_KEY, OTHER_SHOP, ROTATED_KEY, holdline, ms, simulator, until,
};
use holdline::simulator::DEMO_SHOP;

#[tokio::test]
async fn an_equal_purchase_after_an_acknowledged_answer_is_a_new_charge() {
    let bench = holdline().start().await;
    let first = bench.pay("a").send().await;
    bench.settled().await;
    let second = bench.pay("a").send().await;
    assert_ne!(second.is_gateway(200).uid(), first.is_gateway(200).uid());
    assert_eq!(second.field("idempotency-replayed"), None);
    bench.charges_of("a").is(2);
}

#[tokio::test]
async fn a_repeat_before_the_acknowledgement_is_given_the_same_answer() {
    // The first client reads its answer and stays; a long watch keeps the answer unsettled.
    let bench = holdline()
        .configure(|config| config.listener.quiet = ms(60_000))
        .start()
        .await;
    let mut first = bench.pay("a").open().await;
    let answer = first.answer().await;
    let again = bench.pay("a").send().await;
    again.is_gateway(200).is_same_as(&answer);
    assert_eq!(again.field("idempotency-replayed"), Some("true"));
    bench.charges_of("a").is(1);
}

#[tokio::test]
async fn the_next_request_on_the_connection_acknowledges_at_once() {
    let bench = holdline()
        .configure(|config| config.listener.quiet = ms(60_000))
        .start()
        .await;
    let mut line = bench.pay("a").open().await;
    let first = line.answer().await;
    line.send(&bench.pay("a").bytes()).await;
    let second = line.answer().await;
    assert_ne!(first.uid(), second.uid());
    bench.charges_of("a").is(2);
}

#[tokio::test]
async fn a_client_that_times_out_and_repeats_joins() {
    let bench = holdline().start().await;
    let first = bench.pay("a").words("hold").open().await;
    bench.accepted(1).await;
    let mut second = bench.pay("a").words("hold").open().await;
    until("the repeat joins", || {
        bench.ledger().tasks[0].polls.len() > 2
    })
    .await;
    let mut first = first;
    bench.simulated().finish_held();
    let (one, two) = (first.answer().await, second.answer().await);
    one.is_gateway(200).is_same_as(&two);
    assert_eq!(
        one.field("holdline-exchange"),
        two.field("holdline-exchange")
    );
    bench.submits_of("a").is(1);
    bench.charges_of("a").is(1);
}

#[tokio::test]
async fn the_first_of_two_joined_leaves_and_the_second_has_the_answer() {
    for resets in [true, false] {
        let bench = holdline().start().await;
        let ask = || bench.pay("a").words("hold");
        let first = ask().open().await;
        bench.accepted(1).await;
        let mut second = ask().open().await;
        if resets {
            first.reset();
        } else {
            drop(first);
        }
        bench.simulated().finish_held();
        second.answer().await.is_gateway(200);
        bench.submits_of("a").is(1);
    }
}

#[tokio::test]
async fn many_equal_requests_at_once_are_one_charge() {
    let bench = holdline().start().await;
    let all = (0..24).map(|_| bench.pay("a").words("delay=150").send());
    let answers = futures_util::future::join_all(all).await;
    let (answered, let_go): (Vec<_>, Vec<_>) = answers.iter().partition(|it| it.status == 200);
    // Four wait at most; who waited longest is told that it is in progress.
    assert_eq!((answered.len(), let_go.len()), (4, 20));
    for answer in answered {
        answer.is_gateway(200);
    }
    for answer in let_go {
        answer.is_in_progress();
    }
    bench.charges_of("a").is(1);
}

#[tokio::test]
async fn any_byte_apart_is_another_purchase() {
    let bench = holdline().start().await;
    let spaced = {
        let mut body = bench.pay("a").body_bytes();
        body.push(b' ');
        body
    };
    let ask = || bench.pay("a");
    let (one, two, three, four) = tokio::join!(
        ask().send(),
        ask().body(spaced).send(),
        ask().field("X-API-Version", "2").send(),
        ask().of_shop(OTHER_SHOP, OTHER_KEY).send(),
    );
    for answer in [one, two, three, four] {
        answer.is_gateway(200);
    }
    bench.charges_of("a").is(4);
}

/// A payment that its merchant may want twice.
fn wanted_twice(bench: &Bench) -> Asking {
    let payment = bench.pay("a").members("\"duplicate_check\":false,");
    payment.words("hold")
}

#[tokio::test]
async fn a_merchant_that_wants_duplicates_has_them_side_by_side() {
    let bench = holdline().start().await;
    let ask = || wanted_twice(&bench);
    let mut first = ask().open().await;
    bench.accepted(1).await;
    let mut second = ask().open().await;
    bench.accepted(2).await;
    bench.simulated().finish_held();
    let (one, two) = (first.answer().await, second.answer().await);
    assert_ne!(one.is_gateway(200).uid(), two.is_gateway(200).uid());
    bench.charges_of("a").is(2);
    bench.metric("holdline_overlapping_total 0\n").await;
}

#[tokio::test]
async fn a_merchant_that_wants_duplicates_joins_where_the_earlier_requester_has_gone() {
    // As who aborts, as who gives up in order, and as who has pipelined another request before.
    for (resets, more) in [(true, false), (false, false), (false, true)] {
        let bench = holdline().start().await;
        let ask = || wanted_twice(&bench);
        let mut first = ask().open().await;
        bench.accepted(1).await;
        if more {
            first.send(&bench.pay("b").bytes()).await;
        }
        if resets {
            first.reset();
        } else {
            drop(first);
        }
        let mut second = ask().open().await;
        bench.metric("holdline_joined_total 1\n").await;
        bench.simulated().finish_held();
        second.answer().await.is_gateway(200);
        bench.charges_of("a").is(1);
    }
}

#[tokio::test]
async fn a_repeat_of_a_wanted_duplicate_joins_what_its_own_secret_began() {
    let bench = holdline().start().await;
    let rotated = || wanted_twice(&bench).of_shop(DEMO_SHOP, ROTATED_KEY);
    let first = rotated().open().await;
    bench.accepted(1).await;
    let second = wanted_twice(&bench).open().await;
    bench.accepted(2).await;
    first.reset();
    second.reset();
    bench.simulated().finish_held();
    until("both answers wait", || bench.exchanges() == (0, 2)).await;
    let (own, other) = (wanted_twice(&bench).send().await, rotated().send().await);
    assert_ne!(own.is_gateway(200).uid(), other.is_gateway(200).uid());
    bench.charges_of("a").is(2);
}

#[tokio::test]
async fn who_only_ended_its_side_has_the_answer_that_a_wanted_duplicate_joined() {
    let bench = holdline().start().await;
    let ask = || wanted_twice(&bench);
    let mut first = ask().open().await;
    bench.accepted(1).await;
    first.half_close().await;
    let mut second = ask().open().await;
    bench.metric("holdline_joined_total 1\n").await;
    // With the second there a third is wanted beside it.
    let mut third = ask().open().await;
    bench.accepted(2).await;
    bench.simulated().finish_held();
    let (one, two, three) = (
        first.answer().await,
        second.answer().await,
        third.answer().await,
    );
    one.is_gateway(200).is_same_as(&two);
    assert_ne!(three.is_gateway(200).uid(), one.uid());
    bench.charges_of("a").is(2);
}

#[tokio::test]
async fn who_has_gone_before_its_request_is_read_joins_what_may_be_its_repeat() {
    let bench = holdline().start().await;
    let ask = || wanted_twice(&bench);
    let mut repeat = ask().open().await;
    bench.accepted(1).await;
    // Nothing is read meanwhile: it is the same thread that serves.
    let mut gone = TcpStream::connect(bench.address).unwrap();
    gone.write_all(&ask().bytes()).unwrap();
    gone.shutdown(Shutdown::Write).unwrap();
    bench.metric("holdline_joined_total 1\n").await;
    bench.simulated().finish_held();
    repeat.answer().await.is_gateway(200);
    bench.charges_of("a").is(1);
}

#[tokio::test]
async fn what_comes_late_of_a_request_whose_client_has_paid_again_is_not_sent() {
    let bench = holdline()
        .configure(|config| config.exchange.submit_start = ms(200))
        .start()
        .await;
    let request = bench.pay("a").bytes();
    let (first, rest) = request.split_at(request.len() - 20);
    let mut late = TcpStream::connect(bench.address).unwrap();
    late.write_all(first).unwrap();
    bench.pay("a").send().await.is_gateway(200);
    bench.settled().await;
    // By then its time is over.
    tokio::time::sleep(ms(250)).await;
    late.write_all(rest).unwrap();
    late.shutdown(Shutdown::Write).unwrap();
    bench
        .metric("holdline_exchanges_total{outcome=\"not-submitted\"} 1\n")
        .await;
    bench.charges_of("a").is(1);
}

/// The client of payment "a" is gone, and the answer waits for it.
async fn undelivered(bench: &Bench) {
    let line = bench.pay("a").open().await;
    bench.accepted(1).await;
    line.reset();
    bench.at_rest().await;
}

#[tokio::test]
async fn a_repeat_for_which_there_is_no_place_is_given_the_answer_that_waits() {
    let bench = holdline()
        .configure(|config| config.proxy.held = 1)
        .start()
        .await;
    undelivered(&bench).await;
    let mut other = bench.pay("b").words("hold").open().await;
    bench.accepted(2).await;
    bench.pay("a").send().await.is_gateway(200);
    bench.simulated().finish_held();
    other.answer().await.is_gateway(200);
}

#[tokio::test]
async fn a_repeat_that_would_not_wait_is_given_the_answer_that_waits() {
    let bench = holdline().start().await;
    undelivered(&bench).await;
    let request = bench.pay("a").field("prefer", "wait=0").bytes();
    let (first, rest) = request.split_at(request.len() - 20);
    let mut slow = Line::connect(bench.address).await;
    slow.send(first).await;
    tokio::time::sleep(ms(20)).await;
    slow.send(rest).await;
    slow.answer().await.is_gateway(200);
}

#[tokio::test]
async fn a_refused_submit_leaves_nothing_behind_and_its_repeat_is_new() {
    let bench = holdline().gateway(simulator().latency(ms(1))).start().await;
    for _ in 0..2 {
        bench
            .pay("a")
            .words("refuse=422")
            .send()
            .await
            .is_gateway(422);
        bench.settled().await;
    }
    bench.submits_of("a").is(2);
    bench.charges_of("a").is(0);
}

#[tokio::test]
async fn an_undelivered_answer_waits_for_its_client_and_expires_as_it_was_told_to() {
    let bench = holdline()
        .configure(|config| config.exchange.reclaim = ms(150))
        .start()
        .await;
    undelivered(&bench).await;
    bench.settled().await;
    bench.pay("a").send().await.is_gateway(200);
    bench.charges_of("a").is(2);
}
