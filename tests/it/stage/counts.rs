//! What a test counts and waits for at a bench.
use holdline::simulator::{Gateway, Ledger};

use super::bench::{Bench, until};
use super::scripted::{Heard, Log};

impl Bench {
    pub(crate) fn simulated(&self) -> &Gateway {
        &self.gateways[0]
    }

    pub(crate) fn ledger(&self) -> Ledger {
        self.gateways[0].ledger()
    }

    /// How many submits came with this tracking id.
    pub(crate) fn submits_of(&self, tracking_id: &str) -> Count {
        let ledger = self.ledger();
        let ours = |id: &Option<String>| id.as_deref() == Some(tracking_id);
        let count = ledger.submits.iter().filter(|it| ours(&it.tracking_id));
        Count(count.count(), format!("submits of {tracking_id}"))
    }

    /// How many transactions were executed with this tracking id.
    pub(crate) fn charges_of(&self, tracking_id: &str) -> Count {
        let count = self.ledger().charges_of(tracking_id).count();
        Count(count, format!("charges of {tracking_id}"))
    }

    /// What a scripted gateway heard.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.logs.iter().flat_map(Log::all).collect()
    }

    /// How many submits a scripted gateway heard.
    pub(crate) fn submits_heard(&self) -> Count {
        Count(self.submits_heard_so_far(), "submits heard".to_owned())
    }

    pub(crate) fn submits_heard_so_far(&self) -> usize {
        let heard = self.heard();
        heard.iter().filter(|it| it.is_submit()).count()
    }

    /// How many exchanges run, and how many wait for their client only.
    pub(crate) fn exchanges(&self) -> (usize, usize) {
        self.flights.as_ref().unwrap().count()
    }

    /// Waits until every exchange is over and its answer's fate known.
    pub(crate) async fn settled(&self) {
        until("everything is settled", || self.exchanges() == (0, 0)).await;
    }

    /// Waits until one exchange is at rest: its answer or its doubt waits for a client.
    pub(crate) async fn at_rest(&self) {
        until("an exchange is at rest", || self.exchanges() == (0, 1)).await;
    }

    /// Waits until so many tasks were accepted.
    pub(crate) async fn accepted(&self, count: usize) {
        until("the gateway accepts", || self.ledger().tasks.len() == count).await;
    }
}

/// A number that a test has an opinion of.
pub(crate) struct Count(usize, String);

impl Count {
    #[track_caller]
    pub(crate) fn is(&self, expected: usize) {
        assert_eq!(self.0, expected, "{}", self.1);
    }
}
