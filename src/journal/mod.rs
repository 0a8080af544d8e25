//! The journal: what an exchange may not forget, durable before its next step.
mod book;
mod boots;
mod codec;
mod company;
mod config;
mod disk;
mod entry;
mod error;
mod fault;
#[cfg(test)]
mod folding;
mod frame;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod guard;
mod handle;
mod key;
mod listing;
mod log;
mod mark;
mod metrics;
mod open;
mod queue;
mod reader;
mod reopen;
mod room;
mod room_keeping;
#[cfg(test)]
mod samples;
mod seal;
mod site;
mod storage;
mod store;
mod taking_in;
#[cfg(test)]
mod tests;
mod tidy;
mod walk;
mod work;
mod writer;

pub use config::Config;
pub use disk::{
    Disk, DiskFile, Lock, Named, ReadOnlyDisk, SystemDisk, Work, Working, beside, fresh,
};
pub use entry::{Change, Doubt, Entry, Head, Number, Place, Remembered, Sealed, Standing};
pub use error::{AppendError, NoRoom, OpenError, ReadError};
pub use handle::{Appending, Journal, Reading};
pub use listing::{Page, Report};
pub use metrics::Metrics;
pub use open::{Claimed, Opened, Parts, Prepared, claim, open};
pub use reader::Reader;
pub use seal::{AnswerKey, SealError};
pub use writer::Writer;
