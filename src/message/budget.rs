//! Bytes that many share: who wants more than is left has to do without.
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A number of bytes that may be taken at once. Clones are one budget.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Account>);

#[derive(Debug)]
struct Account {
    limit: AtomicUsize,
    taken: AtomicUsize,
}

/// What one message has of it; given back when dropped.
#[derive(Debug)]
pub struct Share {
    budget: Budget,
    bytes: usize,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(limit: usize) -> Self {
        let (limit, taken) = (AtomicUsize::new(limit), AtomicUsize::new(0));
        Self(Arc::new(Account { limit, taken }))
    }

    /// Moves the limit. What is taken beyond it stays taken until it is given back.
    pub fn resize(&self, limit: usize) {
        self.0.limit.store(limit, Ordering::Relaxed);
    }

    /// A share of nothing yet.
    pub fn share(&self) -> Share {
        Share {
            budget: self.clone(),
            bytes: 0,
        }
    }

    /// How many bytes are taken.
    pub fn taken(&self) -> usize {
        self.0.taken.load(Ordering::Relaxed)
    }
}

impl Share {
    /// Makes it so many bytes large, if that many are left; else it stays as it was.
    pub fn grow_to(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        // Also where a reload took room away: what takes no more is always granted.
        if more == 0 {
            return true;
        }
        let account = &self.budget.0;
        let limit = account.limit.load(Ordering::Relaxed);
        let grow = |taken: usize| taken.checked_add(more).filter(|it| *it <= limit);
        let grown = account
            .taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, grow)
            .is_ok();
        if grown {
            self.bytes += more;
        }
        grown
    }

    /// True if it has nothing.
    pub const fn is_empty(&self) -> bool {
        self.bytes == 0
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.0.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_never_exceed_the_budget_and_come_back() {
        let budget = Budget::new(100);
        let (mut one, mut two) = (budget.share(), budget.share());
        assert!(one.grow_to(60) && one.grow_to(50) && two.grow_to(40));
        assert_eq!(budget.taken(), 100);
        assert!(!two.grow_to(41) && !two.grow_to(usize::MAX));
        drop(one);
        assert!(two.grow_to(100));
        budget.resize(50);
        assert!(!two.grow_to(101));
        assert!(two.grow_to(100) && budget.share().grow_to(0));
        drop(two);
        assert_eq!(budget.taken(), 0);
        assert!(!budget.share().grow_to(51) && budget.share().grow_to(50));
    }
}
