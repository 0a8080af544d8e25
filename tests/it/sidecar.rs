//! The whole app before a simulated gateway, in the test's own process.
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use holdline::app::App;
use holdline::config::{Config, File, Flags, resolve};
use holdline::drain::Drain;
use holdline::simulator::{DEMO_KEY, DEMO_SHOP, Gateway, Latency, Settings, TaskRepeat};
use holdline::timing::Clock;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use crate::secure::HOST;

/// A running holdline; it ends with the test's runtime.
pub(crate) struct Sidecar {
    /// Where clients connect to.
    pub(crate) address: SocketAddr,
    /// Where the operator asks.
    pub(crate) admin: SocketAddr,
    /// The directory that `holdline cert` made, where clients speak TLS.
    pub(crate) certificates: Option<PathBuf>,
    drain: Drain,
    /// Where its journal is.
    _room: tempfile::TempDir,
}

/// A gateway that listens, and tells every double charge: neither a known key nor its own filter
/// of duplicates hides one.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    pub(crate) gateway: Gateway,
    drain: Drain,
}

/// Starts a gateway whose tasks take `work`.
pub(crate) async fn upstream(work: Duration) -> Upstream {
    let settings = Settings {
        latency: Latency::Fixed(work),
        duplicate_window: Duration::ZERO,
        task_repeat: TaskRepeat::Ignored,
        ..Settings::default()
    };
    let gateway = Gateway::new(settings, Clock::start());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = Upstream {
        address: listener.local_addr().unwrap(),
        gateway: gateway.clone(),
        drain: Drain::new(),
    };
    let drain = upstream.drain.clone();
    drop(upstream.drain.spawn({
        let drain = drain.clone();
        async move { gateway.serve(listener, drain).await }
    }));
    upstream
}

/// Starts holdline before a gateway, with what else its file says.
pub(crate) fn sidecar(upstream: SocketAddr, more: &str) -> Sidecar {
    start(upstream, "", more, None)
}

/// Starts holdline before a gateway, with TLS to its clients and certificates of its own making.
pub(crate) fn secure_sidecar(upstream: SocketAddr, more: &str) -> Sidecar {
    let room = tempfile::tempdir().unwrap();
    let folder = room.path().join("tls");
    let made = std::process::Command::new(env!("CARGO_BIN_EXE_holdline"))
        .args(["cert", "--host", HOST, "--out"])
        .arg(&folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let keys = format!(
        "tls_certificate = {:?}\ntls_key = {:?}\n",
        folder.join(format!("{HOST}.pem")),
        folder.join(format!("{HOST}.key"))
    );
    start(upstream, &keys, more, Some((room, folder)))
}

fn start(
    upstream: SocketAddr,
    keys: &str,
    more: &str,
    certificates: Option<(tempfile::TempDir, PathBuf)>,
) -> Sidecar {
    // Answers come within milliseconds, unless the test is of what is learned.
    let fixed = if more.starts_with("schedule") {
        ""
    } else {
        "schedule = \"fixed\"\n"
    };
    let text = format!(
        "[[gateway]]\nname = \"test\"\nlisten = \"127.0.0.1:0\"\n\
         upstream = \"http://{upstream}\"\n{keys}\
         [admin]\nlisten = \"127.0.0.1:0\"\n[polling]\ninterval = \"50ms\"\n{fixed}{more}"
    );
    let file = File {
        path: PathBuf::from("holdline.toml"),
        text,
    };
    let config = resolve(Some(&file), [], &Flags::default()).unwrap().config;
    let (room, certificates) = match certificates {
        Some((room, folder)) => (room, Some(folder)),
        None => (tempfile::tempdir().unwrap(), None),
    };
    run(config, room, certificates)
}

/// Starts holdline with a configuration, on ports of its own and with a journal of its own.
pub(crate) fn configured(mut config: Config) -> Sidecar {
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    config.admin.listen = loopback;
    for gateway in &mut config.gateways {
        gateway.listen = loopback;
    }
    run(config, tempfile::tempdir().unwrap(), None)
}

fn run(mut config: Config, room: tempfile::TempDir, certificates: Option<PathBuf>) -> Sidecar {
    config.journal.path = room.path().join("holdline.redb");
    let app = App::build(config).unwrap();
    let sidecar = Sidecar {
        address: app.addresses()[0],
        admin: app.admin_address().unwrap(),
        certificates,
        drain: Drain::new(),
        _room: room,
    };
    let running = app.run(std::future::pending(), std::future::pending());
    drop(sidecar.drain.spawn(running));
    sidecar
}

/// A payment of the demo shop; `tracking_id` tells it from others.
pub(crate) fn payment(tracking_id: &str, description: &str) -> String {
    json!({"request": {
        "amount": 100,
        "currency": "USD",
        "description": description,
        "tracking_id": tracking_id,
        "credit_card": {
            "number": "4200000000000000",
            "verification_value": "123",
            "holder": "Zoë Ünal",
            "exp_month": "01",
            "exp_year": "2030",
        },
    }})
    .to_string()
}

/// The demo shop, as `ID:KEY`.
pub(crate) fn shop() -> String {
    format!("{DEMO_SHOP}:{DEMO_KEY}")
}

/// A request with the shop's credentials.
pub(crate) fn request(
    method: Method,
    path: &str,
    fields: &[(&str, &str)],
    body: &str,
) -> Request<Full<Bytes>> {
    let authorization = format!("Basic {}", STANDARD.encode(shop()));
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "127.0.0.1")
        .header("authorization", authorization);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(Full::new(body.to_owned().into())).unwrap()
}

/// Asks on a connection of its own.
pub(crate) async fn ask(address: SocketAddr, request: Request<Full<Bytes>>) -> (StatusCode, Bytes) {
    speak(TcpStream::connect(address).await.unwrap(), request).await
}

/// Asks on this connection.
pub(crate) async fn speak<S>(stream: S, request: Request<Full<Bytes>>) -> (StatusCode, Bytes)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    let drain = Drain::new();
    drop(drain.spawn(connection));
    let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
    (parts.status, body.collect().await.unwrap().to_bytes())
}

/// Gets a path with the shop's credentials.
pub(crate) async fn get(
    address: SocketAddr,
    path: &str,
    fields: &[(&str, &str)],
) -> (StatusCode, Bytes) {
    ask(address, request(Method::GET, path, fields, "")).await
}

/// Pays with the shop's credentials.
pub(crate) async fn pay(
    address: SocketAddr,
    fields: &[(&str, &str)],
    body: &str,
) -> (StatusCode, Bytes) {
    let path = "/transactions/payments";
    ask(address, request(Method::POST, path, fields, body)).await
}
