//! Answers in memory. An undelivered one is pinned: no limit and no newer answer can push it out.
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::Config;
use super::keyed::{ByFirstBytes, KeyedMap};
use crate::message::StoredResponse;
use crate::timing::Moment;

/// Names an answer by gateway, full credentials, key and task: a keyed hash, so that neither another
/// credential nor a reader of memory can tell one. Half a hash is enough: nobody without its key can
/// look for two that are alike.
pub type ResultKey = [u8; 16];

/// Every kept answer of the process.
#[derive(Debug)]
pub struct Results {
    config: Config,
    pinned: Mutex<Pinned>,
    delivered: Cache<ResultKey, Kept, ByFirstBytes>,
}

/// Answers that stay, and what they weigh.
#[derive(Debug, Default)]
struct Pinned {
    answers: KeyedMap<ResultKey, Arc<StoredResponse>>,
    bytes: usize,
}

impl Pinned {
    fn insert(&mut self, key: ResultKey, answer: Arc<StoredResponse>) {
        self.bytes += answer.weight();
        if let Some(before) = self.answers.insert(key, answer) {
            self.bytes -= before.weight();
        }
    }

    fn remove(&mut self, key: &ResultKey) -> Option<Arc<StoredResponse>> {
        let answer = self.answers.remove(key)?;
        self.bytes -= answer.weight();
        Some(answer)
    }
}

/// An answer that is asked for seldom, in one piece of memory: its fields as a map take as much again.
#[derive(Clone, Debug)]
struct Kept {
    encoded: Bytes,
    /// The cache has a clock of its own; this moment is by ours.
    expires_at: Moment,
}

impl Kept {
    /// What an entry of the cache takes beside what is kept, about.
    const OVERHEAD: usize = 256;

    fn new(answer: &StoredResponse, expires_at: Moment) -> Self {
        Self {
            encoded: answer.encode().into(),
            expires_at,
        }
    }

    fn weight(&self) -> u32 {
        u32::try_from(self.encoded.len() + Self::OVERHEAD).unwrap_or(u32::MAX)
    }

    fn answer(&self) -> Option<Arc<StoredResponse>> {
        let answer = StoredResponse::decode(&self.encoded);
        answer.ok().map(Arc::new)
    }
}

impl Results {
    /// An empty store.
    pub fn new(config: Config) -> Self {
        let delivered = Cache::builder()
            .weigher(|_, kept: &Kept| kept.weight())
            .max_capacity(config.max_bytes)
            .time_to_live(config.retention)
            // The default policy refuses a fresh entry when it is full of warm ones.
            .eviction_policy(EvictionPolicy::lru())
            .build_with_hasher(ByFirstBytes::default());
        Self {
            config,
            pinned: Mutex::default(),
            delivered,
        }
    }

    /// Keeps an answer until [`Results::release`], whatever else is kept.
    pub fn pin(&self, key: ResultKey, answer: Arc<StoredResponse>) {
        self.pinned().insert(key, answer);
    }

    /// The answer has reached its client: from now on it may make room for others.
    pub fn release(&self, key: &ResultKey, now: Moment) {
        if let Some(answer) = self.pinned().remove(key) {
            let expires_at = now + self.config.retention;
            self.restore(*key, &answer, expires_at);
        }
    }

    /// Takes back an answer that had to make room, or that an earlier process delivered.
    pub fn restore(&self, key: ResultKey, answer: &StoredResponse, expires_at: Moment) {
        self.delivered.insert(key, Kept::new(answer, expires_at));
    }

    /// The answer has reached one client and stays pinned for others: should none of them come for it, it is
    /// kept on for that one.
    pub fn share(&self, key: &ResultKey, now: Moment) {
        let pinned = self.pinned().answers.get(key).cloned();
        if let Some(answer) = pinned {
            self.restore(*key, &answer, now + self.config.retention);
        }
    }

    /// Unpins an answer that nobody may come for any more. Where it has reached a client it is kept for that one.
    pub fn forget(&self, key: &ResultKey) {
        self.pinned().remove(key);
    }

    /// The answer, if it is kept.
    pub fn find(&self, key: &ResultKey, now: Moment) -> Option<Arc<StoredResponse>> {
        if let Some(answer) = self.pinned().answers.get(key) {
            return Some(Arc::clone(answer));
        }
        self.delivered
            .get(key)
            .filter(|kept| now < kept.expires_at)
            .and_then(|kept| kept.answer())
    }

    /// How many answers wait for their clients.
    pub fn pins(&self) -> usize {
        self.pinned().answers.len()
    }

    /// What they weigh together, in bytes.
    pub fn pinned_bytes(&self) -> usize {
        self.pinned().bytes
    }

    fn pinned(&self) -> std::sync::MutexGuard<'_, Pinned> {
        self.pinned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, StatusCode};

    use super::*;

    const NOW: Moment = Moment::START;

    fn answer(size: usize) -> Arc<StoredResponse> {
        let body = Bytes::from(vec![b'x'; size]);
        Arc::new(StoredResponse {
            status: StatusCode::OK,
            fields: HeaderMap::new(),
            body,
        })
    }

    fn store(max_bytes: u64) -> Results {
        Results::new(Config {
            max_bytes,
            ..Config::default()
        })
    }

    #[test]
    fn a_pinned_answer_outlives_any_pressure_and_a_released_one_does_not() {
        let results = store(10_000);
        results.pin([0; 16], answer(5_000));
        for name in 1..=50 {
            results.pin([name; 16], answer(5_000));
            results.release(&[name; 16], NOW);
        }
        results.delivered.run_pending_tasks();
        assert!(results.find(&[0; 16], NOW).is_some());
        assert!(results.find(&[50; 16], NOW).is_some(), "the newest stays");
        assert!(results.find(&[1; 16], NOW).is_none(), "the oldest goes");
    }

    #[test]
    fn an_answer_that_takes_anothers_place_weighs_alone() {
        let results = store(10_000);
        results.pin([1; 16], answer(5_000));
        let first = results.pinned_bytes();
        results.pin([1; 16], answer(5_000));
        assert_eq!((results.pins(), results.pinned_bytes()), (1, first));
        results.release(&[1; 16], NOW);
        assert_eq!((results.pins(), results.pinned_bytes()), (0, 0));
    }

    #[test]
    fn what_is_not_fetched_is_gone_unless_it_has_reached_another_client() {
        let results = store(10_000);
        for key in [[1; 16], [2; 16]] {
            results.pin(key, answer(1));
        }
        results.share(&[2; 16], NOW);
        assert_eq!(results.pins(), 2);
        for key in [[1; 16], [2; 16]] {
            results.forget(&key);
        }
        assert_eq!(results.pins(), 0);
        assert!(results.find(&[1; 16], NOW).is_none());
        assert!(results.find(&[2; 16], NOW).is_some());
    }

    #[test]
    fn a_delivered_answer_expires_by_our_own_clock() {
        let results = store(10_000);
        results.pin([1; 16], answer(1));
        results.release(&[1; 16], NOW);
        let last = NOW + Duration::from_secs(24 * 60 * 60 - 1);
        assert!(results.find(&[1; 16], last).is_some());
        assert!(
            results
                .find(&[1; 16], last + Duration::from_secs(1))
                .is_none()
        );
    }
}
