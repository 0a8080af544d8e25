//! What the journal remembers, told a page at a time.
use super::store::{Store, StoreError};
use super::{Number, Remembered};

/// Some exchanges, in the order in which they began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The exchanges.
    pub exchanges: Vec<Remembered>,
    /// From where the next page goes on; `None` at the end.
    pub next: Option<Number>,
}

impl Page {
    pub(super) fn read(store: &Store, from: Number, limit: usize) -> Result<Self, StoreError> {
        let mut page = Self::default();
        store.walk(from, |remembered| {
            if page.exchanges.len() == limit {
                page.next = Some(remembered.number);
                return false;
            }
            page.exchanges.push(remembered);
            true
        })?;
        Ok(page)
    }
}
