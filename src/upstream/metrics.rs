//! What calls to the gateway count, for the operator.
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, UNIX_EPOCH};

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::{Cause, Error};
use crate::timing::wall_clock;

/// Bounds of the answer times, in seconds: from a poll in the same data centre to the default
/// `upstream.answer_timeout`; 5 is what an alert asks for.
const ANSWER_SECONDS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// The metrics of all gateways' calls. Clones count into the same numbers.
#[derive(Clone, Debug)]
pub struct Metrics {
    connections: Counter,
    connections_open: Gauge,
    outages: Gauge,
    errors: Family<Labels, Counter>,
    last_error: Family<Labels, Gauge<f64, AtomicU64>>,
    answer_seconds: Histogram,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    cause: Cause,
}

impl EncodeLabelValue for Cause {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), fmt::Error> {
        self.name().encode(encoder)
    }
}

/// Keeps a connection counted as open for as long as it lives.
#[derive(Debug)]
pub(super) struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            connections: Counter::default(),
            connections_open: Gauge::default(),
            outages: Gauge::default(),
            errors: Family::default(),
            last_error: Family::default(),
            answer_seconds: Histogram::new(ANSWER_SECONDS),
        }
    }
}

impl Metrics {
    /// Registers the metrics; `registry` already has the product's prefix.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "upstream_connections",
            "Connections made to the gateway",
            self.connections.clone(),
        );
        registry.register(
            "upstream_connections_open",
            "Connections to the gateway that are open now",
            self.connections_open.clone(),
        );
        registry.register(
            "upstream_outages",
            "Gateways that accept no connections now",
            self.outages.clone(),
        );
        registry.register(
            "upstream_errors",
            "Calls to the gateway that failed, by cause",
            self.errors.clone(),
        );
        registry.register_with_unit(
            "upstream_last_error_timestamp",
            "When a call to the gateway failed last, by cause, since 1970",
            Unit::Seconds,
            self.last_error.clone(),
        );
        registry.register_with_unit(
            "upstream_answer",
            "From a poll's or lookup's start to its whole answer",
            Unit::Seconds,
            self.answer_seconds.clone(),
        );
    }

    /// Counts a connection that was made; it is open until the returned value is dropped.
    pub(super) fn connected(&self) -> Open {
        self.connections.inc();
        self.connections_open.inc();
        Open(self.connections_open.clone())
    }

    /// Counts a gateway that accepts no connections from now on.
    pub(super) fn outage_began(&self) {
        self.outages.inc();
    }

    /// Counts one of them no more.
    pub(super) fn outage_ended(&self) {
        self.outages.dec();
    }

    /// Counts a failed call.
    pub(super) fn failed(&self, error: &Error) {
        let cause = error.cause;
        self.errors.get_or_create(&Labels { cause }).inc();
        let now = wall_clock().duration_since(UNIX_EPOCH).unwrap_or_default();
        let last = self.last_error.get_or_create(&Labels { cause });
        last.set(now.as_secs_f64());
    }

    /// Notes how long a whole answer took.
    pub(super) fn answered(&self, span: Duration) {
        self.answer_seconds.observe(span.as_secs_f64());
    }
}
