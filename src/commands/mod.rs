//! The commands: each reads its arguments, does one thing, and ends with an exit code.
pub mod check;
mod exit;
pub mod healthcheck;
pub mod simulate;
mod source;

pub use exit::Exit;
pub use source::Source;
