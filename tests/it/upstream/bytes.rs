//! Whatever bytes the gateway sends: an answer or an error, never a wrong one and never a panic.
use std::future::Future;

use holdline::message::StoredResponse;
use holdline::upstream::{Config, Error, Sent};
use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use super::peer::{gateway, get, latch, post};

const WITH_LENGTH: &str =
    "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 16\r\n\r\n{\"status\":\"done\"";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
    9\r\n{\"status\"\r\n7\r\n:\"done\"\r\n0\r\n\r\n";

fn in_simulated_time<F: Future>(test: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(test)
}

async fn fetched(bytes: &[u8]) -> Result<StoredResponse, Error> {
    let (client, mut gateway) = gateway(Config::default());
    let serve = async {
        let mut peer = gateway.accept().await;
        peer.head().await;
        drop(peer.0.write_all(bytes).await);
    };
    tokio::join!(client.fetch(get("/")), serve).0
}

async fn submitted(bytes: &[u8]) -> Result<StoredResponse, Error> {
    let (client, mut gateway) = gateway(Config::default());
    let serve = async {
        let mut peer = gateway.accept().await;
        peer.head().await;
        peer.read(2).await;
        drop(peer.0.write_all(bytes).await);
    };
    let submit = async {
        let mut submission = client.connect(None).await?.submit(post("{}"), latch());
        submission.handed_over().await?;
        submission.answer().await
    };
    tokio::join!(submit, serve).0
}

#[test]
fn an_answer_cut_anywhere_is_an_error() {
    in_simulated_time(async {
        for whole in [WITH_LENGTH, CHUNKED] {
            for end in 0..whole.len() {
                let part = &whole.as_bytes()[..end];
                let error = fetched(part).await.unwrap_err();
                assert_eq!(error.sent, Sent::Maybe, "{end} bytes of {whole}");
                let error = submitted(part).await.unwrap_err();
                assert_eq!(error.sent, Sent::Maybe, "{end} bytes of {whole}");
            }
            let body = "{\"status\":\"done\"";
            assert_eq!(fetched(whole.as_bytes()).await.unwrap().body, body);
            assert_eq!(submitted(whole.as_bytes()).await.unwrap().body, body);
        }
    });
}

/// Bytes that look like an answer here and there, so that the parser is entered deeply.
fn nearly_http() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        Just(b"HTTP/1.1 ".to_vec()),
        Just(b"200 OK\r\n".to_vec()),
        Just(b"101 Switching Protocols\r\n".to_vec()),
        Just(b"100 Continue\r\n\r\n".to_vec()),
        Just(b"HTTP/1.0 304 \r\n".to_vec()),
        Just(b"Content-Length: 3\r\n".to_vec()),
        Just(b"Content-Length: 18446744073709551615\r\n".to_vec()),
        Just(b"Transfer-Encoding: chunked\r\n".to_vec()),
        Just(b"Connection: close, x\r\n".to_vec()),
        Just(b"Upgrade: h2c\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"3;ext\r\nabc\r\n".to_vec()),
        Just(b"ffffffffffffffff\r\n".to_vec()),
        Just(b"0\r\n\r\n".to_vec()),
        prop::collection::vec(any::<u8>(), 0..20),
    ];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_bytes_end_in_an_answer_or_an_error(bytes in nearly_http()) {
        let (fetched, submitted) = in_simulated_time(async {
            (fetched(&bytes).await, submitted(&bytes).await)
        });
        // A request that was read is never told as unsent.
        for result in [&fetched, &submitted] {
            if let Err(error) = result {
                prop_assert_eq!(error.sent, Sent::Maybe);
            }
        }
        // Both ways read the same bytes alike.
        prop_assert_eq!(fetched.is_ok(), submitted.is_ok());
    }
}
