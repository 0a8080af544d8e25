//! Relayed requests: both bodies stream.
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use holdline::message::{Body, BodyError, collect};
use holdline::upstream::{Cause, Config, Sent};
use http::{Method, Request, StatusCode};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use tokio::sync::mpsc;

use super::peer::{gateway, get, ok};

/// Longer than any of these tests takes.
const LONG: Duration = Duration::from_secs(60);

type Upload = mpsc::UnboundedSender<Result<Bytes, BodyError>>;

/// A body whose chunks a test sends when it wants.
struct Chunks(mpsc::UnboundedReceiver<Result<Bytes, BodyError>>);

impl HttpBody for Chunks {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let chunk = std::task::ready!(self.0.poll_recv(context));
        Poll::Ready(chunk.map(|chunk| chunk.map(Frame::data)))
    }
}

/// A request with a body that streams, and where its chunks come from.
fn upload(method: Method) -> (Upload, Request<Body>) {
    let (chunks, received) = mpsc::unbounded_channel();
    let body = Body::streamed(Chunks(received));
    let request = Request::builder().method(method).uri("/upload");
    (chunks, request.body(body).unwrap())
}

#[tokio::test(start_paused = true)]
async fn the_answer_streams_while_the_request_still_does() {
    let (client, mut gateway) = gateway(Config::default());
    let (chunks, request) = upload(Method::GET);
    let echo = async {
        let mut peer = gateway.accept().await;
        let head = peer.head().await;
        assert!(head.contains("transfer-encoding: chunked\r\n"));
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            .await;
        for _ in 0..3 {
            let chunk = peer.read(b"5\r\nhello\r\n".len()).await;
            peer.send(chunk).await;
        }
        peer.read(b"0\r\n\r\n".len()).await;
        peer.send("0\r\n\r\n").await;
        peer.answer("again").await;
        (gateway, peer)
    };
    let calls = async {
        let mut body = client.relay(request, LONG).await.unwrap().into_body();
        for _ in 0..3 {
            chunks.send(Ok(Bytes::from_static(b"hello"))).unwrap();
            let frame = body.frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), "hello");
        }
        drop(chunks);
        assert!(body.frame().await.is_none());
        // A body that streams goes by the same kind of connection.
        let (nothing, request) = upload(Method::GET);
        drop(nothing);
        let again = client.relay(request, LONG).await.unwrap();
        collect(again.into_body(), 10_000).await.unwrap()
    };
    let ((gateway, _peer), answer) = tokio::join!(echo, calls);
    assert_eq!(answer, "again");
    assert_eq!(gateway.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_small_request_leaves_whole_and_its_answer_streams() {
    let (client, mut gateway) = gateway(Config::default());
    let request = Request::get("/small").body(Body::from(Bytes::from_static(b"hello")));
    let (go, gone) = tokio::sync::oneshot::channel();
    let serve = async {
        let mut peer = gateway.accept().await;
        let head = peer.head().await;
        assert!(head.contains("content-length: 5\r\n"), "{head}");
        assert_eq!(peer.read(5).await, b"hello");
        peer.send("HTTP/1.1 201 Made\r\nContent-Length: 6\r\n\r\none")
            .await;
        gone.await.unwrap();
        peer.send("two").await;
        // The connection is kept: the next one is not a new one.
        peer.answer("again").await;
        (gateway, peer)
    };
    let calls = async {
        let answer = client.relay(request.unwrap(), LONG).await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        assert_eq!(answer.headers()["content-length"], "6");
        let mut body = answer.into_body();
        assert_eq!(body.size_hint().exact(), Some(6));
        let first = body.frame().await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "one");
        go.send(()).unwrap();
        assert_eq!(collect(body, 10).await.unwrap(), "two");
        let again = client.relay(get("/"), LONG).await.unwrap();
        collect(again.into_body(), 10).await.unwrap()
    };
    let ((gateway, _peer), answer) = tokio::join!(serve, calls);
    assert_eq!(answer, "again");
    assert_eq!(gateway.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_let_go_midway_ends_its_connection() {
    let (client, mut gateway) = gateway(Config::default());
    let serve = async {
        let mut peer = gateway.accept().await;
        peer.head().await;
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx")
            .await;
        peer.closed().await;
        let mut peer = gateway.accept().await;
        peer.answer("second").await;
        peer
    };
    let calls = async {
        drop(client.relay(get("/"), LONG).await.unwrap());
        client.fetch(get("/")).await.unwrap()
    };
    let (_peer, answer) = tokio::join!(serve, calls);
    assert_eq!(answer.body, "second");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_cut_is_an_error_of_its_body() {
    let (client, mut gateway) = gateway(Config::default());
    let (_chunks, streamed) = upload(Method::POST);
    for (times, request) in [(1, get("/")), (2, streamed)] {
        let serve = async {
            let mut peer = gateway.accept().await;
            peer.head().await;
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx")
                .await;
        };
        let (answer, ()) = tokio::join!(client.relay(request, LONG), serve);
        let body = collect(answer.unwrap().into_body(), 10_000).await;
        assert!(matches!(body, Err(BodyError::Cut(_))));
        let told = format!("upstream_errors_total{{cause=\"terminated\"}} {times}\n");
        assert!(gateway.scraped().contains(&told), "{}", gateway.scraped());
    }
}

/// A read may have a body too, if nobody says what for (RFC 9110 §9.3.1).
#[tokio::test(start_paused = true)]
async fn the_body_of_a_get_whose_length_is_not_known_goes_on() {
    let (client, mut gateway) = gateway(Config::default());
    let (chunks, request) = upload(Method::GET);
    chunks.send(Ok(Bytes::from_static(b"hello"))).unwrap();
    drop(chunks);
    let serve = async {
        let mut peer = gateway.accept().await;
        let head = peer.head().await;
        assert!(head.contains("transfer-encoding: chunked\r\n"), "{head}");
        assert_eq!(peer.read(15).await, b"5\r\nhello\r\n0\r\n\r\n");
        peer.send(ok("done")).await;
    };
    let (answer, ()) = tokio::join!(client.relay(request, LONG), serve);
    assert_eq!(answer.unwrap().status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_connection_answered_before_its_request_was_read_is_not_used_again() {
    let (client, mut gateway) = gateway(Config::default());
    let (chunks, request) = upload(Method::POST);
    chunks.send(Ok(Bytes::from_static(b"hello"))).unwrap();
    let serve = async {
        let mut first = gateway.accept().await;
        first.head().await;
        first
            .send("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
            .await;
        first.closed().await;
        let mut second = gateway.accept().await;
        second.answer("second").await;
        second
    };
    let calls = async {
        let answer = client.relay(request, LONG).await.unwrap();
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
        drop(answer);
        client.fetch(get("/")).await.unwrap()
    };
    let (_peer, answer) = tokio::join!(serve, calls);
    assert_eq!(answer.body, "second");
    drop(chunks);
}

#[tokio::test(start_paused = true)]
async fn a_request_body_that_breaks_is_told_as_such() {
    let (client, mut gateway) = gateway(Config::default());
    let (chunks, request) = upload(Method::POST);
    let serve = async {
        let mut peer = gateway.accept().await;
        peer.head().await;
        chunks.send(Err(BodyError::cut("gone"))).unwrap();
        peer.closed().await;
    };
    let (answer, ()) = tokio::join!(client.relay(request, LONG), serve);
    let error = answer.err().unwrap();
    assert_eq!((error.cause, error.sent), (Cause::RequestBody, Sent::Maybe));
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_body_is_untouched_goes_to_a_fresh_connection() {
    let (client, mut gateway) = gateway(Config::default());
    let (nothing, request) = upload(Method::GET);
    drop(nothing);
    let (answer, first) = tokio::join!(client.relay(request, LONG), async {
        let mut peer = gateway.accept().await;
        peer.answer("first").await;
        peer.read(b"0\r\n\r\n".len()).await;
        peer
    });
    let body = collect(answer.unwrap().into_body(), 10_000).await;
    assert_eq!(body.unwrap(), "first");
    drop(first);
    let (chunks, request) = upload(Method::GET);
    chunks.send(Ok(Bytes::from_static(b"hello"))).unwrap();
    drop(chunks);
    let serve = async {
        let mut peer = gateway.accept().await;
        peer.head().await;
        assert_eq!(peer.read(15).await, b"5\r\nhello\r\n0\r\n\r\n");
        peer.send(ok("second")).await;
    };
    let (answer, ()) = tokio::join!(client.relay(request, LONG), serve);
    assert_eq!(answer.unwrap().status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn fields_that_do_not_come_in_time_are_given_up() {
    let (client, mut gateway) = gateway(Config::default());
    let serve = async {
        let mut peer = gateway.accept().await;
        peer.head().await;
        peer.closed().await;
    };
    let (answer, ()) = tokio::join!(client.relay(get("/"), LONG), serve);
    let error = answer.err().unwrap();
    assert_eq!(
        (error.cause, error.sent),
        (Cause::AnswerTimeout, Sent::Maybe)
    );
}

#[tokio::test(start_paused = true)]
async fn the_length_of_an_answer_without_body_is_kept() {
    let (client, mut gateway) = gateway(Config::default());
    let serve = async {
        let mut peer = gateway.accept().await;
        peer.head().await;
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            .await;
        peer
    };
    let head = Request::head("/").body(Body::empty()).unwrap();
    let (answer, _peer) = tokio::join!(client.relay(head, Duration::from_secs(60)), serve);
    let answer = answer.unwrap();
    assert_eq!(answer.headers()["content-length"], "1000");
    assert!(answer.body().is_end_stream());
}
