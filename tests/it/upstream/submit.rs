//! Submits: what was handed over, and what the answer is worth.
use std::io::{Read, Write};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use holdline::message::{Body, StoredResponse};
use holdline::upstream::{Cause, Client, Config, Connector, Error, Sent};
use http::{Request, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::peer::{client, gateway, get, is_set, latch, ok, post};

/// The whole of a submit, as a task that may move between threads runs it.
fn submit(
    client: &Client,
    request: Request<Body>,
) -> BoxFuture<'static, Result<StoredResponse, Error>> {
    let client = client.clone();
    Box::pin(async move {
        let mut submission = client.connect(None).await?.submit(request, latch());
        submission.handed_over().await?;
        submission.answer().await
    })
}

/// A client of a listener on loopback.
async fn listening() -> (Client, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let connector = Connector::network_without_tls();
    (client(&url, connector, Config::default()), listener)
}

#[tokio::test(start_paused = true)]
async fn a_submit_leaves_once_and_its_answer_comes_back_whole() {
    let (client, mut gateway) = gateway(Config::default());
    let connection = client.connect(None).await.unwrap();
    let mut peer = gateway.accept().await;
    let latch = latch();
    let mut submission = connection.submit(post("{}"), latch.clone());
    assert!(!is_set(&latch));
    submission.handed_over().await.unwrap();
    assert!(is_set(&latch));
    let head = peer.head().await;
    assert!(head.starts_with("POST /async/transactions/payments HTTP/1.1\r\n"));
    assert_eq!(head.matches("host: gateway.example\r\n").count(), 1);
    assert!(head.contains("content-length: 2\r\n"));
    assert_eq!(peer.read(2).await, b"{}");
    peer.send(
        "HTTP/1.1 202 Accepted\r\nConnection: X-Gone\r\nX-Gone: 1\r\nX-Kept: 1\r\n\
         Content-Encoding: br\r\nContent-Length: 2\r\n\r\n[]",
    )
    .await;
    let answer = submission.answer().await.unwrap();
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    let mut names: Vec<_> = answer.fields.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-encoding", "x-kept"]);
    assert_eq!(answer.body, "[]");
    peer.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ended_before_the_first_byte_was_never_sent_on() {
    let (client, mut gateway) = gateway(Config::default());
    let connection = client.connect(None).await.unwrap();
    drop(gateway.accept().await);
    let latch = latch();
    let mut submission = connection.submit(post("{}"), latch.clone());
    let error = submission.handed_over().await.unwrap_err();
    assert_eq!((error.cause, error.sent), (Cause::Terminated, Sent::Never));
    assert!(!is_set(&latch));
    assert_eq!(submission.answer().await.unwrap_err(), error);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_speaks_first_gets_no_submit() {
    let (client, mut gateway) = gateway(Config::default());
    let connection = client.connect(None).await.unwrap();
    let mut peer = gateway.accept().await;
    peer.send(ok("smuggled")).await;
    let mut submission = connection.submit(post("{}"), latch());
    let error = submission.handed_over().await.unwrap_err();
    assert_eq!(error.sent, Sent::Never);
    drop(submission);
    let mut rest = Vec::new();
    peer.0.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty());
}

#[tokio::test]
async fn a_reset_after_any_part_of_the_request_may_have_been_acted_on() {
    let (client, listener) = listening().await;
    let body = Bytes::from(vec![b'x'; 64 * 1024]);
    for count in [1, 2, 17, 60, 150, 1_000, 20_000, 65_536] {
        let reset = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_exact(&mut vec![0; count]).await.unwrap();
            stream.set_zero_linger().unwrap();
        };
        let submission = async {
            let mut submission = client
                .connect(None)
                .await?
                .submit(post(body.clone()), latch());
            submission.handed_over().await.unwrap();
            submission.answer().await
        };
        let (answer, ()) = tokio::join!(submission, reset);
        let error = answer.unwrap_err();
        assert_eq!(
            (error.cause, error.sent),
            (Cause::Terminated, Sent::Maybe),
            "after {count} bytes"
        );
    }
}

