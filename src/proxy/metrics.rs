//! What the proxy counts.
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::problem::Problem;
use crate::message::Budget;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabels {
    outcome: &'static str,
    status: u16,
}

/// The counts of every downstream request of the process.
#[derive(Clone, Debug)]
pub struct Metrics {
    answers: Family<AnswerLabels, Counter>,
    relayed: Counter,
    relayed_posts: Counter,
    bodies_turned_away: Counter,
    hold_expired: Counter,
    held: Gauge,
    client_gone: Histogram,
    slots: Arc<AtomicUsize>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            answers: Family::default(),
            relayed: Counter::default(),
            relayed_posts: Counter::default(),
            bodies_turned_away: Counter::default(),
            hold_expired: Counter::default(),
            held: Gauge::default(),
            // Around the time-outs that clients are known to have: 25 s, 30 s, a minute.
            client_gone: Histogram::new([
                1.0, 5.0, 10.0, 20.0, 24.0, 26.0, 29.0, 31.0, 45.0, 59.0, 61.0, 120.0, 300.0,
            ]),
            slots: Arc::default(),
        }
    }
}

impl Metrics {
    /// Registers every metric of this room; `bodies` is the room that requests share for theirs.
    pub fn register(&self, registry: &mut Registry, bodies: Budget) {
        let answers = "Answers that holdline gave in the gateway's place";
        registry.register("own_answers", answers, self.answers.clone());
        registry.register(
            "relayed",
            "Requests passed through unconverted",
            self.relayed.clone(),
        );
        let posts = "POST requests passed through unconverted";
        registry.register("relayed_posts", posts, self.relayed_posts.clone());
        let expired = "Holds that ended before their exchange";
        registry.register("hold_expired", expired, self.hold_expired.clone());
        registry.register("held", "Requests held now", self.held.clone());
        let gone = "From a held request's head to its client's hanging up";
        registry.register_with_unit("client_gone", gone, Unit::Seconds, self.client_gone.clone());
        let turned_away = "Requests whose body found no room among the others";
        registry.register(
            "bodies_turned_away",
            turned_away,
            self.bodies_turned_away.clone(),
        );
        registry.register_collector(Box::new(TakenRoom(bodies)));
    }

    pub(super) fn answered(&self, problem: Problem) {
        let words = problem.words();
        let labels = AnswerLabels {
            outcome: words.fate.token(),
            status: words.status.as_u16(),
        };
        self.answers.get_or_create(&labels).inc();
    }

    pub(super) fn relayed(&self, is_post: bool) {
        self.relayed.inc();
        if is_post {
            self.relayed_posts.inc();
        }
    }

    /// A body found no room, whatever its client is told.
    pub(super) fn body_turned_away(&self) {
        self.bodies_turned_away.inc();
    }

    pub(super) fn hold_expired(&self) {
        self.hold_expired.inc();
    }

    /// Requests held now.
    pub fn held(&self) -> i64 {
        self.held.get()
    }

    /// A client hung up that had been held for so long.
    pub(super) fn client_gone(&self, span: Duration) {
        self.client_gone.observe(span.as_secs_f64());
    }

    /// A slot among the held requests, if fewer than `limit` are taken.
    pub(super) fn slot(&self, limit: usize) -> Option<Slot> {
        let taken = self.slots.fetch_add(1, Ordering::Relaxed);
        let slot = Slot(self.clone());
        self.held.inc();
        (taken < limit).then_some(slot)
    }
}

/// The room that bodies take, read when somebody asks.
#[derive(Debug)]
struct TakenRoom(Budget);

impl Collector for TakenRoom {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let taken = i64::try_from(self.0.taken()).unwrap_or(i64::MAX);
        let gauge = ConstGauge::new(taken);
        let help = "Room that bodies of requests take now";
        let unit = Some(&Unit::Bytes);
        let metric = encoder.encode_descriptor("bodies", help, unit, gauge.metric_type())?;
        gauge.encode(metric)
    }
}

/// A slot among the held requests, free again when dropped.
pub(super) struct Slot(Metrics);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.slots.fetch_sub(1, Ordering::Relaxed);
        self.0.held.dec();
    }
}
