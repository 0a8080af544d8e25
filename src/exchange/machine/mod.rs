//! The rules of money as a pure state machine: `on(event, now) -> actions`, no socket, clock or disk.
mod action;
mod doubt;
mod ending;
mod event;
mod ladder;
mod poll;
mod rest;
mod restored;
mod state;
mod submit;
mod table;
#[cfg(test)]
mod tests;
mod waits;
mod watch;

pub use action::{Action, Actions, Closing, Outcome, Record, RecordKind, Withdrawal};
pub use doubt::Doubt;
pub use event::{Event, Loss, Polled, Searched, Submitted, Timer, Verdict, Whole};
pub use restored::{Restored, Stood};
pub use state::{Begun, Machine, Policy, Standing, State, Terms};
#[cfg(test)]
pub(super) use tests::story::{begun, terms};
pub use watch::Watch;
