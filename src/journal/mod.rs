//! The journal: what an exchange may not forget, durable before its next step.
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
mod room;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
mod writing;

pub use config::Config;
pub use error::{AppendError, NoRoom, OpenError, ReadError};
pub use files::disk::{
    Disk, DiskFile, Lock, Named, ReadOnlyDisk, SystemDisk, Work, Working, beside, fresh,
};
pub use handle::{Appending, Journal, Reading};
pub use keeping::listing::{Page, Report};
pub use metrics::Metrics;
pub use open::{Claimed, Opened, Parts, Prepared, claim, open};
pub use reader::Reader;
pub use records::entry::{Change, Doubt, Entry, Head, Number, Place, Remembered, Sealed, Standing};
pub use records::seal::{AnswerKey, SealError};
pub use writing::writer::Writer;
