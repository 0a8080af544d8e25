//! A listener with TLS: what it shows, whom it serves, and what it says to everybody else.
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use holdline::certificates::PairFiles;
use holdline::drain::Drain;
use holdline::listener::{Certificates, Clients, Keyring, Metrics, Tls};
use holdline::timing::Clock;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::clients::is_here;
use crate::downstream::{Downstream, Setup, arrived, listener, tls_listener};
use crate::secure::{Authority, HOST, shake};
use crate::stage::bench::until;

/// How a client begins that speaks HTTP/2 with prior knowledge (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

const SHORT: Duration = Duration::from_millis(150);

/// A listener that shows these files.
fn shows(tls: Tls) -> (Downstream, Keyring) {
    let keyring = Keyring::load(tls, &Metrics::default()).unwrap();
    let downstream = listener().keyring(keyring.clone()).start();
    (downstream, keyring)
}

async fn reach(
    downstream: &Downstream,
    config: ClientConfig,
    name: &'static str,
) -> io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(downstream.address).await.unwrap();
    shake(config, name, tcp).await
}

/// Asks, and reads the answer's first line. Under TLS 1.3 a client learns only now whether its own
/// certificate was taken.
async fn asks(stream: &mut TlsStream<TcpStream>) -> io::Result<String> {
    let request = b"GET /empty HTTP/1.1\r\nhost: test\r\n\r\n";
    stream.write_all(request).await?;
    let mut answer = [0; 15];
    stream.read_exact(&mut answer).await?;
    Ok(String::from_utf8(answer.to_vec()).unwrap())
}

/// The end of the certificate that a client is shown, as it was made.
fn shown(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    let chain = stream.get_ref().1.peer_certificates().unwrap();
    chain[0].to_vec()
}

fn certificate(pair: &PairFiles) -> Vec<u8> {
    pair.read().unwrap().cert[0].to_vec()
}

#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken_with_http_1_1_above_them() {
    let authority = Authority::new();
    let (downstream, _) = shows(authority.tls(&[HOST], Clients::Unasked));
    for (version, number) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let (mut config, _) = authority.client(&[version], None);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let mut stream = reach(&downstream, config, HOST).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(number));
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert_eq!(asks(&mut stream).await.unwrap(), "HTTP/1.1 200 OK");
    }
    let (mut config, _) = authority.client(&[&TLS13], None);
    config.alpn_protocols = vec![b"h2".to_vec()];
    assert!(reach(&downstream, config, HOST).await.is_err());
    assert_fails(&downstream, "protocol").await;
}

/// Waits until a failure of that kind was counted.
async fn assert_fails(downstream: &Downstream, why: &str) {
    let line = format!("tls_failures_total{{why=\"{why}\"}} 1\n");
    let counted = async {
        while !downstream.metrics().contains(&line) {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), counted).await;
    assert!(waited.is_ok(), "not {line}: {}", downstream.metrics());
}

/// What `openssl s_client` says of a connection with these options.
async fn s_client(downstream: &Downstream, authority: &Authority, options: &[&str]) -> String {
    let mut command = Command::new("openssl");
    command
        .args(["s_client", "-connect", &downstream.address.to_string()])
        .args(["-servername", HOST, "-CAfile"])
        .arg(authority.file())
        .args(options)
        .stdin(Stdio::null());
    let said = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned()
}

