//! Unconverted traffic: it streams both ways, and its failures say what may have happened.
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::stage::asking::Line;
use crate::stage::bench::{Bench, holdline, ms, refusing};
use crate::stage::scripted::{json, raw, script};

/// A gateway of which the test has the other end in its hands.
async fn by_hand() -> (Bench, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let bench = holdline().gateway(origin.as_str()).start().await;
    (bench, listener)
}

async fn read_until(stream: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end) {
        bytes.push(stream.read_u8().await.unwrap());
    }
    bytes
}

#[tokio::test]
async fn a_relayed_request_streams_both_ways_at_once() {
    let (bench, listener) = by_hand().await;
    let mut client = Line::connect(bench.address).await;
    let head = format!(
        "POST /reports HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        bench.address
    );
    client.send(head.as_bytes()).await;
    client.send(b"3\r\none\r\n").await;
    let (mut gateway, _) = listener.accept().await.unwrap();
    let seen = read_until(&mut gateway, b"3\r\none\r\n").await;
    let seen = String::from_utf8(seen).unwrap().to_ascii_lowercase();
    assert!(seen.contains("transfer-encoding: chunked") && seen.contains("via: 1.1 holdline"));
    // The answer begins before the request has ended, and each piece arrives before the next.
    gateway
        .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        .await
        .unwrap();
    read_until(&mut client.stream, b"first\r\n").await;
    client.send(b"3\r\ntwo\r\n").await;
    read_until(&mut gateway, b"3\r\ntwo\r\n").await;
    gateway.write_all(b"4\r\nlast\r\n0\r\n\r\n").await.unwrap();
    read_until(&mut client.stream, b"last\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn a_gateway_that_refuses_connections_was_sent_nothing() {
    let (_place, origin) = refusing();
    let bench = holdline().gateway(origin.as_str()).start().await;
    let answer = bench.post("/credit_cards").send().await;
    answer.is_refusal(502);
    assert_eq!(answer.field("retry-after"), Some("1"));
    let proxy_status = answer.field("proxy-status").unwrap();
    assert!(
        proxy_status.contains("connection_refused"),
        "{proxy_status}"
    );
}

#[tokio::test]
async fn a_relayed_request_without_an_answer_may_have_been_executed() {
    let dumb = || raw("").resetting();
    let bench = holdline().gateway(script(move |_| dumb())).start().await;
    bench.post("/credit_cards").send().await.is_in_doubt();
    let read = bench.get("/products").send().await;
    read.is_ours(504, "F.1000", "not-submitted");
    assert!(read.text().contains("repeat it freely"));
    assert_eq!(bench.heard().len(), 2, "neither was sent again");
}

#[tokio::test]
async fn a_relayed_answer_that_breaks_off_is_seen_to_break_off() {
    for half in [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        let (bench, listener) = by_hand().await;
        let mut client = bench.get("/products").open().await;
        let (mut gateway, _) = listener.accept().await.unwrap();
        read_until(&mut gateway, b"\r\n\r\n").await;
        gateway.write_all(half.as_bytes()).await.unwrap();
        let head = read_until(&mut client.stream, b"half").await;
        assert!(head.starts_with(b"HTTP/1.1 200 OK"));
        drop(gateway);
        let rest = client.read_to_end().await;
        assert!(!rest.ends_with(b"0\r\n\r\n"), "it looks whole: {rest:?}");
    }
}

#[tokio::test]
async fn a_relayed_request_that_is_never_answered_ends_with_the_hold() {
    let bench = holdline()
        .hold(ms(100))
        .gateway(script(|_| raw("").hanging()))
        .start()
        .await;
    bench.post("/credit_cards").send().await.is_in_doubt();
}

#[tokio::test]
async fn a_relayed_body_that_pauses_too_long_is_broken_off_on_either_side() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let setup = holdline().gateway(origin.as_str()).hold(ms(150));
    let setup = setup.configure(|config| config.proxy.body_timeout = ms(50));
    let bench = setup.start().await;

    // Nothing leaves of a small one before it is whole.
    let asking = bench.post("/reports").field("Content-Length", "10");
    asking.body("half").send().await.is_refusal(400);
    let asking = bench.post("/reports").field("Content-Length", "20000");
    let mut client = asking.body("half").open().await;
    let (mut gateway, _) = listener.accept().await.unwrap();
    let mut seen = Vec::new();
    gateway.read_to_end(&mut seen).await.ok();
    assert!(seen.ends_with(b"half"), "{seen:?}");
    client.answer().await.is_in_doubt();

    let mut client = bench.get("/products").open().await;
    let (mut gateway, _) = listener.accept().await.unwrap();
    read_until(&mut gateway, b"\r\n\r\n").await;
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
    gateway.write_all(half).await.unwrap();
    assert!(client.read_to_end().await.ends_with(b"half"));
}

#[tokio::test]
async fn hop_by_hop_fields_and_what_speaks_in_our_name_stay_behind() {
    let bench = holdline()
        .gateway(script(|_| {
            raw(
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\
                 Keep-Alive: 3\r\nHoldline-Outcome: in-doubt\r\nHoldline-Exchange: x\r\n\
                 Holdline-Source: lookup\r\nIdempotency-Replayed: true\r\nProxy-Status: x\r\n\
                 Preference-Applied: wait=1\r\nX-Kept: yes\r\n\r\nok",
            )
        }))
        .start()
        .await;
    let answer = bench
        .post("/credit_cards")
        .field("Connection", "X-Mine")
        .field("X-Mine", "1")
        .field("Keep-Alive", "5")
        .field("Upgrade", "websocket")
        .field("X-HTTP-Method-Override", "DELETE")
        .field("X-End-To-End", "yes")
        .send()
        .await;
    assert_eq!(answer.field("x-kept"), Some("yes"));
    for name in [
        "x-hop",
        "keep-alive",
        "holdline-outcome",
        "holdline-exchange",
        "holdline-source",
        "idempotency-replayed",
        "proxy-status",
        "preference-applied",
    ] {
        assert_eq!(answer.field(name), None, "{name}");
    }
    let heard = &bench.heard()[0];
    assert_eq!(heard.field("x-end-to-end"), Some("yes"));
    assert_eq!(heard.field("via"), Some("1.1 holdline"));
    for name in ["x-mine", "keep-alive", "upgrade", "x-http-method-override"] {
        assert_eq!(heard.field(name), None, "{name}");
    }
}

#[tokio::test]
async fn a_redirect_is_passed_on_and_not_followed() {
    let bench = holdline()
        .gateway(script(|_| {
            raw("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
        }))
        .start()
        .await;
    let answer = bench.get("/products").send().await;
    assert_eq!(
        (answer.status, answer.field("location")),
        (302, Some("/elsewhere"))
    );
    assert_eq!(bench.heard().len(), 1);
}

#[tokio::test]
async fn a_large_upload_and_a_large_download_pass_the_limits_of_converted_requests() {
    let download = "d".repeat(6 * 1024 * 1024);
    let body = download.clone();
    let bench = holdline()
        .gateway(script(move |_| json(200, &body)))
        .start()
        .await;
    let upload = vec![b'u'; 3 * 1024 * 1024];
    let answer = bench.post("/reports").body(upload.clone()).send().await;
    assert!(answer.body == download.as_bytes());
    assert!(bench.heard()[0].body == upload);
}
