//! The configuration: as written by file, environment and flags, then resolved, all faults at once.
mod byte_size;
mod certificates;
mod checks;
mod environment;
mod fault;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod gateway;
mod keys;
mod kind;
mod nearest;
mod paths;
mod price;
mod reader;
mod reload;
mod resolve;
mod restart;
mod span;
mod summary;
#[cfg(test)]
mod tests;
mod tree;
mod written;

pub use byte_size::{ByteSize, ByteSizeError};
pub use fault::{Fault, Faults, Place, Places, Warning};
pub use gateway::{Gateway, Host, HostError};
pub use reload::{Change, Named, Reloaded, reload};
pub use resolve::{Config, File, Flags, Resolved, read, resolve, sections};
pub use restart::{needs_restart, read_already};
pub use span::{Span, SpanError};