#[tokio::test]
async fn openssl_finds_old_versions_closed_and_the_chain_sound() {
    if !is_here("openssl", &["version"]) {
        return;
    }
    let authority = Authority::new();
    let (downstream, _) = shows(authority.tls(&[HOST], Clients::Unasked));
    // The library's own level would refuse them before the server can.
    let old = ["-cipher", "ALL:@SECLEVEL=0"];
    for version in ["-tls1", "-tls1_1"] {
        let said = s_client(&downstream, &authority, &[&[version], &old[..]].concat()).await;
        assert!(said.contains("Cipher is (NONE)"), "{version}: {said}");
    }
    let metrics = downstream.metrics();
    assert!(metrics.contains("{why=\"version\"} 2\n"), "{metrics}");
    for version in ["-tls1_2", "-tls1_3"] {
        let said = s_client(&downstream, &authority, &[version]).await;
        assert!(
            said.contains("Verify return code: 0 (ok)"),
            "{version}: {said}"
        );
    }
    let said = s_client(
        &downstream,
        &authority,
        &["-tls1_2", "-cipher", "AES128-SHA"],
    )
    .await;
    assert!(said.contains("Cipher is (NONE)"), "{said}");
    assert_fails(&downstream, "cipher").await;
}

#[tokio::test]
async fn each_client_is_shown_the_certificate_for_the_name_that_it_asks_for() {
    let authority = Authority::new();
    let tls = authority.tls(&["one.example", "two.example"], Clients::Unasked);
    let pairs = tls.pairs.clone();
    let (downstream, _) = shows(tls);
    for (name, pair) in [("one.example", &pairs[0]), ("two.example", &pairs[1])] {
        let (config, _) = authority.client(&[&TLS13], None);
        let stream = reach(&downstream, config, name).await.unwrap();
        assert_eq!(shown(&stream), certificate(pair));
    }
    // Another name is shown the first, and finds fault with it itself.
    let (config, _) = authority.client(&[&TLS13], None);
    let refused = reach(&downstream, config, "three.example").await;
    let words = refused.err().unwrap().to_string();
    assert!(words.contains("not valid for name"), "{words}");
    assert_fails(&downstream, "untrusted").await;
}

#[tokio::test]
async fn a_client_certificate_is_asked_for_as_it_is_written() {
    let (ours, strangers) = (Authority::new(), Authority::new());
    let [good, bad] = [&ours, &strangers].map(|authority| authority.pair("client.example"));
    for required in [true, false] {
        let issuers = ours.file();
        let clients = if required {
            Clients::Required(issuers)
        } else {
            Clients::Optional(issuers)
        };
        let (downstream, _) = shows(ours.tls(&[HOST], clients));
        for (identity, served) in [(None, !required), (Some(&good), true), (Some(&bad), false)] {
            for version in [&TLS12, &TLS13] {
                let (config, _) = ours.client(&[version], identity);
                let answer = match reach(&downstream, config, HOST).await {
                    Ok(mut stream) => asks(&mut stream).await,
                    Err(error) => Err(error),
                };
                assert_eq!(
                    answer.is_ok(),
                    served,
                    "{required} {identity:?}: {answer:?}"
                );
            }
        }
        let metrics = downstream.metrics();
        assert!(
            metrics.contains("client_certificate_refused\"} 2"),
            "{metrics}"
        );
        assert_eq!(
            metrics.contains("client_certificate_missing\"} 2"),
            required,
            "{metrics}"
        );
    }
}

/// What a peer that says this is told, to the end of its connection.
async fn told(setup: Setup, words: &[u8], why: &str) -> Vec<u8> {
    let downstream = setup.start();
    let mut stream = TcpStream::connect(downstream.address).await.unwrap();
    stream.write_all(words).await.unwrap();
    let mut told = Vec::new();
    stream.read_to_end(&mut told).await.unwrap();
    assert_fails(&downstream, why).await;
    told
}

