//! Held connections that are parked: to the client they are as any other.
use std::time::Duration;

use tokio::io::AsyncReadExt;

use crate::downstream::{
    Client, Downstream, Event, Framing, Promise, Setup, all_ways, arrived, listener,
};

const LENGTH: Framing = Framing::ContentLength;
const SHORT: Duration = Duration::from_millis(150);

/// Requests that are parked, in every manner in which an answer can be wanted.
const PARKED: [&str; 15] = [
    "GET /whole/9 HTTP/1.1\r\n\r\n",
    "GET /streamed/9 HTTP/1.1\r\n\r\n",
    "GET /empty HTTP/1.1\r\n\r\n",
    "GET /whole/9 HTTP/1.1\r\nconnection: close\r\n\r\n",
    "GET /streamed/9 HTTP/1.1\r\nconnection: TE\r\nconnection: Close\r\n\r\n",
    "GET /whole/9 HTTP/1.1\r\nconnection: keep-alive\r\n\r\n",
    "GET /whole/9 HTTP/1.0\r\n\r\n",
    "GET /streamed/9 HTTP/1.0\r\n\r\n",
    "GET /whole/9 HTTP/1.0\r\nconnection: Keep-Alive\r\n\r\n",
    "GET /streamed/9 HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
    "GET /whole/9 HTTP/1.0\r\nconnection: keep-alive, close\r\n\r\n",
    "POST /echo HTTP/1.1\r\ncontent-length: 3\r\n\r\nEND",
    "POST /echo HTTP/1.0\r\ncontent-length: 3\r\nconnection: keep-alive\r\n\r\nEND",
    "POST /echo HTTP/1.1\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\nEND",
    "POST /echo HTTP/1.1\r\ncontent-length: 3\r\nupgrade: no-such-protocol\r\n\r\nEND",
];

/// Requests that only the hyper connection that read them can answer.
const NOT_PARKED: [&str; 4] = [
    "HEAD /whole/9 HTTP/1.1\r\n\r\n",
    "POST /echo HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nEND\r\n0\r\n\r\n",
    "POST /echo HTTP/1.1\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n\
     3\r\nEND\r\n0\r\n\r\n",
    "POST /echo HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n\
     3\r\nEND\r\n0\r\n\r\n",
];

