//! What the journal remembers, told a page at a time, and what is wrong with it.
use super::store::Store;
use crate::journal::fault::StoreError;
use crate::journal::{Number, Remembered};

/// Some exchanges, in the order in which they began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The exchanges.
    pub exchanges: Vec<Remembered>,
    /// From where the next page goes on; `None` at the end.
    pub next: Option<Number>,
}

impl Page {
    pub(in crate::journal) fn read(
        store: &Store,
        from: Number,
        limit: usize,
    ) -> Result<Self, StoreError> {
        store.checkpoint()?;
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

/// How many bytes of records are read in one go: some milliseconds.
const PIECE: usize = 1024 * 1024;

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

    /// Reads every record; an error as from [`begin`](Self::begin).
    pub(in crate::journal) fn of(store: &Store) -> Result<Self, StoreError> {
        let (mut report, mut from) = Self::begin(store)?;
        while let Some(number) = from {
            from = report.add(store, number);
        }
        Ok(report)
    }

    /// An empty report, and where its first piece begins. An error where the file cannot take in what its
    /// log holds: that says nothing of what is in them.
    pub(in crate::journal) fn begin(store: &Store) -> Result<(Self, Option<Number>), StoreError> {
        store.checkpoint()?;
        Ok((Self::default(), Some(Number(0))))
    }

    /// Reads a piece of the records, from an exchange on, and says where the next one begins. A bad record
    /// does not hide the next.
    pub(in crate::journal) fn add(&mut self, store: &Store, from: Number) -> Option<Number> {
        let read = store.each(from, PIECE, |entry| match entry {
            Ok(begins) => {
                self.records += 1;
                self.exchanges += u64::from(begins);
            }
            Err(error) => self.fault(&error.to_string()),
        });
        read.unwrap_or_else(|error| {
            self.fault(&error.to_string());
            None
        })
    }

    /// A report of nothing but that it could not be made.
    pub(in crate::journal) fn stopped(why: &str) -> Self {
        let mut report = Self::default();
        report.fault(why);
        report
    }

    pub(in crate::journal) fn fault(&mut self, words: &str) {
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
