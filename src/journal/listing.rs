//! What the journal remembers, told a page at a time, and what is wrong with it.
use super::fault::StoreError;
use super::store::Store;
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

/// What a look at the whole journal found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many records are as they were written.
    pub records: u64,
    /// How many exchanges they tell of.
    pub exchanges: u64,
    /// What is wrong, each in a sentence; no more than [`Report::MOST_FAULTS`] of them.
    pub faults: Vec<String>,
    /// How many more there are.
    pub more_faults: u64,
}

impl Report {
    /// More are counted and not told.
    pub const MOST_FAULTS: usize = 100;

    /// Reads every record; a bad one does not hide the next. An error where the file cannot take in what
    /// its log holds: that says nothing of what is in them.
    pub(super) fn of(store: &Store) -> Result<Self, StoreError> {
        let mut report = Self::default();
        store.checkpoint()?;
        let read = store.each(|entry| match entry {
            Ok(begins) => {
                report.records += 1;
                report.exchanges += u64::from(begins);
            }
            Err(error) => report.fault(&error.to_string()),
        });
        if let Err(error) = read {
            report.fault(&error.to_string());
        }
        Ok(report)
    }

    /// A report of nothing but that it could not be made.
    pub(super) fn stopped(why: &str) -> Self {
        let mut report = Self::default();
        report.fault(why);
        report
    }

    pub(super) fn fault(&mut self, words: &str) {
        if self.faults.len() < Self::MOST_FAULTS {
            self.faults.push(words.to_owned());
        } else {
            self.more_faults += 1;
        }
    }

    /// True if nothing is wrong.
    pub const fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }
}