/// Everything that a client receives for `request`, which is held, and for another one that stands
/// right behind it, until the connection ends.
async fn transcript(downstream: &mut Downstream, request: &str, parks: usize) -> String {
    let mut client = Client::connect(downstream).await;
    let next = "GET /whole/5/next HTTP/1.1\r\nconnection: close\r\n\r\n";
    client.send(&format!("{request}{next}")).await;
    assert!(matches!(downstream.event().await, Event::Arrived(_)));
    downstream.parks(parks).await;
    downstream.gate.add_permits(2);
    let mut received = String::new();
    client.stream.read_to_string(&mut received).await.unwrap();
    // Where the connection ended after the first answer, a permit and some events are left.
    downstream.gate.forget_permits(2);
    while downstream.events.try_recv().is_ok() {}
    let lines = received.lines().filter(|line| !line.starts_with("date:"));
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_parked_answer_is_as_it_would_be_without_parking() {
    let [unparked, parked, tls_unparked, tls_parked] = all_ways();
    parked_as_unparked(unparked, parked).await;
    parked_as_unparked(tls_unparked, tls_parked).await;
}

async fn parked_as_unparked(unparked: Setup, parked: Setup) {
    let mut unparked = unparked.holding().start();
    let mut parked = parked.holding().start();
    let cases = PARKED.map(|request| (request, 1));
    for (request, parks) in cases
        .into_iter()
        .chain(NOT_PARKED.map(|request| (request, 0)))
    {
        let expected = transcript(&mut unparked, request, 0).await;
        let received = transcript(&mut parked, request, parks).await;
        assert_eq!(received, expected, "{request}");
        assert!(received.contains(" 200 OK"), "{request}: {received}");
    }
}

#[tokio::test]
async fn requests_that_cannot_be_parked_are_held_all_the_same() {
    let mut downstream = listener()
        .promise(Promise::WithTheBodyRead)
        .quiet(SHORT)
        .holding()
        .start();
    for request in NOT_PARKED {
        let mut client = Client::connect(&downstream).await;
        client.send(request).await;
        assert!(matches!(downstream.event().await, Event::Arrived(_)));
        let mut marker = Client::connect(&downstream).await;
        marker.ask(LENGTH, "/whole/9/marker").await;
        assert_eq!(downstream.event().await, arrived("/whole/9/marker"));
        // The marker alone is parked, though the other came before it, and it stays so.
        downstream.parks(1).await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        downstream.parks(1).await;
        downstream.gate.add_permits(2);
        client.answer_arrives().await;
        marker.answers(LENGTH, 1).await.unwrap();
        drop((client, marker));
        while !matches!(downstream.event().await, Event::Settled(..)) {}
        while !matches!(downstream.event().await, Event::Settled(..)) {}
    }
}

/// A body that nobody read is still on its way: taken up by a fresh hyper connection, it would be
/// the next request.
#[tokio::test]
async fn a_body_that_was_not_read_is_never_taken_for_a_request() {
    let smuggled = "GET /whole/9/smuggled HTTP/1.1\r\nconnection: close\r\n\r\n";
    let head = format!(
        "POST /whole/9/outer HTTP/1.1\r\ncontent-length: {}\r\n\r\n",
        smuggled.len()
    );
    for (now, later) in [(smuggled, ""), ("", smuggled)] {
        let mut downstream = listener()
            .configure(|config| config.idle_timeout = SHORT)
            .promise(Promise::WithTheBodyUnread)
            .holding()
            .start();
        let mut client = Client::connect(&downstream).await;
        client.send(&format!("{head}{now}")).await;
        assert_eq!(downstream.event().await, arrived("/whole/9/outer"));
        downstream.gate.add_permits(2);
        client.answers(LENGTH, 1).await.unwrap();
        // A client that meets a closed connection may be told so by a reset.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut client.stream, later.as_bytes()).await;
        let mut rest = Vec::new();
        let _ = client.stream.read_to_end(&mut rest).await;
        assert_eq!(rest, b"");
        drop(client);
        downstream.drain.end();
        downstream.drain.finished().await;
        while let Ok(event) = downstream.events.try_recv() {
            assert_ne!(event, arrived("/whole/9/smuggled"));
        }
    }
}

#[tokio::test]
async fn requests_behind_a_parked_one_are_answered_in_their_order_and_none_is_lost() {
    const REQUESTS: usize = 200;
    let mut downstream = listener()
        .promise(Promise::WithTheBodyRead)
        .holding()
        .start();
    let mut client = Client::connect(&downstream).await;
    // More than hyper reads at once, and each with a body, so that a lost byte is seen.
    let request = |number: usize| {
        let body = "x".repeat(number);
        format!(
            "POST /echo/{number} HTTP/1.1\r\nhost: test\r\ncontent-length: {number}\r\n\r\n{body}"
        )
    };
    let (first, rest): (Vec<_>, Vec<_>) = (0..REQUESTS).map(request).partition({
        let mut number = 0;
        move |_| {
            number += 1;
            number <= REQUESTS / 2
        }
    });
    let (first, rest) = (first.concat(), rest.concat());
    // One half comes with the first request, its last request cut; the other while it is parked.
    let (before, after) = first.split_at(first.len() - 10);
    client.send(before).await;
    assert_eq!(downstream.event().await, arrived("/echo/0"));
    downstream.parks(1).await;
    client.send(&format!("{after}{rest}")).await;
    let mut received = String::new();
    for number in 0..REQUESTS {
        if number > 0 {
            while downstream.event().await != arrived(&format!("/echo/{number}")) {}
        }
        downstream.parks(1).await;
        downstream.gate.add_permits(1);
        let body = "x".repeat(number);
        while !received.ends_with(&format!("\r\n\r\n{body}")) {
            let mut buffer = [0; 1024];
            let count = client.stream.read(&mut buffer).await.unwrap();
            assert_ne!(count, 0);
            received.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        }
        assert!(received.starts_with("HTTP/1.1 200 OK\r\n"), "{received}");
        received.clear();
    }
}

#[tokio::test]
async fn a_body_that_waits_for_100_continue_is_read_before_the_connection_is_parked() {
    let mut downstream = listener()
        .promise(Promise::WithTheBodyRead)
        .holding()
        .start();
    let mut client = Client::connect(&downstream).await;
    client
        .send(
            "POST /echo HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\n\
             content-length: 3\r\n\r\n",
        )
        .await;
    assert_eq!(downstream.event().await, arrived("/echo"));
    let interim = client.answers(Framing::Empty, 1).await.unwrap();
    assert_eq!(interim, "HTTP/1.1 100 Continue\r\n\r\n");
    downstream.parks(0).await;
    client.send("END").await;
    downstream.parks(1).await;
    downstream.gate.add_permits(1);
    client.answers(LENGTH, 1).await.unwrap();
}

#[tokio::test]
async fn an_answer_after_the_drain_began_tells_that_the_connection_ends() {
    for parked_before in [true, false] {
        let mut downstream = listener()
            .promise(Promise::WithTheBodyRead)
            .quiet(SHORT)
            .holding()
            .start();
        let mut client = Client::connect(&downstream).await;
        client
            .send("POST /echo HTTP/1.1\r\nhost: test\r\ncontent-length: 3\r\n\r\n")
            .await;
        assert_eq!(downstream.event().await, arrived("/echo"));
        if parked_before {
            client.send("END").await;
            downstream.parks(1).await;
        }
        downstream.drain.begin();
        if !parked_before {
            client.send("END").await;
            downstream.parks(1).await;
        }
        client.send(&LENGTH.request("/whole/9/refused")).await;
        downstream.gate.add_permits(2);
        let mut received = String::new();
        client.stream.read_to_string(&mut received).await.unwrap();
        assert!(received.contains("connection: close\r\n"), "{received}");
        assert!(received.ends_with("\r\n\r\nEND"), "{received}");
        drop(client);
        downstream.drain.end();
        downstream.drain.finished().await;
    }
}
