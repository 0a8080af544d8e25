//! What the proxy counts.
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::problem::Problem;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Told {
    outcome: &'static str,
    status: u16,
}

/// The counts of every downstream request of the process.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    answers: Family<Told, Counter>,
    relayed: Counter,
    relayed_posts: Counter,
    hold_expired: Counter,
    held: Gauge,
    places: Arc<AtomicUsize>,
}

impl Metrics {
    /// Registers every metric of this room.
    pub fn register(&self, registry: &mut Registry) {
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
    }

    pub(super) fn told(&self, problem: Problem) {
        let words = problem.words();
        let told = Told {
            outcome: words.fate.token(),
            status: words.status.as_u16(),
        };
        self.answers.get_or_create(&told).inc();
    }

    pub(super) fn relayed(&self, is_post: bool) {
        self.relayed.inc();
        if is_post {
            self.relayed_posts.inc();
        }
    }

    pub(super) fn hold_expired(&self) {
        self.hold_expired.inc();
    }

    /// Requests held now.
    pub fn held(&self) -> i64 {
        self.held.get()
    }

    /// A place among the held requests, if fewer than `limit` are taken.
    pub(super) fn place(&self, limit: usize) -> Option<Place> {
        let taken = self.places.fetch_add(1, Ordering::Relaxed);
        let place = Place(self.clone());
        self.held.inc();
        (taken < limit).then_some(place)
    }
}

/// A place among the held requests, free again when dropped.
pub(super) struct Place(Metrics);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.places.fetch_sub(1, Ordering::Relaxed);
        self.0.held.dec();
    }
}
