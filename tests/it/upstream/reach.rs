//! Connections that cannot be made: each says why, and that nothing was sent.
use std::time::Duration;

use holdline::upstream::{Cause, Config, Connector, Sent};
use tokio::time::Instant;

use super::peer::{client, gateway, get};
use crate::stage::bench::refusing;

#[tokio::test]
async fn a_refused_connection_is_told_as_such() {
    let (_place, origin) = refusing();
    let client = client(&origin, Connector::network_without_tls(), Config::default());
    let submit = client.connect(None).await.err().unwrap();
    assert_eq!((submit.cause, submit.sent), (Cause::Refused, Sent::Never));
    let fetch = client.fetch(get("/")).await.unwrap_err();
    assert_eq!((fetch.cause, fetch.sent), (Cause::Refused, Sent::Never));
}

#[tokio::test]
async fn a_name_without_address_is_told_as_such() {
    let client = client(
        "http://gateway.invalid",
        Connector::network_without_tls(),
        Config::default(),
    );
    let error = client.connect(None).await.err().unwrap();
    assert_eq!((error.cause, error.sent), (Cause::Dns, Sent::Never));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_does_not_come_is_given_up_in_time() {
    let connector = Connector::memory(std::future::pending);
    let client = client("http://gateway.example", connector, Config::default());
    let start = Instant::now();
    let error = client.connect(None).await.err().unwrap();
    assert_eq!(
        (error.cause, error.sent),
        (Cause::ConnectTimeout, Sent::Never)
    );
    assert!(start.elapsed() >= Config::default().connect_timeout);
    assert!(start.elapsed() < Config::default().connect_timeout + Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn failures_and_connections_are_counted() {
    let (client, mut gateway) = gateway(Config::default());
    let fetch = client.fetch(get("/"));
    let serve = async {
        let mut peer = gateway.accept().await;
        peer.head().await;
        peer.send("nonsense\r\n\r\n").await;
        gateway
    };
    let (answer, gateway) = tokio::join!(fetch, serve);
    assert_eq!(answer.unwrap_err().cause, Cause::Malformed);
    let scraped = gateway.scraped();
    for line in [
        "holdline_upstream_connections_total 1",
        "holdline_upstream_connections_open 0",
        r#"holdline_upstream_errors_total{cause="malformed"} 1"#,
        "holdline_upstream_answer_seconds_count 0",
    ] {
        assert!(
            scraped.lines().any(|found| found == line),
            "{line}\n{scraped}"
        );
    }
}
