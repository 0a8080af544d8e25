//! A simulated gateway alone, for a holdline in a process of its own or with a configuration of its own.
use std::net::SocketAddr;
use std::time::Duration;

use holdline::drain::Drain;
use holdline::simulator::{Gateway, Latency, Settings, TaskRepeat};
use holdline::timing::Clock;
use tokio::net::TcpListener;

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
