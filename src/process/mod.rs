//! The process as the system and its supervisor see it: descriptors, signals, and what systemd is told.
mod hardening;
mod notifier;
mod signals;

pub use hardening::harden;
pub use notifier::{Notifier, State};
pub use signals::{Asked, Signals};
