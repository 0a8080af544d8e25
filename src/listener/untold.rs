//! A reset that the kernel knows of, and that it has not told yet when an answer is decided.
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::config::Config;
use super::connection;
use super::evidence::Evidence;
use super::line::Line;
use super::metrics::Metrics;
use super::receipt::Receipt;
use super::server::{Terms, bind};
use super::tls::FailureLog;
use crate::drain::Drain;
use crate::timing::Clock;

/// Longer than any test.
const LONG: Duration = Duration::from_hours(1);

fn terms() -> Terms {
    let config = Config {
        idle_timeout: LONG,
        quiet: LONG,
        ..Config::default()
    };
    Terms {
        http: connection::http(&config, false),
        config: Arc::new(config),
        clock: Clock::start(),
        drain: Drain::new(),
        metrics: Metrics::default(),
        evidence: Evidence::Acknowledgement,
        tls: None,
        failures: Arc::new(FailureLog::default()),
        is_late: false,
    }
}

#[tokio::test]
async fn it_takes_an_acknowledged_answer_back() {
    for is_reset in [false, true] {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (stream, peer) = accepted.unwrap();
        let line = Line::open(stream, peer, Arc::new(terms()));
        line.begin();
        let (tell, told) = mpsc::channel();
        let receipt = Receipt::new(move |delivered| tell.send(delivered).unwrap());
        line.answer_buffered(Some(receipt));
        let mut wire = line.wire();
        wire.write_all(b"answer").await.unwrap();
        wire.flush().await.unwrap();
        // It is acknowledged once nothing but the quiet time is waited for.
        let clock = line.terms().clock;
        while line.wake() < Some(clock.now() + LONG / 2) {
            tokio::task::yield_now().await;
            line.settle(false);
        }
        let client = client.unwrap();
        if is_reset {
            client.set_zero_linger().unwrap();
            drop(client);
        }
        // The drain is over in the same turn: the runtime has had no word of the kernel's.
        line.settle(true);
        assert_eq!(told.try_recv(), Ok(!is_reset));
    }
}
