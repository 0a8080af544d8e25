//! Requests over HTTP/2 that are not answered: what the peer's frames prove, and what they do not.
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{join_all, select_all};
use holdline::certificates::provider;
use holdline::drain::Drain;
use holdline::message::{Body, BodyError};
use holdline::upstream::{Cause, Config, Error, Sent};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use rustls::sign::SingleCertAndKey;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::peer::{Gateway, Peer, client, get, post};
use super::tls::{Authority, HOST, HTTP_2, Tls, accept, calls};
use crate::secure;
use crate::stage::bench::holdline;

/// Longer than any of these tests takes.
const LONG: Duration = Duration::from_secs(60);

/// Kinds of frames (RFC 9113 §6), and the codes of an end (§7).
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// Streams that the peer allows at once (RFC 9113 §6.5.2), and that it is one.
const ONE_STREAM: [u8; 6] = [0, 3, 0, 0, 0, 1];
/// `:status 200` (RFC 7541, appendix A).
const STATUS_200: u8 = 0x88;
const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;

/// The far end of a connection, of which the test writes every frame.
struct Frames<S>(S);

impl<S: AsyncRead + AsyncWrite + Unpin> Frames<S> {
    /// The connection once its settings are exchanged.
    async fn begin(stream: S) -> Self {
        Self::begin_with(stream, &[]).await
    }

    async fn begin_with(mut stream: S, settings: &[u8]) -> Self {
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).await.unwrap();
        let mut frames = Self(stream);
        frames.send(SETTINGS, 0, 0, settings).await;
        frames
    }

    async fn answer(&mut self, stream: u32) {
        let flags = END_HEADERS | END_STREAM;
        self.send(HEADERS, flags, stream, &[STATUS_200]).await;
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.0.write_all(&frame).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// The number of the next request's stream.
    async fn request(&mut self) -> u32 {
        loop {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await.unwrap();
            let length = usize::from(head[1]) << 8 | usize::from(head[2]);
            let mut payload = vec![0; length];
            self.0.read_exact(&mut payload).await.unwrap();
            if head[3] == HEADERS {
                return u32::from_be_bytes(head[5..].try_into().unwrap());
            }
        }
    }

    async fn reset(&mut self, stream: u32, code: u32) {
        self.send(RST_STREAM, 0, stream, &code.to_be_bytes()).await;
    }

    async fn go_away(&mut self, last: u32, code: u32) {
        let payload = [last.to_be_bytes(), code.to_be_bytes()].concat();
        self.send(GOAWAY, 0, 0, &payload).await;
    }
}

/// What becomes of a request whose stream the peer ends so.
async fn relayed<S>(request: Request<Body>, end: impl AsyncFnOnce(&mut Frames<Tls>) -> S) -> Error {
    let authority = Authority::new();
    let acceptor = authority.serves(HOST, 2100, &[HTTP_2]);
    let (client, mut gateway) = calls(authority.trusted());
    let serve = async {
        let Peer(stream) = accept(&mut gateway, &acceptor).await.unwrap();
        let mut frames = Frames::begin(stream).await;
        end(&mut frames).await;
        frames
    };
    let (answer, _frames) = tokio::join!(client.relay(request, LONG), serve);
    answer.err().unwrap()
}

#[tokio::test]
async fn a_stream_that_is_refused_was_not_processed() {
    for request in [get("/"), post("{}"), post(vec![b'x'; 40_000])] {
        let error = relayed(request, async |frames| {
            let stream = frames.request().await;
            frames.reset(stream, REFUSED_STREAM).await;
        })
        .await;
        assert_eq!((error.cause, error.sent), (Cause::Unprocessed, Sent::Never));
    }
}

#[tokio::test]
async fn a_stream_above_the_last_one_of_a_goodbye_was_not_processed() {
    for code in [NO_ERROR, INTERNAL_ERROR] {
        let error = relayed(post("{}"), async |frames| {
            frames.request().await;
            frames.go_away(0, code).await;
        })
        .await;
        assert_eq!((error.cause, error.sent), (Cause::Unprocessed, Sent::Never));
    }
}

