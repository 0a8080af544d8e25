//! The rules of money as a pure state machine: `on(event, now) -> actions`, no socket, clock or disk.
mod action;
mod ending;
mod event;
mod facts;
mod ladder;
mod table;
#[cfg(test)]
mod tests;

pub use action::{Action, Actions, Doubt, Outcome, Record, RecordKind, Withdrawal};
pub use event::{Event, Joining, Polled, Submitted, Timer, Verdict, Whole};
pub use facts::{Machine, Policy, Standing, State};
