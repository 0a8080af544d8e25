//! The seam to the journal: where an exchange's records go before its next step.
use std::future::{Future, ready};
use std::pin::Pin;

use super::admission::Refusal;
use crate::journal::{self, Entry, Journal, Number, Place, Sealed, Unready};

/// A record on its way to the disk.
pub type Appending = Pin<Box<dyn Future<Output = Result<(), RecordError>> + Send>>;

/// An answer on its way from the disk; none where it has been dropped.
pub type Reading = Pin<Box<dyn Future<Output = Result<Option<Sealed>, ReadError>> + Send>>;

/// A record could not be made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to make a record durable")]
pub struct RecordError;

/// An answer could not be read from the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Not now; a later try may succeed.
    #[error("failed to read an answer from the disk")]
    Down,
    /// Its record is damaged: no later try succeeds.
    #[error("the record of an answer is damaged")]
    Damaged,
}

/// Takes the records of every exchange, in order.
pub trait Recorder: Send + Sync {
    /// True if records outlive the process.
    fn is_durable(&self) -> bool;

    /// A number for a new exchange: higher than any before it.
    fn begin(&self) -> Number;

    /// Appends an entry; `None` when it is already as durable as it will be.
    fn append(&self, entry: Entry) -> Option<Appending>;

    /// The sealed answer that stands at a place.
    fn answer(&self, place: Place) -> Reading;

    /// Whether the intent of a new exchange could be recorded now.
    fn may_start(&self) -> Result<(), Refusal>;
}

/// Memory alone: the records live and die with the process that has their effects in memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct InMemory;

impl Recorder for InMemory {
    fn is_durable(&self) -> bool {
        false
    }

    fn begin(&self) -> Number {
        Number(0)
    }

    fn append(&self, _: Entry) -> Option<Appending> {
        None
    }

    fn answer(&self, _: Place) -> Reading {
        Box::pin(ready(Ok(None)))
    }

    fn may_start(&self) -> Result<(), Refusal> {
        Ok(())
    }
}

impl Recorder for Journal {
    fn is_durable(&self) -> bool {
        true
    }

    fn begin(&self) -> Number {
        Self::begin(self)
    }

    fn append(&self, entry: Entry) -> Option<Appending> {
        let appending = Self::append(self, entry);
        Some(Box::pin(async { appending.await.map_err(|_| RecordError) }))
    }

    fn answer(&self, place: Place) -> Reading {
        let reading = Self::answer(self, place);
        Box::pin(async move {
            match reading.await {
                Ok(sealed) => Ok(Some(sealed)),
                Err(journal::ReadError::Absent(_)) => Ok(None),
                Err(journal::ReadError::Down) => Err(ReadError::Down),
                Err(journal::ReadError::Damaged(_)) => Err(ReadError::Damaged),
            }
        })
    }

    fn may_start(&self) -> Result<(), Refusal> {
        Self::may_start(self).map_err(|why| match why {
            Unready::Down(_) | Unready::Hung => Refusal::JournalDown,
            Unready::Full => Refusal::JournalFull,
        })
    }
}
