//! SIGTERM and SIGINT: what is held ends or is durable, and the successor gives the rest.
use crate::app::bench::PATIENCE;
use crate::sidecar::Upstream;

/// Waits until the gateway has so many submits.
pub(super) async fn submitted(upstream: &Upstream, count: usize) {
    let counted = async {
        while upstream.gateway.ledger().submits.len() < count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, counted)
        .await
        .expect("the submits come");
}
