//! The journal: what an exchange may not forget, durable before its next step.
mod config;
mod entry;
mod seal;

pub use config::Config;
pub use entry::{Change, Doubt, Entry, Head, Number, Place, Remembered, Sealed, Standing};
pub use seal::{AnswerKey, SealError};