#[tokio::test]
async fn plain_http_is_told_in_plain_http_that_this_is_tls() {
    let request = b"POST /transactions/payments HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}";
    let told = told(tls_listener(), request, "plain_http").await;
    let told = String::from_utf8(told).unwrap();
    assert!(told.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{told}");
    assert!(told.contains("write https:// in the URL"), "{told}");
}

#[tokio::test]
async fn what_is_neither_is_closed_without_a_word() {
    let none = told(tls_listener(), b"\x00\x01\x02", "not_tls").await;
    assert_eq!(none, b"");
    // A record whose handshake is none.
    told(tls_listener(), b"\x16\x03\x01\x00\x04ABCD", "not_tls").await;
}

#[tokio::test]
async fn tls_and_http_2_on_a_plain_listener_are_told_an_empty_400() {
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let told_tls = told(listener(), hello, "tls_on_plain").await;
    let told_http2 = told(listener(), PREFACE, "http2").await;
    for told in [told_tls, told_http2] {
        let told = String::from_utf8(told).unwrap();
        assert!(told.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{told}");
        assert!(told.contains("content-length: 0\r\n"), "{told}");
        assert!(told.ends_with("\r\n\r\n"), "{told}");
    }
}

#[tokio::test]
async fn http_2_above_tls_is_told_an_empty_400_where_it_was_not_asked_for() {
    let authority = Authority::new();
    let (downstream, _) = shows(authority.tls(&[HOST], Clients::Unasked));
    let (config, _) = authority.client(&[&TLS13], None);
    let mut stream = reach(&downstream, config, HOST).await.unwrap();
    stream.write_all(PREFACE).await.unwrap();
    let mut told = Vec::new();
    stream.read_to_end(&mut told).await.unwrap();
    assert!(told.starts_with(b"HTTP/1.1 400 Bad Request\r\n"));
    assert_fails(&downstream, "http2").await;
}

#[tokio::test]
async fn a_handshake_that_does_not_end_meets_its_deadline() {
    let hasty = || tls_listener().configure(|config| config.handshake_timeout = SHORT);
    for words in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"] {
        told(hasty(), words, "timeout").await;
    }
    let downstream = tls_listener().start();
    let mut stream = TcpStream::connect(downstream.address).await.unwrap();
    stream.write_all(b"\x16\x03\x01").await.unwrap();
    drop(stream);
    assert_fails(&downstream, "closed").await;
}

/// The time of the handshake is not taken from that of the request.
#[tokio::test]
async fn a_request_has_its_whole_time_after_the_handshake() {
    let mut downstream = tls_listener()
        .configure(|config| config.fields_timeout = SHORT * 4)
        .start();
    let mut client = crate::downstream::Client::connect(&downstream).await;
    tokio::time::sleep(SHORT * 3).await;
    client.send("GET /empty/0/late HTTP/1.1\r\n").await;
    tokio::time::sleep(SHORT * 3).await;
    client.send("host: test\r\n\r\n").await;
    assert_eq!(downstream.event().await, arrived("/empty/0/late"));
}

#[tokio::test]
async fn who_shakes_hands_when_the_drain_begins_is_answered_and_nobody_waits_for_the_silent() {
    let authority = Authority::new();
    let (downstream, _) = shows(authority.tls(&[HOST], Clients::Unasked));
    let early = TcpStream::connect(downstream.address).await.unwrap();
    let mut silent = TcpStream::connect(downstream.address).await.unwrap();
    silent.write_all(b"\x16\x03\x01").await.unwrap();
    until("both are there", || downstream.metrics.open_before() == 2).await;
    downstream.drain.begin();
    let nobody_waits = || downstream.metrics.open_before() == 0;
    until("nobody waits for them", nobody_waits).await;
    let (config, _) = authority.client(&[&TLS13], None);
    let mut early = shake(config, HOST, early).await.unwrap();
    assert_eq!(asks(&mut early).await.unwrap(), "HTTP/1.1 200 OK");
    downstream.drain.end();
    assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
    drop((early, silent));
    downstream.drain.finished().await;
}

/// Writes another pair over the files of `old`.
fn replace(old: &PairFiles, new: &PairFiles) {
    for (new, old) in [(&new.certificate, &old.certificate), (&new.key, &old.key)] {
        std::fs::copy(new, old).unwrap();
    }
}

#[tokio::test]
async fn a_reload_shows_the_new_certificate_and_keeps_the_old_one_if_it_is_broken() {
    let (authority, other) = (Authority::new(), Authority::new());
    let tls = authority.tls(&[HOST], Clients::Unasked);
    let (downstream, keyring) = shows(tls.clone());
    let client = || authority.client(&[&TLS13], None).0;
    let mut before = reach(&downstream, client(), HOST).await.unwrap();
    let old = shown(&before);

    std::fs::write(&tls.pairs[0].certificate, "half of it").unwrap();
    let broken = Certificates::read(tls.clone()).err().unwrap().to_string();
    assert!(broken.contains("it has no certificate in it"), "{broken}");
    let still = reach(&downstream, client(), HOST).await.unwrap();
    assert_eq!(shown(&still), old);

    // The same authority signs a new one; only its files are other ones.
    let new = authority.pair("new.example");
    replace(&tls.pairs[0], &new);
    keyring.replace(Certificates::read(tls).unwrap());
    let after = reach(&downstream, client(), "new.example").await.unwrap();
    assert_eq!(shown(&after), certificate(&new));
    assert_eq!(asks(&mut before).await.unwrap(), "HTTP/1.1 200 OK");
    drop(other);
}

/// Until when a certificate is valid, as it is scraped.
fn expiry(metrics: &Metrics, path: &Path) -> Option<String> {
    let mut registry = prometheus_client::registry::Registry::default();
    metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let name = format!("{{file=\"{}\"}} ", path.display());
    let mut lines = text.lines();
    lines.find_map(|line| line.split_once(&name).map(|(_, it)| it.to_owned()))
}

/// A keyring whose files are followed until the drain begins.
fn followed(authority: &Authority, metrics: &Metrics) -> (Tls, Keyring, Drain) {
    let tls = authority.tls(&[HOST], Clients::Unasked);
    let keyring = Keyring::load(tls.clone(), metrics).unwrap();
    let drain = Drain::new();
    drop(drain.spawn(keyring.clone().follow(Clock::start(), drain.clone())));
    (tls, keyring, drain)
}

#[tokio::test(start_paused = true)]
async fn files_that_change_are_taken_by_themselves_once_they_stay_as_they_are() {
    let authority = Authority::new();
    let metrics = Metrics::default();
    let (tls, _keyring, drain) = followed(&authority, &metrics);
    let expiry = |path: &Path| expiry(&metrics, path).unwrap();
    let path = &tls.pairs[0].certificate;
    assert_eq!(expiry(path), "4102444800");
    // The certificate comes first, and its key a while later.
    let new = authority.pair_until("new.example", 2050);
    std::fs::copy(&new.certificate, path).unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(expiry(path), "4102444800");
    std::fs::copy(&new.key, &tls.pairs[0].key).unwrap();
    let taken = async {
        while expiry(path) != "2524608000" {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(600), taken)
        .await
        .unwrap();
    drain.begin();
    drain.finished().await;
}

#[tokio::test(start_paused = true)]
async fn a_reload_is_not_undone_by_files_that_were_read_meanwhile() {
    let authority = Authority::new();
    let metrics = Metrics::default();
    let (tls, keyring, drain) = followed(&authority, &metrics);
    // What is read from a pipe is there when its writer wants it to be.
    let path = tls.pairs[0].certificate.clone();
    let words = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    let (begins, begun) = tokio::sync::oneshot::channel();
    let (go, gone) = std::sync::mpsc::channel();
    let writer = std::thread::spawn(move || {
        let mut pipe = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        begins.send(()).unwrap();
        gone.recv().unwrap();
        pipe.write_all(&words).unwrap();
    });
    begun.await.unwrap();
    let other = Tls {
        pairs: vec![authority.pair("other.example")],
        clients: Clients::Unasked,
    };
    let shown = other.pairs[0].certificate.clone();
    keyring.replace(Certificates::read(other).unwrap());
    go.send(()).unwrap();
    drain.begin();
    drain.finished().await;
    writer.join().unwrap();
    assert!(expiry(&metrics, &shown).is_some(), "it is still shown");
}
