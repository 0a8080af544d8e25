//! The metrics of every room, in one registry.
use prometheus_client::registry::Registry;

use crate::{exchange, journal, listener, polling, proxy, upstream};

/// The metrics of every room.
#[derive(Default)]
pub(super) struct Metrics {
    pub(super) exchange: exchange::Metrics,
    pub(super) proxy: proxy::Metrics,
    pub(super) upstream: upstream::Metrics,
    pub(super) polling: polling::Metrics,
    pub(super) listener: listener::Metrics,
    pub(super) journal: journal::Metrics,
}

impl Metrics {
    /// The registry; the journal's are in it where there is one.
    pub(super) fn registry(&self, journal: bool) -> Registry {
        let mut registry = Registry::with_prefix("holdline");
        self.listener.register(&mut registry);
        self.proxy.register(&mut registry);
        self.exchange.register(&mut registry);
        self.upstream.register(&mut registry);
        self.polling.register(&mut registry);
        if journal {
            self.journal.register(&mut registry);
        }
        registry
    }
}
