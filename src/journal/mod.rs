//! The journal: what an exchange may not forget, durable before its next step.
mod book;
mod codec;
mod config;
mod disk;
mod entry;
mod error;
mod handle;
mod key;
mod listing;
mod metrics;
mod open;
mod queue;
mod room;
#[cfg(test)]
mod samples;
mod seal;
mod storage;
mod store;
#[cfg(test)]
mod tests;
mod tidy;
mod work;
mod writer;

pub use config::Config;
pub use disk::{Disk, DiskFile, Lock, SystemDisk, Work, Working};
pub use entry::{Change, Doubt, Entry, Head, Number, Place, Remembered, Sealed, Standing};
pub use error::{AppendError, NoRoom, OpenError, ReadError};
pub use handle::{Appending, Journal, Reading};
pub use listing::Page;
pub use metrics::Metrics;
pub use open::{Opened, Parts, open};
pub use seal::{AnswerKey, SealError};
pub use writer::Writer;
