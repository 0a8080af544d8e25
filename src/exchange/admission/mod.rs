//! Who comes in: which exchange a request joins or starts, and what it is given where that has ended.
mod door;
mod stored;
mod unfinished;

pub use door::{Admission, Held, Known, Refusal, TaskAnswer};
pub use stored::Stored;
pub use unfinished::Unfinished;
