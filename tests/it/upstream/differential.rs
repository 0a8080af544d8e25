//! The answers to submits, polls and small relayed requests are read by code of our own, those to
//! requests whose bodies stream by hyper: both read the same bytes alike, or ours reads nothing.
use bytes::Bytes;
use holdline::message::{Body, StoredResponse, collect};
use holdline::upstream::{Cause, Client, Config};
use http::{Request, header};
use http_body_util::{BodyExt, Empty};
use proptest::prelude::*;
use std::time::Duration;

use super::peer::{Gateway, gateway, get, latch, post};

const LIMIT: usize = 4 * 1024 * 1024;

/// Answers, sound and not, on which both must agree at every cut.
fn answers() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    let heads = [
        "HTTP/1.1 200 OK",
        "HTTP/1.0 200 OK",
        "HTTP/1.1 404 ",
        "HTTP/1.1 999 x",
        "HTTP/1.1 204 None",
        "HTTP/1.1 304 Same",
        "HTTP/1.1 101 Switch",
        "HTTP/1.1 099 x",
        "HTTP/2.0 200 OK",
        "HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 103 Hint\r\nLink: x\r\n\r\nHTTP/1.1 201 Made",
    ];
    let bodies = [
        "content-length: 3\r\n\r\nabc",
        "Content-Length:3\r\n\r\nabcd",
        "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        "Content-Length: 3, 3\r\n\r\nabc",
        "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "Content-Length: +3\r\n\r\nabc",
        "Content-Length: \r\n\r\nabc",
        "Content-Length: 99999999999999999999\r\n\r\nabc",
        "Content-Length: 0\r\n\r\n",
        "Content-Length: 5\r\n\r\nabc",
        "\r\nabc",
        "Connection: close\r\n\r\nabc",
        "Connection: keep-alive, X-Gone\r\nX-Gone: 1\r\nContent-Length: 3\r\n\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "Transfer-Encoding: Chunked\r\nContent-Length: 2\r\n\r\n3;a=b\r\nabc\r\n0001 \r\nd\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-End: 1\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nbad trailer\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n",
        "Transfer-Encoding: chunked\r\n\r\ng\r\nabc\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n11111111111111113\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3;a\nb\r\nabc\r\n0\r\n\r\n",
        "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "X-Odd:\t a b \t\r\nContent-Length: 1\r\n\r\na",
        "X-Fold: a\r\n b\r\nContent-Length: 1\r\n\r\na",
        "X-Nul: a\0b\r\nContent-Length: 1\r\n\r\na",
        "X-Return: a\rb\r\nContent-Length: 1\r\n\r\na",
        "X-Bare: a\nContent-Length: 1\n\na",
        "X Bad: a\r\n\r\n",
        "X-Space : a\r\nContent-Length: 1\r\n\r\na",
        "X-High: \u{e9}\r\nContent-Length: 1\r\n\r\na",
    ];
    for head in heads {
        all.extend(
            bodies
                .iter()
                .map(|body| format!("{head}\r\n{body}").into_bytes()),
        );
    }
    all
}

