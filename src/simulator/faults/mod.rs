//! Faults as words: each family in a file of its own, read from one text that a request or the
//! command line carries.
mod poll;
mod rule;
mod submit;
mod task;
mod words;

pub use poll::{Cut, OddAnswer, PollWords, Unknown};
pub use rule::Rule;
pub use submit::{HostileId, RetryAfter, SubmitFault, SubmitWords};
pub use task::{Fate, Readable, TaskWords};
pub use words::{Word, WordError, Words, table};
