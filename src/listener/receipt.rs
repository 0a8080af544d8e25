//! The receipt that travels with a response and says whether its reader got it.

/// A promise to tell once whether an answer reached its reader. The service puts it into the
/// response's extensions; the listener settles it. A receipt that is dropped says no.
pub struct Receipt(Option<Box<dyn FnOnce(bool) + Send + Sync>>);

impl Receipt {
    /// A receipt that calls `settle` once: `true` when the answer was acknowledged and no reset
    /// came after it, `false` otherwise.
    pub fn new(settle: impl FnOnce(bool) + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(settle)))
    }

    /// Tells whether the answer reached its reader.
    pub fn settle(mut self, delivered: bool) {
        if let Some(settle) = self.0.take() {
            settle(delivered);
        }
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Some(settle) = self.0.take() {
            settle(false);
        }
    }
}
