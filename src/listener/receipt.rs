//! The receipt that comes with an answer and says whether its reader got it.
type Settle = Box<dyn FnOnce(bool) + Send>;

/// A promise to tell once whether an answer reached its reader. The service gives it with the answer;
/// the listener settles it. A receipt that is dropped says no.
pub struct Receipt(Option<Settle>);

impl Receipt {
    /// A receipt that calls `settle` once: `true` when the answer was acknowledged and no reset
    /// came after it, `false` otherwise.
    pub fn new(settle: impl FnOnce(bool) + Send + 'static) -> Self {
        Self(Some(Box::new(settle)))
    }

    /// Tells whether the answer reached its reader.
    pub fn settle(mut self, delivered: bool) {
        self.tell(delivered);
    }

    fn tell(&mut self, delivered: bool) {
        if let Some(settle) = self.0.take() {
            settle(delivered);
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        self.tell(false);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_receipt_tells_once_and_says_no_when_it_is_dropped() {
        let (tell, told) = mpsc::channel();
        let receipt = Receipt::new({
            let tell = tell.clone();
            move |delivered| tell.send(delivered).unwrap()
        });
        receipt.settle(true);
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [true]);

        drop(Receipt::new(move |delivered| tell.send(delivered).unwrap()));
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [false]);
    }
}
