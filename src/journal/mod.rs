//! The journal: what an exchange may not forget, durable before its next step.
//!
//! From below: `records` is what is written and how it is sealed, `files` are the four files, `keeping`
//! reads and changes the main one, `writing` is the one task that writes, `handle` is what exchanges hold,
//! and `open` makes all of it. `reader` looks at a journal that no process has open.
//!
//! Words of this room:
//! - An *entry* is one step of an exchange, and its *record* the bytes of it. A *seal* encrypts a record
//!   and binds it to its *place*: the number of the exchange and the step.
//! - The *site* is where a journal is: its path, its disk, its limits.
//! - The *key* file holds the secret of every seal; its lock says that the journal is taken.
//! - The *store* is the open main file. The *log* is the small file beside it that makes a commit durable;
//!   each commit is one *frame* of it, until the main file takes it in (a *checkpoint*).
//! - The *mark* is a third file, which counts commits: a journal with fewer was lost in part or replaced.
//! - The *guard* looks whether the open files still have their names.
//! - The *space* is what the file may take of the disk, and how much of that is taken.
//! - A *pass* is a walk through all exchanges, a piece at a time, to forget some: those that are old enough
//!   (a *sweep*), or delivered ones where space is short (an *eviction*).
//! - The *company* are the entries that wait for the next commit; it decides when that begins.
//! - An entry is *owed* if the disk refused it: it is written before the journal is up again.
mod config;
mod error;
mod fault;
mod files;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod handle;
mod keeping;
mod metrics;
mod open;
mod reader;
mod records;
#[cfg(test)]
mod samples;
mod space;
#[cfg(test)]
mod tests;
mod writing;

pub use config::Config;
pub use error::{AppendError, OpenError, ReadError, Unready};
pub use files::disk::{
    Disk, DiskFile, Lock, Named, ReadOnlyDisk, SystemDisk, Work, Working, beside, fresh,
};
pub use handle::{Appending, Journal, Reading};
pub use keeping::listing::{Page, Report};
pub use metrics::Metrics;
pub use open::{Claimed, Opened, Parts, Prepared, claim, open};
pub use reader::Reader;
pub use records::entry::{
    Change, Entry, Head, LastRecord, Number, Place, Remembered, Sealed, WrittenDoubt,
};
pub use records::seal::{AnswerKey, SealError};
pub use writing::writer::Writer;