async fn serve(mut gateway: Gateway, pieces: Vec<Bytes>) {
    let mut peer = gateway.accept().await;
    peer.head().await;
    for piece in pieces {
        if tokio::io::AsyncWriteExt::write_all(&mut peer.0, &piece)
            .await
            .is_err()
        {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// A request that only hyper carries: its body streams, though there is nothing in it.
fn streamed() -> Request<Body> {
    let nothing = Empty::new().map_err(|never| match never {});
    Request::get("/").body(Body::streamed(nothing)).unwrap()
}

async fn relayed(client: &Client, request: Request<Body>) -> Option<StoredResponse> {
    let answer = client.relay(request, Duration::from_secs(10)).await.ok()?;
    let (parts, body) = answer.into_parts();
    let body = tokio::time::timeout(Duration::from_secs(10), collect(body, LIMIT));
    let body = body.await.ok()?.ok()?;
    let mut fields = parts.headers;
    fields.remove(header::CONTENT_LENGTH);
    Some(StoredResponse {
        status: parts.status,
        fields,
        body,
    })
}

async fn submitted(client: &Client) -> Option<StoredResponse> {
    let connection = client.connect(None).await.unwrap();
    let mut submission = connection.submit(post("{}"), latch());
    submission.handed_over().await.unwrap();
    submission.answer().await.ok()
}

/// What hyper's connection reads and what ours reads, to a submit, a poll and a relayed request alike.
fn both(pieces: &[Bytes]) -> (Option<StoredResponse>, Option<StoredResponse>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (client, peer) = gateway(Config::default());
        let hyper = relayed(&client, streamed());
        let (hyper, ()) = tokio::join!(hyper, serve(peer, pieces.to_vec()));
        let (client, peer) = gateway(Config::default());
        let (polled, ()) = tokio::join!(client.fetch(get("/")), serve(peer, pieces.to_vec()));
        let (client, peer) = gateway(Config::default());
        let passed_on = relayed(&client, get("/"));
        let (passed_on, ()) = tokio::join!(passed_on, serve(peer, pieces.to_vec()));
        assert_eq!(polled.as_ref().ok(), passed_on.as_ref());
        let (client, peer) = gateway(Config::default());
        let (submitted, ()) = tokio::join!(submitted(&client), serve(peer, pieces.to_vec()));
        assert_eq!(submitted, passed_on);
        (hyper, passed_on)
    })
}

fn pieces(bytes: &[u8], size: usize) -> Vec<Bytes> {
    bytes.chunks(size).map(Bytes::copy_from_slice).collect()
}

#[test]
fn both_read_every_answer_alike_however_it_is_cut_and_delivered() {
    let (mut whole, mut none) = (0, 0);
    for answer in answers() {
        for end in 0..=answer.len() {
            let sizes: &[usize] = if end == answer.len() {
                &[1, 2, 3, 7, usize::MAX]
            } else {
                &[usize::MAX]
            };
            for &size in sizes {
                let (hyper, ours) = both(&pieces(&answer[..end], size));
                let shown = String::from_utf8_lossy(&answer[..end]);
                assert_eq!(ours, hyper, "in pieces of {size}: {shown:?}");
                if ours.is_some() {
                    whole += 1;
                } else {
                    none += 1;
                }
            }
        }
    }
    assert!(whole > 100 && none > 100);
}

#[test]
fn ours_is_stricter_in_two_things_only() {
    // A bare line feed ends a trailer for some readers and not for others; blanks after a chunk's
    // size are extensions, and bounded like them.
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let blanks = " ".repeat(20_000);
    for rest in [
        "0\r\na: b\n\nc\r\n\r\n".to_owned(),
        format!("0{blanks}\r\n\r\n"),
    ] {
        let (hyper, ours) = both(&pieces(format!("{head}{rest}").as_bytes(), usize::MAX));
        assert!(hyper.is_some());
        assert_eq!(ours, None);
    }
}

#[test]
fn a_head_without_end_is_given_up_by_both() {
    let head = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    assert_eq!(both(&pieces(head.as_bytes(), usize::MAX)), (None, None));
}

fn with_fields(count: usize, length: usize) -> Vec<u8> {
    let field = |number| format!("X-{number}: {}\r\n", "x".repeat(length));
    let fields: String = (1..count).map(field).collect();
    format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 1\r\n\r\na").into_bytes()
}

#[test]
fn both_read_the_same_fields_and_bytes_of_a_head_and_no_more() {
    let mut longest = 1;
    for (count, length) in [(100, 1), (101, 1), (100, 600), (100, 700)] {
        let answer = with_fields(count, length);
        for size in [1_000, 7_001, usize::MAX] {
            let (hyper, ours) = both(&pieces(&answer, size));
            assert_eq!(ours, hyper, "{count} of {length} in pieces of {size}");
            assert_eq!(ours.is_some(), count == 100 && length < 650);
            longest = longest.max(ours.map_or(0, |ours| ours.fields.len()));
        }
    }
    assert_eq!(longest, 99, "the length of the body is left out");
}

/// How each names what it does not read.
fn causes(bytes: &[u8]) -> [Cause; 2] {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut causes = Vec::new();
        for request in [streamed(), get("/")] {
            let (client, peer) = gateway(Config::default());
            let relayed = client.relay(request, Duration::from_secs(10));
            let (answer, ()) = tokio::join!(relayed, serve(peer, pieces(bytes, 5_000)));
            causes.push(answer.err().unwrap().cause);
        }
        causes.try_into().unwrap()
    })
}

#[test]
fn both_name_a_head_that_is_too_large_alike() {
    let too_many = with_fields(101, 1);
    let too_long = with_fields(90, 1_000);
    for large in [&too_many, &too_long] {
        assert_eq!(causes(large), [Cause::HeadTooLarge; 2]);
    }
    assert_eq!(
        causes(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
        [Cause::Malformed; 2]
    );
}

proptest! {
    #[test]
    fn ours_never_reads_an_answer_where_hyper_reads_none(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        size in 1_usize..40,
    ) {
        let mut answers = answers();
        let mut bytes = answers.swap_remove(which.index(answers.len()));
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let (hyper, ours) = both(&pieces(&bytes, size));
        prop_assert!(ours.is_none() || ours == hyper, "{hyper:?} against {ours:?}");
    }
}