#[tokio::test]
async fn a_stream_that_ends_otherwise_may_have_been_processed() {
    for code in [NO_ERROR, INTERNAL_ERROR, CANCEL] {
        let error = relayed(post("{}"), async |frames| {
            let stream = frames.request().await;
            frames.reset(stream, code).await;
        })
        .await;
        assert_eq!((error.cause, error.sent), (Cause::Terminated, Sent::Maybe));
        let error = relayed(post("{}"), async |frames| {
            let stream = frames.request().await;
            frames.go_away(stream, code).await;
            frames.0.shutdown().await.unwrap();
        })
        .await;
        assert_eq!((error.cause, error.sent), (Cause::Terminated, Sent::Maybe));
    }
}

/// h2 itself resets such a stream, which says nothing of what the peer did.
#[tokio::test]
async fn fields_over_the_largest_are_no_refusal_of_the_peers() {
    let error = relayed(post("{}"), async |frames| {
        let stream = frames.request().await;
        // `:status: 200`, then literal fields without indexing (RFC 7541 §6.2.2).
        let mut fields = vec![0x88];
        for name in b'a'..b'f' {
            fields.extend([0, 1, name, 127, 0x81, 0x7f]);
            fields.extend([b'x'; 16_384]);
        }
        let mut parts = fields.chunks(16_384).peekable();
        let mut kind = HEADERS;
        while let Some(part) = parts.next() {
            let flags = if parts.peek().is_none() {
                END_HEADERS
            } else {
                0
            };
            frames.send(kind, flags, stream, part).await;
            kind = CONTINUATION;
        }
    })
    .await;
    assert_eq!((error.cause, error.sent), (Cause::Malformed, Sent::Maybe));
}

#[tokio::test]
async fn a_request_body_that_breaks_is_told_as_such() {
    let broken = futures_util::stream::iter([
        Ok(http_body::Frame::data(Bytes::from_static(b"half"))),
        Err(BodyError::cut("gone")),
    ]);
    let body = Body::streamed(http_body_util::StreamBody::new(broken).boxed_unsync());
    let request = Request::post("/upload").body(body).unwrap();
    let error = relayed(request, async |frames| frames.request().await).await;
    assert_eq!((error.cause, error.sent), (Cause::RequestBody, Sent::Maybe));
}

/// The words of it, from outside.
#[tokio::test]
async fn a_client_is_told_that_a_refused_request_was_not_executed() {
    let authority = secure::Authority::new();
    let pair = authority.pair(secure::HOST).read().unwrap();
    let resolver = SingleCertAndKey::from(Arc::unwrap_or_clone(pair));
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = vec![HTTP_2.to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("https://{}", listener.local_addr().unwrap());
    let drain = Drain::new();
    let served = drain.spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let tls = acceptor.accept(tcp).await.unwrap();
        let mut frames = Frames::begin(tls).await;
        for code in [REFUSED_STREAM, CANCEL] {
            let stream = frames.request().await;
            frames.reset(stream, code).await;
        }
        frames
    });
    let bench = holdline()
        .gateway(origin.as_str())
        .file(&format!(
            "server_name = \"{}\"\nca_file = {:?}\n",
            secure::HOST,
            authority.file()
        ))
        .start()
        .await;
    let refused = bench.post("/credit_cards").send().await;
    refused.is_refusal(502);
    assert!(refused.text().contains("was not executed"), "{refused:?}");
    assert_eq!(refused.field("retry-after"), Some("1"));
    bench.post("/credit_cards").send().await.is_in_doubt();
    served.await.unwrap();
}