/// The gateway refuses the credentials at once and closes, while most of the body is on its way:
/// our writes fail, and its answer waits to be read. It runs on a thread of its own, so that its
/// reset falls between any two of our calls.
#[tokio::test]
async fn an_answer_before_the_body_was_read_is_used() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let connector = Connector::network_without_tls();
    let client = client(&url, connector, Config::default());
    let body = Bytes::from(vec![b'x'; 16 * 1024 * 1024]);
    let refusals = 50;
    let gateway = std::thread::spawn(move || {
        for round in 0..refusals {
            let (mut stream, _) = listener.accept().unwrap();
            stream
                .read_exact(&mut vec![0; 400 + round * 20_000])
                .unwrap();
            let refusal = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\n\r\nnope";
            stream.write_all(refusal).unwrap();
        }
    });
    for _ in 0..refusals {
        let answer = submit(&client, post(body.clone())).await.unwrap();
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.body, "nope");
    }
    gateway.join().unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_answer_before_the_body_was_read_is_used_from_a_peer_that_stays() {
    let (client, mut gateway) = gateway(Config::default());
    let refuse = async {
        let mut peer = gateway.accept().await;
        peer.head().await;
        peer.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\n\r\nnope")
            .await;
        peer
    };
    let body = vec![b'x'; 1024 * 1024];
    let (answer, _peer) = tokio::join!(submit(&client, post(body)), refuse);
    assert_eq!(answer.unwrap().body, "nope");
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_whole_although_the_connection_then_breaks() {
    let (client, mut gateway) = gateway(Config::default());
    let answer = async {
        let mut peer = gateway.accept().await;
        peer.head().await;
        peer.read(2).await;
        peer.send(ok("done") + "garbage after it").await;
    };
    let (answer, ()) = tokio::join!(submit(&client, post("{}")), answer);
    assert_eq!(answer.unwrap().body, "done");
}

#[tokio::test(start_paused = true)]
async fn interim_answers_are_passed_over_but_not_for_ever() {
    let (client, mut gateway) = gateway(Config::default());
    let few = async {
        let mut peer = gateway.accept().await;
        peer.head().await;
        peer.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n")
            .await;
        peer.send(ok("done")).await;
        gateway
    };
    let (answer, mut gateway) = tokio::join!(submit(&client, post("{}")), few);
    assert_eq!(answer.unwrap().body, "done");
    let flood = async {
        let mut peer = gateway.accept().await;
        peer.head().await;
        while peer
            .0
            .write_all(b"HTTP/1.1 102 Processing\r\n\r\n")
            .await
            .is_ok()
        {}
    };
    let (answer, ()) = tokio::join!(submit(&client, post("{}")), flood);
    let error = answer.unwrap_err();
    assert_eq!((error.cause, error.sent), (Cause::Malformed, Sent::Maybe));
}

#[tokio::test(start_paused = true)]
async fn odd_answers_end_in_an_answer_or_an_error() {
    let verdicts = [
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
            Err(Cause::Malformed),
        ),
        ("HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\nok", Ok(999)),
        (
            "HTTP/1.1 099 Odd\r\nContent-Length: 2\r\n\r\nok",
            Err(Cause::Malformed),
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", Ok(204)),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", Err(Cause::Malformed)),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
            Err(Cause::Malformed),
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok",
            Err(Cause::Malformed),
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            Err(Cause::Malformed),
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
            Err(Cause::Malformed),
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok",
            Err(Cause::Terminated),
        ),
        ("HTTP/1.1 200 OK\r\n\r\nto the end", Ok(200)),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
            Err(Cause::AnswerTooLarge),
        ),
    ];
    let (client, mut gateway) = gateway(Config::default());
    for (answer, verdict) in verdicts {
        let serve = async {
            let mut peer = gateway.accept().await;
            peer.head().await;
            peer.read(2).await;
            peer.send(answer).await;
        };
        let (received, ()) = tokio::join!(submit(&client, post("{}")), serve);
        let received = received.map(|answer| answer.status.as_u16());
        if let Err(error) = &received {
            assert_eq!(error.sent, Sent::Maybe, "{answer}");
        }
        assert_eq!(received.map_err(|error| error.cause), verdict, "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_over_the_limit_is_an_error_however_it_is_framed() {
    let (client, mut gateway) = gateway(Config::default());
    let chunk = "x".repeat(64 * 1024);
    for head in ["Transfer-Encoding: chunked", "X-Framing: close"] {
        let serve = async {
            let mut peer = gateway.accept().await;
            peer.head().await;
            peer.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n"))
                .await;
            let part = if head.contains("chunked") {
                format!("10000\r\n{chunk}\r\n")
            } else {
                chunk.clone()
            };
            let mut sent = 0;
            while sent < 80 && peer.0.write_all(part.as_bytes()).await.is_ok() {
                sent += 1;
            }
        };
        let (answer, ()) = tokio::join!(client.fetch(get("/")), serve);
        assert_eq!(answer.unwrap_err().cause, Cause::AnswerTooLarge, "{head}");
    }
}

/// Five megabytes are read whole where the limit allows them.
#[tokio::test(start_paused = true)]
async fn a_large_answer_within_the_limit_is_whole() {
    let config = Config {
        max_answer: 5_000_000,
        ..Config::default()
    };
    let (client, mut gateway) = gateway(config);
    let body = "0123456789".repeat(500_000);
    let serve = async {
        let mut peer = gateway.accept().await;
        peer.answer(&body).await;
    };
    let (answer, ()) = tokio::join!(client.fetch(get("/")), serve);
    assert_eq!(answer.unwrap().body, body);
}

#[tokio::test]
async fn every_submit_has_a_connection_of_its_own() {
    let (client, listener) = listening().await;
    let serve = async |stream: &mut TcpStream| {
        let mut head = vec![0; 4096];
        let count = stream.read(&mut head).await.unwrap();
        assert!(count > 0);
        stream.write_all(ok("done").as_bytes()).await.unwrap();
    };
    let two = async {
        let (mut first, from) = listener.accept().await.unwrap();
        serve(&mut first).await;
        let (mut second, again) = listener.accept().await.unwrap();
        serve(&mut second).await;
        assert_ne!(from, again);
    };
    let calls = async {
        client.fetch(get("/")).await.unwrap();
        submit(&client, post("{}")).await.unwrap();
    };
    tokio::join!(two, calls);
}
