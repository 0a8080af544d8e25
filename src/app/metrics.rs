//! The metrics of every room, in one registry.
use std::sync::atomic::AtomicU64;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};

use super::reloading::{Reload, Reloadable};
use crate::timing::{Clock, wall_clock};
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
    pub(super) reloads: Reloads,
}

impl Metrics {
    /// The registry, which reads some numbers when it is asked; the journal's are in it where there is
    /// one.
    pub(super) fn registry(&self, rooms: &Reloadable, clock: Clock, journal: bool) -> Registry {
        let mut registry = Registry::with_prefix("holdline");
        self.listener.register(&mut registry);
        self.proxy
            .register(&mut registry, rooms.proxy.bodies.clone());
        self.exchange.register(&mut registry);
        self.upstream.register(&mut registry);
        rooms.schedules.register(&mut registry, clock);
        self.reloads.register(&mut registry);
        let start = ConstGauge::new(unix_time(wall_clock()));
        let help = "When the process started";
        registry.register_with_unit("start_timestamp", help, Unit::Seconds, start);
        if journal {
            self.journal.register(&mut registry);
        }
        registry
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    result: &'static str,
}

/// What became of the configurations that were read while the process ran.
#[derive(Clone, Debug, Default)]
pub(super) struct Reloads {
    total: Family<Ended, Counter>,
    last_success: Gauge<f64, AtomicU64>,
    waiting: Gauge,
}

impl Reloads {
    fn register(&self, registry: &mut Registry) {
        let total = "Configurations read again while running, by what became of them";
        registry.register("config_reloads", total, self.total.clone());
        let last = "When the configuration in force was read";
        registry.register_with_unit(
            "config_last_reload_success_timestamp",
            last,
            Unit::Seconds,
            self.last_success.clone(),
        );
        let waiting = "Keys whose value in the file needs a restart to be in force";
        registry.register(
            "config_keys_awaiting_restart",
            waiting,
            self.waiting.clone(),
        );
    }

    /// The process starts with a configuration that is whole.
    pub(super) fn begin(&self, now: SystemTime) {
        for result in ["applied", "partly", "refused"] {
            drop(self.total.get_or_create(&Ended { result }));
        }
        self.succeeded(now);
    }

    pub(super) fn reloaded(&self, reload: Reload, now: SystemTime) {
        let result = match reload {
            Reload::Applied { .. } => {
                self.succeeded(now);
                self.waiting.set(0);
                "applied"
            }
            Reload::Partly { waiting, .. } => {
                self.succeeded(now);
                self.waiting.set(waiting.try_into().unwrap_or(i64::MAX));
                "partly"
            }
            Reload::Refused => "refused",
        };
        self.total.get_or_create(&Ended { result }).inc();
    }

    fn succeeded(&self, now: SystemTime) {
        self.last_success.set(unix_time(now));
    }
}

/// The seconds since 1970.
fn unix_time(at: SystemTime) -> f64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs_f64()
}
