//! The commands: each reads its arguments, does one thing, and ends with an exit code.
mod ask;
pub mod cert;
pub mod check;
pub mod demo;
mod exit;
pub mod explain;
pub mod healthcheck;
pub mod journal;
pub mod log;
mod plot;
pub mod polling;
pub mod probe;
pub mod resolve;
pub mod run;
pub mod simulate;
mod source;
mod unheard;

pub use exit::Exit;
pub use source::Source;
pub use unheard::Unheard;
