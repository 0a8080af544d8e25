//! A value that a reload replaces whole, while whoever took the one before keeps it.
use std::sync::Arc;

use tokio::sync::watch;

/// A value in force; clones share it.
#[derive(Debug)]
pub struct Live<T>(watch::Sender<Arc<T>>);

impl<T> Live<T> {
    /// The first value.
    pub fn new(value: T) -> Self {
        Self(watch::Sender::new(Arc::new(value)))
    }

    /// The value in force. Whoever has several things to decide by it takes it once.
    pub fn now(&self) -> Arc<T> {
        Arc::clone(&self.0.borrow())
    }

    /// Puts another value in force for whoever asks from now on.
    pub fn replace(&self, value: T) {
        self.0.send_replace(Arc::new(value));
    }

    /// Tells of each replacement from now on.
    pub fn changes(&self) -> watch::Receiver<Arc<T>> {
        self.0.subscribe()
    }
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_took_a_value_keeps_it_and_who_asks_later_has_the_next() {
        let live = Live::new(1);
        let (before, elsewhere) = (live.now(), live.clone());
        let changes = live.changes();
        elsewhere.replace(2);
        assert_eq!((*before, *live.now()), (1, 2));
        assert!(changes.has_changed().unwrap());
    }
}
