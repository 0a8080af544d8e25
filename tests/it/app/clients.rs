//! What clients do: leave, half-close, trickle, pipeline, never read.
use tokio::io::AsyncWriteExt;

use crate::stage::asking::{Asking, Line};
use crate::stage::bench::{holdline, ms, simulator};

#[tokio::test]
async fn a_client_that_leaves_before_its_body_is_whole_leaves_nothing_behind() {
    let bench = holdline().start().await;
    let bytes = bench.pay("a").bytes();
    for count in (1..bytes.len()).step_by(29).chain([bytes.len() - 1]) {
        let mut line = Line::connect(bench.address).await;
        line.send(&bytes[..count]).await;
        if count % 2 == 0 {
            line.reset();
        } else {
            line.half_close().await;
            let answer = line.read_to_end().await;
            assert!(!answer.starts_with(b"HTTP/1.1 2"), "{count}");
        }
    }
    assert_eq!(bench.exchanges(), (0, 0));
    assert_eq!(bench.ledger().connections, 0);
}

#[tokio::test]
async fn a_client_that_resets_right_after_the_request_finds_the_answer_later() {
    let bench = holdline().start().await;
    for order in ["a", "b", "c"] {
        let line = bench.pay(order).open().await;
        line.reset();
    }
    // A request that the reset overtook was never read; what was read goes on to its end.
    for order in ["a", "b", "c"] {
        bench.pay(order).send().await.is_gateway(200);
        bench.charges_of(order).is(1);
    }
}

#[tokio::test]
async fn a_client_that_half_closes_and_waits_has_its_answer() {
    let bench = holdline().start().await;
    let mut line = bench.pay("a").open().await;
    line.half_close().await;
    line.answer().await.is_gateway(200);
    assert!(line.read_to_end().await.is_empty());
    bench.settled().await;
    bench.pay("a").send().await.is_gateway(200);
    bench.charges_of("a").is(2);
}

#[tokio::test]
async fn an_answer_that_was_cut_off_by_the_client_is_given_again() {
    // It closes over an unread answer: its kernel resets, and nothing was delivered.
    let bench = holdline().start().await;
    let line = bench.pay("a").open().await;
    line.stream.readable().await.unwrap();
    drop(line);
    let again = bench.pay("a").send().await;
    assert_eq!(
        again.is_gateway(200).field("idempotency-replayed"),
        Some("true")
    );
    bench.charges_of("a").is(1);
}

#[tokio::test]
async fn requests_that_are_pipelined_during_a_hold_are_answered_in_order_after_it() {
    let bench = holdline().start().await;
    let requests = [
        bench.pay("first").words("delay=80").bytes(),
        bench.pay("second").words("fail=422").bytes(),
        bench.post("/transactions/payments/").bytes(),
        bench.pay("third").bytes(),
    ];
    let mut line = Line::connect(bench.address).await;
    line.send(&requests.concat()).await;
    line.answer().await.is_gateway(200);
    bench.submits_of("second").is(0);
    line.answer().await.is_gateway(422);
    line.answer().await.is_refusal(400);
    line.answer().await.is_gateway(200);
    line.half_close().await;
    assert!(line.read_to_end().await.is_empty());
    for order in ["first", "second", "third"] {
        bench.submits_of(order).is(1);
    }
}

#[tokio::test]
async fn an_expectation_is_met_before_the_body_and_not_where_it_is_refused() {
    let bench = holdline().start().await;
    let asking = bench.pay("a").field("Expect", "100-continue");
    let bytes = asking.bytes();
    let head = bytes.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
    let mut line = Line::connect(bench.address).await;
    line.send(&bytes[..head]).await;
    line.stream.readable().await.unwrap();
    let mut interim = [0; 25];
    tokio::io::AsyncReadExt::read_exact(&mut line.stream, &mut interim)
        .await
        .unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    line.send(&bytes[head..]).await;
    line.answer().await.is_gateway(200);
    let refused = bench.pay("b").anonymous().field("Expect", "100-continue");
    let bytes = refused.bytes();
    let head = bytes.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
    let mut line = Line::connect(bench.address).await;
    line.send(&bytes[..head]).await;
    let answer = line.read_to_end().await;
    assert!(
        answer.starts_with(b"HTTP/1.1 401 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

#[tokio::test]
async fn a_body_that_trickles_is_cut_off_in_time() {
    let bench = holdline()
        .configure(|config| config.proxy.body_timeout = ms(120))
        .start()
        .await;
    for path in ["/transactions/payments", "/balance"] {
        let bytes = bench.post(path).bytes();
        let mut line = Line::connect(bench.address).await;
        line.send(&bytes[..bytes.len() - 5]).await;
        line.answer().await.is_refusal(408);
    }
    assert_eq!(bench.ledger().connections, 0);
}

#[tokio::test]
async fn a_client_that_never_reads_meets_the_write_deadline_and_its_answer_is_kept() {
    let bench = holdline()
        .configure(|config| {
            config.listener.write_timeout = ms(150);
            config.upstream.max_answer = 64 * 1024 * 1024;
            config.exchange.reclaim = ms(600_000);
        })
        .start()
        .await;
    let ask = || bench.pay("a").words("big=24000000");
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stuck = socket.connect(bench.address).await.unwrap();
    stuck.write_all(&ask().bytes()).await.unwrap();
    bench.at_rest().await;
    bench
        .metric("holdline_not_acknowledged_total{why=\"deadline\"} 1")
        .await;
    drop(stuck);
    let again = ask().send().await;
    assert!(again.is_gateway(200).body.len() > 24_000_000);
    assert_eq!(again.field("idempotency-replayed"), Some("true"));
    bench.charges_of("a").is(1);
}

#[tokio::test]
async fn hundreds_at_once_are_all_answered_each_once() {
    let bench = holdline()
        .gateway(simulator().latency(ms(50)))
        .start()
        .await;
    let all = (0..200_u64).map(|number| {
        let asking: Asking = bench.pay(&format!("order-{number}")).amount(number + 1);
        asking.send()
    });
    for (number, answer) in futures_util::future::join_all(all).await.iter().enumerate() {
        let transaction = &answer.is_gateway(200).json()["transaction"];
        assert_eq!(transaction["tracking_id"], format!("order-{number}"));
        assert_eq!(transaction["amount"], number + 1);
    }
    let ledger = bench.ledger();
    assert_eq!((ledger.submits.len(), ledger.charges.len()), (200, 200));
}

#[tokio::test]
async fn old_clients_of_http_1_0_are_served() {
    let bench = holdline().start().await;
    let bytes = bench.pay("a").bytes();
    let text = String::from_utf8(bytes)
        .unwrap()
        .replacen("HTTP/1.1", "HTTP/1.0", 1);
    let mut line = Line::connect(bench.address).await;
    line.send(text.as_bytes()).await;
    let answer = line.read_to_end().await;
    let (answer, length) = crate::stage::asking::Answer::parse(&answer).unwrap();
    assert!(length > 0);
    answer.is_gateway(200);
    let via = ("via".to_owned(), "1.0 holdline".to_owned());
    assert!(bench.ledger().submits[0].fields.contains(&via));
}
