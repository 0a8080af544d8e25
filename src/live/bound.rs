//! A bound on how many do something at once, which may be moved while they do it.
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many permits; more wait until one is free.
#[derive(Debug)]
pub struct Bound {
    free: Arc<Semaphore>,
    limit: Mutex<usize>,
    /// Taken permits that are given up instead of being given on, because the limit is lower now.
    surplus: AtomicUsize,
}

/// A permit, until it is dropped.
#[derive(Debug)]
pub struct Permit(#[expect(dead_code, reason = "it is held, not looked at")] OwnedSemaphorePermit);

impl Bound {
    /// `limit` free permits.
    pub fn new(limit: usize) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(limit)),
            limit: Mutex::new(limit),
            surplus: AtomicUsize::new(0),
        }
    }

    /// Waits for a free permit.
    pub async fn take(&self) -> Permit {
        loop {
            let Ok(permit) = Arc::clone(&self.free).acquire_owned().await else {
                // Nobody closes this semaphore; if somebody did, there would be no permit ever.
                std::future::pending::<()>().await;
                continue;
            };
            let less = |surplus: usize| surplus.checked_sub(1);
            let paid = self
                .surplus
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
            match paid {
                Ok(_) => permit.forget(),
                Err(_) => return Permit(permit),
            }
        }
    }

    /// How many are free now.
    pub fn free(&self) -> usize {
        self.free
            .available_permits()
            .saturating_sub(self.surplus.load(Ordering::Acquire))
    }

    /// Moves the bound. Nobody loses a permit that was taken: where there are too many, those that
    /// become free are not given on.
    pub fn resize(&self, limit: usize) {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        let mut present = self.limit.lock().unwrap_or_else(PoisonError::into_inner);
        if limit < *present {
            let less = *present - limit;
            let taken = less - self.free.forget_permits(less);
            self.surplus.fetch_add(taken, Ordering::AcqRel);
        } else if limit > *present {
            let more = limit - *present;
            let owed = self.surplus.load(Ordering::Acquire).min(more);
            self.surplus.fetch_sub(owed, Ordering::AcqRel);
            self.free.add_permits(more - owed);
        }
        *present = limit;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn taken(bound: &Bound) -> Option<Permit> {
        bound.take().now_or_never()
    }

    #[test]
    fn a_raised_limit_lets_waiting_ones_in_at_once() {
        let bound = Bound::new(1);
        let _first = taken(&bound).unwrap();
        let mut waiting = Box::pin(bound.take());
        assert!((&mut waiting).now_or_never().is_none());
        bound.resize(2);
        assert!((&mut waiting).now_or_never().is_some());
    }

    #[test]
    fn a_lowered_limit_takes_nobodys_place_and_gives_none_on_until_it_is_kept() {
        let bound = Bound::new(3);
        let [one, two, three] = [taken(&bound), taken(&bound), taken(&bound)].map(Option::unwrap);
        bound.resize(1);
        let mut waiting = Box::pin(bound.take());
        drop(one);
        assert!((&mut waiting).now_or_never().is_none());
        drop(two);
        assert!((&mut waiting).now_or_never().is_none());
        drop(three);
        assert!((&mut waiting).now_or_never().is_some());
        assert_eq!(bound.free(), 1);
    }

    #[test]
    fn a_limit_that_is_lowered_and_raised_again_is_the_first_one() {
        let bound = Bound::new(2);
        let both = [taken(&bound), taken(&bound)].map(Option::unwrap);
        bound.resize(1);
        bound.resize(2);
        assert!(taken(&bound).is_none());
        drop(both);
        assert_eq!(bound.free(), 2);
    }
}
