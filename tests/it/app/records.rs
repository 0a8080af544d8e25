//! TLS to the gateway that ends anywhere: within the handshake, a record, an answer. Neither a submit
//! nor an answer is taken for more than it was.
use std::future::Future;

use futures_util::future::join_all;

use crate::stage::bench::{Setup, holdline, ms};
use crate::stage::scripted::{Say, json, resulting, submitting, unknown};

/// The submit's connection, and that of the first poll.
const SUBMIT: usize = 0;
const POLL: usize = 1;

fn refusal() -> Say {
    json(422, r#"{"response":{"status":"error","message":"no"}}"#)
}

fn result() -> Say {
    json(
        200,
        r#"{"transaction":{"uid":"1-a","status":"successful"}}"#,
    )
}

/// The connection of the first poll ends after so many bytes, and no other does.
fn at_the_first_poll(count: usize) -> impl Fn(usize) -> usize {
    move |connection| {
        if connection == POLL {
            count
        } else {
            usize::MAX
        }
    }
}

/// How many bytes a connection carries to holdline where nothing is cut.
async fn whole(setup: Setup, connection: usize) -> usize {
    let bench = setup.cut(|_| usize::MAX).start().await;
    assert!(bench.pay("a").send().await.status < 500);
    bench.carried[0].by(connection)
}

/// What comes of it where the connection ends after so many bytes, for many counts at once: in
/// strides, and each around the answer's end. No two certificates are of the same length to the byte.
async fn for_counts<F: Future<Output = u16>>(whole: usize, run: impl Fn(usize) -> F) -> Vec<u16> {
    let last = whole - 32;
    let counts = (0..last).step_by(79).chain(last..whole + 32);
    join_all(counts.map(run)).await
}

#[tokio::test]
async fn a_submit_whose_connection_ends_anywhere_is_told_as_what_became_of_it() {
    let setup = || holdline().gateway(submitting(|_| refusal()));
    let run = |count| async move {
        let bench = setup()
            // Time for the handshakes of all that run at once.
            .configure(|config| config.exchange.submit_start = ms(1_000))
            .cut(move |_| count)
            .start()
            .await;
        // Without a tracking id a doubt is told at once.
        let answer = bench.post("/transactions/payments").send().await;
        let heard = bench.submits_heard_so_far();
        match answer.status {
            502 => answer.is_refusal(502),
            422 => answer.is_gateway(422),
            _ => answer.is_in_doubt(),
        };
        let most = usize::from(answer.status != 502);
        assert!(heard <= most, "{count}: {heard} submits were heard");
        answer.status
    };
    let told = for_counts(whole(setup(), SUBMIT).await, run).await;
    assert_eq!((told[0], told[told.len() - 1]), (502, 422), "{told:?}");
    assert!(told.contains(&504), "{told:?}");
}

#[tokio::test]
async fn a_result_whose_connection_ends_anywhere_is_read_again() {
    let setup = || holdline().gateway(resulting(|_| result()));
    let run = |count| async move {
        let bench = setup().cut(at_the_first_poll(count)).start().await;
        let answer = bench.pay("a").send().await;
        assert_eq!(answer.is_gateway(200).uid(), "1-a", "{count}");
        bench.submits_heard().is(1);
        answer.status
    };
    for_counts(whole(setup(), POLL).await, run).await;
}

#[tokio::test]
async fn a_once_only_error_whose_connection_ends_anywhere_is_that_error_or_in_doubt() {
    let setup = || {
        holdline().gateway(resulting(|before| match before {
            0 => refusal(),
            _ => unknown(),
        }))
    };
    let run = |count| async move {
        let bench = setup().cut(at_the_first_poll(count)).start().await;
        // Without a tracking id a doubt is told at once.
        let answer = bench.post("/transactions/payments").send().await;
        match answer.status {
            422 => answer.is_gateway(422),
            _ => answer.is_in_doubt(),
        };
        bench.submits_heard().is(1);
        answer.status
    };
    let told = for_counts(whole(setup(), POLL).await, run).await;
    // Before the poll went through nothing was spent; after the answer's last byte it is whole.
    assert_eq!((told[0], told[told.len() - 1]), (422, 422), "{told:?}");
    assert!(told.contains(&504), "{told:?}");
}