#[tokio::test]
async fn a_shared_connection_of_before_a_reload_carries_no_further_request() {
    let authority = Authority::new();
    let acceptor = authority.serves(HOST, 2100, &[HTTP_2]);
    let (connector, mut gateway) = Gateway::in_memory();
    let connector = connector.with_tls(authority.trusted());
    let url = format!("https://{HOST}");
    let client = client(&url, connector.clone(), Config::default());
    for _ in 0..2 {
        let (answer, mut frames) = tokio::join!(client.fetch(get("/")), async {
            let Peer(stream) = accept(&mut gateway, &acceptor).await.unwrap();
            let mut frames = Frames::begin(stream).await;
            let stream = frames.request().await;
            frames.answer(stream).await;
            frames
        });
        assert_eq!(answer.unwrap().status, http::StatusCode::OK);
        client.reconfigure(Config::default(), connector.clone());
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(LONG, frames.0.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "it is closed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_has_little_time_left_when_its_stream_is_allowed_does_not_leave() {
    let authority = Authority::new();
    let acceptor = authority.serves(HOST, 2100, &[HTTP_2]);
    let (client, mut gateway) = calls(authority.trusted());
    let almost = Config::default().answer_timeout * 9 / 10;
    // There are two shared connections at most.
    let calls = join_all((0..3).map(async |number| {
        tokio::time::sleep(Duration::from_millis(number)).await;
        client.fetch(get("/")).await
    }));
    let serve = async {
        let mut asked = Vec::new();
        for _ in 0..2 {
            let Peer(stream) = accept(&mut gateway, &acceptor).await.unwrap();
            let mut frames = Frames::begin_with(stream, &ONE_STREAM).await;
            let stream = frames.request().await;
            asked.push((frames, stream));
        }
        tokio::time::sleep(almost).await;
        for (frames, stream) in &mut asked {
            frames.answer(*stream).await;
        }
        let next = asked
            .iter_mut()
            .map(|(frames, _)| Box::pin(frames.request()));
        let asked_once_more = tokio::time::timeout(almost, select_all(next)).await.is_ok();
        (asked_once_more, asked)
    };
    let (answers, (asked_once_more, _connections)) = tokio::join!(calls, serve);
    assert!(answers[0].is_ok() && answers[1].is_ok(), "{answers:?}");
    let error = answers[2].as_ref().unwrap_err();
    assert_eq!((error.cause, error.sent), (Cause::Exhausted, Sent::Never));
    assert!(!asked_once_more, "its answer could be given only once");
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_stream_gets_the_next_one_that_is_allowed() {
    let authority = Authority::new();
    let acceptor = authority.serves(HOST, 2100, &[HTTP_2]);
    let (client, mut gateway) = calls(authority.trusted());
    let calls = join_all((0..20).map(async |number| {
        tokio::time::sleep(Duration::from_millis(number)).await;
        client.fetch(get("/")).await
    }));
    let serve = async {
        let mut served = Vec::new();
        for _ in 0..2 {
            let Peer(stream) = accept(&mut gateway, &acceptor).await.unwrap();
            served.push(Frames::begin_with(stream, &ONE_STREAM).await);
        }
        let serve = served.iter_mut().map(async |frames| {
            loop {
                let stream = frames.request().await;
                tokio::time::sleep(Duration::from_millis(30)).await;
                frames.answer(stream).await;
            }
        });
        join_all(serve).await
    };
    let answers = tokio::select! {
        answers = calls => answers,
        _ = serve => unreachable!("it serves for ever"),
    };
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

/// Each is larger than any window, and no client reads on.
#[tokio::test]
async fn relayed_answers_that_nobody_reads_leave_room_for_those_of_polls() {
    let authority = Authority::new();
    let acceptor = authority.serves(HOST, 2100, &[HTTP_2]);
    let (client, mut gateway) = calls(authority.trusted());
    let large = Bytes::from(vec![b'.'; 16 * 1024 * 1024]);
    let serve = async {
        let Peer(stream) = accept(&mut gateway, &acceptor).await.unwrap();
        let answer = service_fn(|request: Request<Incoming>| {
            let is_poll = request.uri().path() == "/poll";
            let body = if is_poll {
                Bytes::from_static(b"polled")
            } else {
                large.clone()
            };
            std::future::ready(Ok::<_, Infallible>(Response::new(Full::new(body))))
        });
        let http2 = http2::Builder::new(TokioExecutor::new());
        let _ = http2.serve_connection(TokioIo::new(stream), answer).await;
    };
    let ask = async {
        let mut unread = Vec::new();
        for _ in 0..8 {
            unread.push(client.relay(get("/large"), LONG).await.unwrap());
        }
        // All that may come of them comes.
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(client.fetch(get("/poll")).await.unwrap().body, "polled");
    };
    tokio::select! {
        () = serve => panic!("the connection ended"),
        () = ask => {}
    }
}
