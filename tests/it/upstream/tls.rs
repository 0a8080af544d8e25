//! TLS to the gateway: whom we believe, and what is spoken above it.
use std::convert::Infallible;
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use holdline::certificates::issuers;
use holdline::drain::Drain;
use holdline::message::collect;
use holdline::upstream::{Cause, Client, Config, Connector, Sent, TlsConfig};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::peer::{Gateway, Peer, client, get, is_set, latch, ok, post};

pub(super) const HOST: &str = "gateway.example";
const HTTP_1: &[u8] = b"http/1.1";
pub(super) const HTTP_2: &[u8] = b"h2";

pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new() -> Self {
        Self::called("an authority")
    }

    fn called(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A client that trusts this authority alone.
    pub(super) fn trusted(&self) -> TlsConfig {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(self.0.pem().as_bytes()).unwrap();
        TlsConfig::from_roots(issuers(file.path()).unwrap()).unwrap()
    }

    /// A server with a certificate for `host` that is valid until `year`.
    pub(super) fn serves(&self, host: &str, year: i32, protocols: &[&[u8]]) -> TlsAcceptor {
        self.certified(host, 2000..year, protocols, None)
    }

    /// A server with a certificate for `host` that is valid in these years. It asks its clients for
    /// one of `clients`, if there is one.
    fn certified(
        &self,
        host: &str,
        years: Range<i32>,
        protocols: &[&[u8]],
        clients: Option<&Self>,
    ) -> TlsAcceptor {
        let (certificate, key) = self.pair(host, years);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(clients.0.der().clone()).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let mut config = builder.with_single_cert(vec![certificate], key).unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    fn pair(
        &self,
        host: &str,
        years: Range<i32>,
    ) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        params.not_before = date_time_ymd(years.start, 1, 1);
        params.not_after = date_time_ymd(years.end, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        (certificate.der().clone(), key)
    }

    /// What a client of this authority shows.
    fn identity(&self) -> Arc<CertifiedKey> {
        let (certificate, key) = self.pair("client.example", 2000..2100);
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
        Arc::new(CertifiedKey::new(vec![certificate], key))
    }
}

pub(super) type Tls = tokio_rustls::server::TlsStream<DuplexStream>;

pub(super) async fn accept(
    gateway: &mut Gateway,
    acceptor: &TlsAcceptor,
) -> std::io::Result<Peer<Tls>> {
    let Peer(stream) = gateway.accept().await;
    acceptor.accept(stream).await.map(Peer)
}

pub(super) fn calls(tls: TlsConfig) -> (Client, Gateway) {
    let (connector, gateway) = Gateway::in_memory();
    let url = format!("https://{HOST}");
    (
        client(&url, connector.with_tls(tls), Config::default()),
        gateway,
    )
}

#[tokio::test]
async fn a_certificate_that_is_not_acceptable_is_told_with_its_reason() {
    let (ours, other) = (Authority::new(), Authority::called("another"));
    let early = ours.certified(HOST, 2090..2100, &[], None);
    let cases = [
        (early, "it is not valid yet"),
        (ours.serves(HOST, 2001, &[]), "it has expired"),
        (
            ours.serves("other.example", 2100, &[]),
            "it is for another host",
        ),
        (other.serves(HOST, 2100, &[]), "its issuer is not trusted"),
    ];
    let (client, mut gateway) = calls(ours.trusted());
    for (acceptor, reason) in cases {
        let (connection, shaken) =
            tokio::join!(client.connect(None), accept(&mut gateway, &acceptor));
        assert!(shaken.is_err());
        let error = connection.err().unwrap();
        assert_eq!(
            (error.cause, error.sent, error.detail.as_deref()),
            (Cause::Certificate, Sent::Never, Some(reason))
        );
        assert!(!error.cause.is_passing());
    }
}

#[tokio::test]
async fn a_pinned_name_is_asked_for_and_no_other_is_accepted() {
    let authority = Authority::new();
    let pinned = "pinned.example";
    let tls = || {
        let name = rustls::pki_types::ServerName::try_from(pinned).unwrap();
        authority.trusted().with_server_name(name)
    };
    let (client, mut gateway) = calls(tls());
    let acceptor = authority.serves(pinned, 2100, &[]);
    let (connection, peer) = tokio::join!(client.connect(None), accept(&mut gateway, &acceptor));
    assert!(connection.is_ok());
    assert_eq!(peer.unwrap().0.get_ref().1.server_name(), Some(pinned));
    let acceptor = authority.serves(HOST, 2100, &[]);
    let (connection, _) = tokio::join!(client.connect(None), accept(&mut gateway, &acceptor));
    let error = connection.err().unwrap();
    assert_eq!(error.detail.as_deref(), Some("it is for another host"));
}

#[tokio::test]
async fn a_gateway_is_reached_by_its_address_under_its_own_name() {
    let authority = Authority::new();
    let acceptor = authority.serves(HOST, 2100, &[HTTP_1]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let reach = address.parse().unwrap();
    let connector = Connector::network(authority.trusted()).by_way_of(Some(reach));
    let client = client(&format!("https://{HOST}"), connector, Config::default());
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut peer = Peer(acceptor.accept(stream).await.unwrap());
        let head = peer.head().await;
        peer.send(ok("here")).await;
        (head, peer)
    };
    let (answer, (head, _peer)) = tokio::join!(client.fetch(get("/")), serve);
    assert_eq!(answer.unwrap().body, "here");
    let host = format!("host: {HOST}\r\n");
    assert!(head.to_lowercase().contains(&host), "{head}");
}

#[tokio::test]
async fn a_gateway_that_demands_a_certificate_is_shown_ours_or_told_apart() {
    let (ours, clients) = (Authority::new(), Authority::called("of clients"));
    let acceptor = ours.certified(HOST, 2000..2100, &[], Some(&clients));
    let (client, mut gateway) = calls(ours.trusted().with_identity(&clients.identity()));
    let (connection, peer) = tokio::join!(client.connect(None), accept(&mut gateway, &acceptor));
    assert!(connection.is_ok());
    assert!(peer.unwrap().0.get_ref().1.peer_certificates().is_some());

    let strangers = Authority::called("nobody's");
    for (tls, words) in [
        (
            ours.trusted(),
            "it demands a certificate of us (client_certificate, client_key)",
        ),
        (
            ours.trusted().with_identity(&strangers.identity()),
            "it does not accept our certificate: ",
        ),
    ] {
        let (client, mut gateway) = calls(tls);
        // Under TLS 1.3 it is told after our side of the handshake is over, so that the request
        // may be on its way; it never counts as unsent then.
        let (answer, shaken) =
            tokio::join!(client.fetch(get("/")), accept(&mut gateway, &acceptor));
        assert!(shaken.is_err());
        let error = answer.unwrap_err();
        assert_eq!(error.cause, Cause::Handshake, "{error}");
        assert!(
            error.detail.as_deref().unwrap().starts_with(words),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_peer_that_speaks_no_tls_fails_the_handshake() {
    let authority = Authority::new();
    let (client, mut gateway) = calls(authority.trusted());
    let (connection, ()) = tokio::join!(client.connect(None), async {
        gateway.accept().await.send(ok("no TLS here")).await;
    });
    let error = connection.err().unwrap();
    assert_eq!((error.cause, error.sent), (Cause::Handshake, Sent::Never));
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_end_is_given_up() {
    let authority = Authority::new();
    let (client, mut gateway) = calls(authority.trusted());
    let (connection, _peer) = tokio::join!(client.connect(None), gateway.accept());
    let error = connection.err().unwrap();
    assert_eq!((error.cause, error.sent), (Cause::Handshake, Sent::Never));
}

#[tokio::test]
async fn an_origin_with_tls_is_never_called_without() {
    let (connector, gateway) = Gateway::in_memory();
    let client = client(&format!("https://{HOST}"), connector, Config::default());
    let error = client.connect(None).await.err().unwrap();
    assert_eq!((error.cause, error.sent), (Cause::Handshake, Sent::Never));
    drop(gateway);
}

#[tokio::test]
async fn a_submit_speaks_http_1_and_the_handshake_does_not_count_as_sent() {
    let authority = Authority::new();
    let acceptor = authority.serves(HOST, 2100, &[HTTP_2, HTTP_1]);
    let (client, mut gateway) = calls(authority.trusted());
    let (connection, peer) = tokio::join!(client.connect(None), accept(&mut gateway, &acceptor));
    let mut peer = peer.unwrap();
    assert_eq!(peer.0.get_ref().1.alpn_protocol(), Some(HTTP_1));
    let latch = latch();
    let mut submission = connection.unwrap().submit(post("{}"), latch.clone());
    assert!(!is_set(&latch));
    let serve = async {
        peer.head().await;
        peer.read(2).await;
        peer.send(ok("done")).await;
    };
    let (answer, ()) = tokio::join!(
        async {
            submission.handed_over().await.unwrap();
            assert!(is_set(&latch));
            submission.answer().await
        },
        serve
    );
    assert_eq!(answer.unwrap().body, "done");
}

#[tokio::test]
async fn a_tls_connection_that_ended_before_the_first_byte_was_never_sent_on() {
    let authority = Authority::new();
    let acceptor = authority.serves(HOST, 2100, &[]);
    let (client, mut gateway) = calls(authority.trusted());
    let (connection, peer) = tokio::join!(client.connect(None), accept(&mut gateway, &acceptor));
    drop(peer.unwrap());
    let mut submission = connection.unwrap().submit(post("{}"), latch());
    let error = submission.handed_over().await.unwrap_err();
    assert_eq!((error.cause, error.sent), (Cause::Terminated, Sent::Never));
}

/// Without its goodbye (RFC 8446 §6.1) a close could be anybody's: what has no length is cut.
#[tokio::test]
async fn an_answer_to_the_end_of_a_tls_connection_needs_the_goodbye() {
    let authority = Authority::new();
    let acceptor = authority.serves(HOST, 2100, &[]);
    let (client, mut gateway) = calls(authority.trusted());
    let (answer, ()) = tokio::join!(client.fetch(get("/")), async {
        let mut peer = accept(&mut gateway, &acceptor).await.unwrap();
        peer.head().await;
        peer.send("HTTP/1.1 200 OK\r\n\r\nwhole or cut?").await;
    });
    let error = answer.unwrap_err();
    assert_eq!((error.cause, error.sent), (Cause::Terminated, Sent::Maybe));
}

#[tokio::test]
async fn the_pool_speaks_http_1_over_tls_where_the_gateway_does() {
    let authority = Authority::new();
    let acceptor = authority.serves(HOST, 2100, &[HTTP_1]);
    let (client, mut gateway) = calls(authority.trusted());
    let serve = async {
        let mut peer = accept(&mut gateway, &acceptor).await.unwrap();
        for _ in 0..3 {
            peer.answer("one").await;
        }
        peer
    };
    let fetches = async {
        for _ in 0..3 {
            assert_eq!(client.fetch(get("/")).await.unwrap().body, "one");
        }
    };
    tokio::join!(serve, fetches);
    assert_eq!(gateway.waiting(), 0);
}

async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let words = format!(
        "{:?} {} {:?}",
        request.version(),
        request.uri(),
        request.headers().get("host")
    );
    Ok(Response::new(Full::from(words)))
}

#[tokio::test]
async fn a_burst_shares_one_http_2_connection() {
    let authority = Authority::new();
    let acceptor = authority.serves(HOST, 2100, &[HTTP_2, HTTP_1]);
    let (client, mut gateway) = calls(authority.trusted());
    let serve = async {
        let Peer(stream) = accept(&mut gateway, &acceptor).await.unwrap();
        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service_fn(echo))
            .await
    };
    let fetches = join_all((0..50).map(|_| client.fetch(get("/a?b"))));
    let answers = tokio::select! {
        answers = fetches => answers,
        ended = serve => panic!("{ended:?}"),
    };
    for answer in answers {
        assert_eq!(
            answer.unwrap().body,
            "HTTP/2.0 https://gateway.example/a?b None"
        );
    }
    assert_eq!(gateway.waiting(), 0);
}

/// A shared connection whose far end went silent is not asked again.
#[tokio::test(start_paused = true)]
async fn a_silent_http_2_connection_is_replaced() {
    let authority = Authority::new();
    let acceptor = authority.serves(HOST, 2100, &[HTTP_2]);
    let (client, mut gateway) = calls(authority.trusted());
    let served = AtomicUsize::new(0);
    let serve = async {
        let silent = accept(&mut gateway, &acceptor).await.unwrap();
        let Peer(stream) = accept(&mut gateway, &acceptor).await.unwrap();
        served.fetch_add(1, Ordering::Relaxed);
        let served = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service_fn(echo))
            .await;
        drop(silent);
        served
    };
    let fetches = async {
        let error = client.fetch(get("/")).await.unwrap_err();
        assert_eq!(
            (error.cause, error.sent),
            (Cause::AnswerTimeout, Sent::Maybe)
        );
        client.fetch(get("/")).await.unwrap()
    };
    tokio::select! {
        _answer = fetches => assert_eq!(served.load(Ordering::Relaxed), 1),
        ended = serve => panic!("{ended:?}"),
    }
}

#[tokio::test]
async fn an_http_2_connection_that_says_goodbye_is_replaced() {
    let authority = Authority::new();
    let acceptor = authority.serves(HOST, 2100, &[HTTP_2]);
    let (client, mut gateway) = calls(authority.trusted());
    let (first_answered, answered) = tokio::sync::oneshot::channel();
    let serve = async {
        let Peer(stream) = accept(&mut gateway, &acceptor).await.unwrap();
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let mut first = Box::pin(server.serve_connection(TokioIo::new(stream), service_fn(echo)));
        tokio::select! {
            _ended = &mut first => {}
            _answered = answered => first.as_mut().graceful_shutdown(),
        }
        let second = async {
            let Peer(stream) = accept(&mut gateway, &acceptor).await.unwrap();
            server
                .serve_connection(TokioIo::new(stream), service_fn(echo))
                .await
        };
        tokio::join!(first, second)
    };
    let fetches = async {
        client.fetch(get("/first")).await.unwrap();
        first_answered.send(()).unwrap();
        for _ in 0..10 {
            client.fetch(get("/next")).await.unwrap();
        }
    };
    tokio::select! {
        () = fetches => {}
        ended = serve => panic!("{ended:?}"),
    }
}

#[tokio::test]
async fn a_request_is_relayed_over_http_2() {
    let authority = Authority::new();
    let acceptor = authority.serves(HOST, 2100, &[HTTP_2]);
    let (client, mut gateway) = calls(authority.trusted());
    let serve = async {
        let Peer(stream) = accept(&mut gateway, &acceptor).await.unwrap();
        let mirror = service_fn(async |request: Request<Incoming>| {
            Ok::<_, Infallible>(Response::new(request.into_body()))
        });
        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), mirror)
            .await
    };
    let body = vec![b'x'; 1024 * 1024];
    let relay = async {
        let answer = client
            .relay(post(body.clone()), std::time::Duration::from_secs(60))
            .await
            .unwrap();
        collect(answer.into_body(), body.len()).await.unwrap()
    };
    tokio::select! {
        mirrored = relay => assert!(mirrored == body),
        ended = serve => panic!("{ended:?}"),
    }
}

/// The drain ends the task of a shared connection, so that the process can end.
#[tokio::test]
async fn a_shared_connection_ends_with_the_drain() {
    let authority = Authority::new();
    let acceptor = authority.serves(HOST, 2100, &[HTTP_2]);
    let (connector, mut gateway): (Connector, Gateway) = Gateway::in_memory();
    let drain = Drain::new();
    let client = Client::new(
        format!("https://{HOST}").parse().unwrap(),
        connector.with_tls(authority.trusted()),
        Config::default(),
        holdline::timing::Clock::start(),
        drain.clone(),
        gateway.metrics.clone(),
    );
    let serve = async {
        let Peer(stream) = accept(&mut gateway, &acceptor).await.unwrap();
        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service_fn(echo))
            .await
    };
    let end = async {
        client.fetch(get("/")).await.unwrap();
        assert!(drain.tasks() > 0);
        drain.end();
        tokio::time::timeout(Duration::from_secs(5), drain.finished())
            .await
            .unwrap();
    };
    let (_served, ()) = tokio::join!(serve, end);
    assert_eq!(drain.tasks(), 0);
}
