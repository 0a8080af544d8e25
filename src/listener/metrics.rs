//! What the listener counts.
use std::fmt::{self, Write};

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::tls::Failure;

/// Why an answer does not count as delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Why {
    /// The client reset the connection, or the network gave it up.
    Reset,
    /// The client acknowledged nothing more within `listener.write_timeout`.
    Deadline,
    /// The answer was never written whole.
    Cut,
    /// The connection ended without a proof, on a system without acknowledgements.
    Unproven,
    /// The drain ended before the answer was acknowledged.
    Stopped,
}

impl EncodeLabelValue for Why {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(match self {
            Self::Reset => "reset",
            Self::Deadline => "deadline",
            Self::Cut => "cut",
            Self::Unproven => "unproven",
            Self::Stopped => "stopped",
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NotAcknowledged {
    why: Why,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TlsFailed {
    why: Failure,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Certificate {
    file: String,
}

/// The listener's metrics; clones count into the same numbers.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    open: Gauge,
    late: Gauge,
    parked: Gauge,
    accepted: Counter,
    accept_errors: Counter,
    not_acknowledged: Family<NotAcknowledged, Counter>,
    tls_failures: Family<TlsFailed, Counter>,
    certificates: Family<Certificate, Gauge>,
}

impl Metrics {
    /// Registers the metrics under their names.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "connections",
            "Downstream connections that are open, those whose last answer is watched included",
            self.open.clone(),
        );
        registry.register(
            "parked",
            "Downstream connections that wait for a held answer and keep no buffers meanwhile",
            self.parked.clone(),
        );
        registry.register(
            "accepted",
            "Downstream connections that were accepted",
            self.accepted.clone(),
        );
        registry.register(
            "accept_errors",
            "Failed calls to accept a downstream connection",
            self.accept_errors.clone(),
        );
        registry.register(
            "not_acknowledged",
            "Answers that are not known to have reached their reader",
            self.not_acknowledged.clone(),
        );
        registry.register(
            "tls_failures",
            "Downstream connections on which no TLS session came about, or HTTP/2 was spoken",
            self.tls_failures.clone(),
        );
        registry.register_with_unit(
            "certificate_expiry_timestamp",
            "When a certificate that clients are shown expires, since 1970",
            Unit::Seconds,
            self.certificates.clone(),
        );
    }

    /// How many connections are open.
    pub fn open(&self) -> i64 {
        self.open.get()
    }

    /// How many connections are open that were there before a drain began, without those whose
    /// clients had not asked by then.
    pub fn open_before(&self) -> i64 {
        self.open.get() - self.late.get()
    }

    /// Counts a connection as open until the returned values are dropped. A late one came while the
    /// drain lasted.
    pub(super) fn connection(&self, is_late: bool) -> (Counted, Option<Counted>) {
        self.accepted.inc();
        let late = is_late.then(|| self.late());
        (Counted::on(&self.open), late)
    }

    /// Counts an open connection among the late ones until the returned value is dropped.
    pub(super) fn late(&self) -> Counted {
        Counted::on(&self.late)
    }

    /// Counts a connection as parked until the returned value is dropped.
    pub(super) fn parked(&self) -> Counted {
        Counted::on(&self.parked)
    }

    pub(super) fn accept_failed(&self) {
        self.accept_errors.inc();
    }

    pub(super) fn tls_failed(&self, why: Failure) {
        self.tls_failures.get_or_create(&TlsFailed { why }).inc();
    }

    /// Tells until when the certificate of a file is valid.
    pub(super) fn certificate(&self, file: &str, until: i64) {
        let file = file.to_owned();
        self.certificates
            .get_or_create(&Certificate { file })
            .set(until);
    }

    /// Tells nothing of a certificate any more.
    pub(super) fn certificate_is_gone(&self, file: &str) {
        let file = file.to_owned();
        self.certificates.remove(&Certificate { file });
    }

    pub(super) fn not_acknowledged(&self, why: Why) {
        self.not_acknowledged
            .get_or_create(&NotAcknowledged { why })
            .inc();
    }
}

/// One more on a gauge, until it is dropped.
pub(super) struct Counted(Gauge);

impl Counted {
    fn on(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metrics_carry_their_names_and_reasons() {
        let metrics = Metrics::default();
        let mut registry = Registry::with_prefix("holdline");
        metrics.register(&mut registry);
        let open = metrics.connection(false);
        metrics.not_acknowledged(Why::Reset);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert!(text.contains("holdline_connections 1\n"), "{text}");
        assert!(text.contains("holdline_accepted_total 1\n"), "{text}");
        assert!(
            text.contains("holdline_not_acknowledged_total{why=\"reset\"} 1\n"),
            "{text}"
        );
        drop(open);
        text.clear();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert!(text.contains("holdline_connections 0\n"), "{text}");
    }
}
