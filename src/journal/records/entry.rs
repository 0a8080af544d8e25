//! What the journal holds: entries as they are appended, and exchanges as they are remembered.
use bytes::Bytes;
use uuid::Uuid;

use crate::timing::Stamp;

/// An exchange's number in the journal: given at its first entry, ascending, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(pub u64);

/// One entry's place: the exchange, and which of its entries it is, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The exchange.
    pub number: Number,
    /// The entry's step in it.
    pub step: u32,
}

/// An entry on its way to the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it goes.
    pub place: Place,
    /// When it was made.
    pub stamp: Stamp,
    /// What happened.
    pub change: Change,
}

/// What happened to an exchange: the ten records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A submit may leave from now on.
    Submitted(Box<Head>),
    /// The n-th repeat of the submit may leave from now on.
    Resubmitted(u32),
    /// The gateway took the task, under this id.
    Accepted(Box<str>),
    /// An answer that may be the result, and may not be given again; `None` once the task was told to run:
    /// the one before was not the result.
    Candidate(Option<Sealed>),
    /// The result; `None` once the answer has been dropped for want of space.
    Completed(Option<Sealed>),
    /// The client has its answer.
    Delivered,
    /// It may have been executed.
    InDoubt(WrittenDoubt),
    /// Nothing was submitted after all.
    Withdrawn,
    /// The gateway refused it.
    Refused,
    /// It is no longer remembered; the operator's reason, if it was the operator who closed it.
    Closed(Option<Box<str>>),
}

/// Why an exchange is in doubt, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenDoubt {
    /// The name of the cause; the exchange's room gives it and reads it.
    pub cause: Box<str>,
    /// The operator's reason, if it was the operator who settled it as executed.
    pub reason: Option<Box<str>>,
}

/// Which exchange it is: written once, with its first entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The exchange's own id.
    pub exchange: Uuid,
    /// The gateway's configured name.
    pub gateway: Box<str>,
    /// Where the gateway was: scheme, host and port.
    pub origin: Box<str>,
    /// The operation's name.
    pub operation: Box<str>,
    /// Keyed hash of the shop.
    pub owner: [u8; 32],
    /// Keyed hash of the full credentials.
    pub credential: [u8; 32],
    /// Keyed hash of the request; under this one it is found.
    pub fingerprint: [u8; 32],
    /// Keyed hash of the request as it came, where equal requests are wanted side by side.
    pub beside: Option<[u8; 32]>,
    /// The idempotency key that every submit carries.
    pub key: Box<str>,
    /// True if the client gave the key.
    pub explicit: bool,
    /// The amount as the request wrote it.
    pub amount: Option<Box<str>>,
    /// The currency's code.
    pub currency: Option<Box<str>>,
    /// The merchant's own id of the purchase.
    pub reference: Option<Box<str>>,
}

/// An answer that only the credentials that asked for it open.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(pub Bytes);

impl std::fmt::Debug for Sealed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Sealed({} bytes)", self.0.len())
    }
}

/// An exchange as the journal remembers it: its entries, folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// Its number.
    pub number: Number,
    /// The step of the next entry.
    pub next_step: u32,
    /// Which exchange it is.
    pub head: Head,
    /// When its first and its last entry were made.
    pub submitted: Stamp,
    /// See `submitted`.
    pub changed: Stamp,
    /// What its last record says of it.
    pub last_record: LastRecord,
    /// How often the submit was repeated.
    pub resubmits: u32,
    /// The task's id, once it was known.
    pub ticket: Option<Box<str>>,
    /// Where an answer is that may be the result, if no result came after it.
    pub candidate: Option<Place>,
    /// Where the result is, unless it was dropped.
    pub answer: Option<Place>,
    /// The doubt that the operator gave a reason for, whatever came after it.
    pub ruled: Option<WrittenDoubt>,
    /// The operator's reason, where it was the operator who closed it.
    pub closed_because: Option<Box<str>>,
}

/// What the last record of an exchange says of it. An answer that may yet be replaced leaves it accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LastRecord {
    /// A submit may have left.
    Submitted,
    /// The gateway works on it, or has.
    Accepted,
    /// The answer waits for its client.
    Completed,
    /// The client has its answer.
    Delivered,
    /// It may have been executed.
    InDoubt(WrittenDoubt),
    /// It ended: withdrawn, refused or closed.
    Ended,
}
