//! The receipt that travels with a response and says whether its reader got it.
use std::sync::{Arc, Mutex, PoisonError};

type Settle = Box<dyn FnOnce(bool) + Send>;

/// A promise to tell once whether an answer reached its reader. The service puts it into the
/// response's extensions; the listener settles it. A receipt that is dropped says no.
///
/// Extensions ask for `Clone`; the clones are one promise, and the last one dropped says no.
#[derive(Clone)]
pub struct Receipt(Arc<Promise>);

struct Promise(Mutex<Option<Settle>>);

impl Receipt {
    /// A receipt that calls `settle` once: `true` when the answer was acknowledged and no reset
    /// came after it, `false` otherwise.
    pub fn new(settle: impl FnOnce(bool) + Send + 'static) -> Self {
        Self(Arc::new(Promise(Mutex::new(Some(Box::new(settle))))))
    }

    /// Tells whether the answer reached its reader.
    pub fn settle(self, delivered: bool) {
        self.0.settle(delivered);
    }
}

impl Promise {
    fn settle(&self, delivered: bool) {
        // The lock is let go before the call, which may do anything.
        let settle = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(settle) = settle {
            settle(delivered);
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.settle(false);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_receipt_tells_once_and_says_no_when_its_last_clone_is_dropped() {
        let (tell, told) = mpsc::channel();
        let receipt = Receipt::new({
            let tell = tell.clone();
            move |delivered| tell.send(delivered).unwrap()
        });
        let clone = receipt.clone();
        receipt.settle(true);
        clone.settle(false);
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [true]);

        let receipt = Receipt::new(move |delivered| tell.send(delivered).unwrap());
        let clone = receipt.clone();
        drop(receipt);
        assert!(told.try_recv().is_err(), "a clone is still alive");
        drop(clone);
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [false]);
    }
}
