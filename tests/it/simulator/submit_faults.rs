//! The faults of a submit, each seen from outside and in the ledger.
use std::time::Duration;

use http::Request;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::client::{client, credentials, work_passes};

const ASYNC: &str = "/async/transactions/payments";

#[tokio::test(start_paused = true)]
async fn refusals_make_nothing_unless_the_words_say_so() {
    for (words, status, body) in [
        ("refuse=422", 422, "{\"response\""),
        ("refuse=403 body=html", 403, "<html>"),
        ("bad-gateway", 502, "<html>"),
        ("unavailable", 503, "{\"message\""),
        ("redirect", 302, "<html>"),
        ("redirect=307", 307, "<html>"),
    ] {
        let client = client();
        let reply = client.try_submit(words).await.unwrap();
        assert_eq!(reply.status, status, "{words}");
        assert!(reply.body.starts_with(body.as_bytes()), "{words}");
        assert!(client.ledger().charges.is_empty(), "{words}");
        let reply = client
            .try_submit(&format!("{words} created"))
            .await
            .unwrap();
        assert_eq!(reply.status, status, "{words}");
        assert_eq!(client.ledger().charges.len(), 1, "{words}");
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_comes_as_seconds_date_and_garbage() {
    let client = client();
    for (word, value) in [
        ("7", "7"),
        ("1000000000", "1000000000"),
        ("garbage", "soon, maybe"),
    ] {
        let words = format!("refuse=429 retry-after={word}");
        let reply = client.try_submit(&words).await.unwrap();
        assert_eq!(reply.fields["retry-after"], value);
    }
    let reply = client
        .try_submit("refuse=429 retry-after=date")
        .await
        .unwrap();
    let date =
        |name: &str| httpdate::parse_http_date(reply.fields[name].to_str().unwrap()).unwrap();
    let ahead = date("retry-after").duration_since(date("date")).unwrap();
    assert_eq!(ahead, Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn an_answer_may_be_swallowed_silent_or_cut_and_the_task_exists() {
    for words in ["swallow", "silent", "cut-fields", "cut-body=20"] {
        let client = client();
        assert_eq!(client.try_submit(words).await, None, "{words}");
        assert_eq!(client.ledger().charges.len(), 1, "{words}");
    }
    let client = client();
    assert_eq!(client.raw("swallow", usize::MAX).await, b"");
    let cut = client.raw("cut-fields", usize::MAX).await;
    assert!(cut.starts_with(b"HTTP/1.1 200 OK\r\n") && !cut.ends_with(b"\r\n\r\n"));
    let cut = String::from_utf8(client.raw("cut-body=20", usize::MAX).await).unwrap();
    assert_eq!(cut.split_once("\r\n\r\n").unwrap().1.len(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_reset_after_any_number_of_bytes_makes_nothing() {
    let length = {
        let client = client();
        client.raw("", usize::MAX).await;
        client.payment("").to_string().len() + 100
    };
    for count in (1..length).step_by(37) {
        let client = client();
        client
            .gateway
            .arm(format!("reset={count}").parse().unwrap());
        assert_eq!(client.raw("", usize::MAX).await, b"", "{count}");
        let ledger = client.ledger();
        assert_eq!((ledger.resets, ledger.tasks.len()), (1, 0), "{count}");
        client.submit("").await;
    }
    let client = client();
    assert_eq!(client.raw("reset=10", usize::MAX).await, b"");
    assert_eq!(
        (client.ledger().resets, client.ledger().tasks.len()),
        (1, 0)
    );
}

#[tokio::test]
async fn a_reset_is_a_reset_on_a_real_socket() {
    use holdline::drain::Drain;
    let client = client();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let drain = Drain::new();
    let (gateway, until) = (client.gateway.clone(), drain.clone());
    let served = drain.spawn(async move { gateway.serve(listener, until).await });
    client.gateway.arm("reset=30".parse().unwrap());
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"POST /async/transactions/payments HTTP/1.1\r\n")
        .await
        .unwrap();
    // A bound for a gateway that never resets; one that does is seen at once.
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_u8());
    let error = read.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    drain.end();
    served.await.unwrap();
    drain.finished().await;
}

#[tokio::test(start_paused = true)]
async fn an_early_answer_does_not_wait_for_the_body() {
    let client = client();
    let mut stream = client.connect();
    let head = format!(
        "POST {ASYNC} HTTP/1.1\r\nHost: gateway.test\r\nAuthorization: {}\r\n\
         Simulate: early=401\r\nContent-Length: 1000\r\n\r\n",
        credentials()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 401");
    assert!(client.ledger().charges.is_empty());
}

#[tokio::test(start_paused = true)]
async fn hostile_request_ids() {
    let client = client();
    for (kind, id) in [
        ("path", json!("../../transactions/payments")),
        ("long", json!("a".repeat(10_240))),
        ("empty", json!("")),
        ("number", json!(10203)),
    ] {
        let reply = client.try_submit(&format!("id={kind}")).await.unwrap();
        assert_eq!(reply.json()["request_id"], id);
    }
    let crlf = client.try_submit("id=crlf").await.unwrap();
    assert!(crlf.text("request_id").contains("\r\nX-Injected"));
    let twice = client.try_submit("id=twice").await.unwrap();
    let text = String::from_utf8(twice.body.to_vec()).unwrap();
    assert_eq!(text.matches("\"request_id\"").count(), 2);
    let before = client.submit("").await;
    assert_eq!(client.submit("id=reused").await, before);
}

#[tokio::test(start_paused = true)]
async fn odd_answers_on_the_wire() {
    let client = client();
    let switched = client.raw("switch", usize::MAX).await;
    assert!(switched.starts_with(b"HTTP/1.1 101 "));
    assert!(client.ledger().charges.is_empty());
    let flood = String::from_utf8(client.raw("interim=1000", usize::MAX).await).unwrap();
    assert_eq!(flood.matches("HTTP/1.1 103").count(), 1000);
    assert_eq!(flood.matches("HTTP/1.1 200 OK").count(), 1);
    let odd = client.try_submit("status=999").await.unwrap();
    assert_eq!(
        (odd.status, odd.text("status").as_str()),
        (999, "processing")
    );
    let huge = client.try_submit("huge").await.unwrap();
    assert!(huge.body.len() > 5 * 1024 * 1024);
    assert_eq!(huge.text("status"), "processing");
}

#[tokio::test(start_paused = true)]
async fn a_late_acceptance_is_one_of_a_task_that_already_runs() {
    let client = client();
    let before = tokio::time::Instant::now();
    let id = client.submit("late=40000").await;
    assert_eq!(before.elapsed(), Duration::from_secs(40));
    assert_eq!(client.result(&id).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_synchronous_request_meets_the_same_faults() {
    let client = client();
    let payment = client.payment("swallow");
    let path = "/transactions/payments";
    assert_eq!(client.call("POST", path, &[], &payment).await, None);
    assert_eq!(client.ledger().charges.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn words_may_be_given_to_the_next_submit_over_http() {
    use bytes::Bytes;
    use http_body_util::Full;
    use hyper_util::rt::TokioIo;
    let client = client();
    for (words, status) in [("refuse=402", 200), ("nonsense", 400)] {
        let io = TokioIo::new(client.connect());
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        let request = Request::post("/__next")
            .body(Full::new(Bytes::from(words)))
            .unwrap();
        let reply = tokio::select! {
            reply = sender.send_request(request) => reply.unwrap(),
            ended = connection => panic!("{ended:?}"),
        };
        assert_eq!(reply.status(), status);
    }
    assert_eq!(client.try_submit("").await.unwrap().status, 402);
    client.submit("").await;
    work_passes().await;
}
