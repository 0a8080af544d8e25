//! The exchanges of the process: those that run, whose they are, and what is remembered of those that ended.
mod began;
mod command;
mod facts;
mod flight;
mod index;
mod kin;
mod mailbox;
mod rivals;
mod said;
mod table;
mod task;
mod waiter;

pub(super) use began::Began;
pub(super) use command::{Command, Entrance, Join};
pub(super) use facts::{Fact, Remains};
pub use flight::{Answer, Flight};
pub(super) use flight::{Core, Subject};
pub(super) use kin::Kin;
pub(super) use rivals::{CLOCK_SKEW, Rivals};
pub(super) use said::Once;
pub use table::Census;
#[cfg(test)]
pub(super) use table::tests::flight;
pub(super) use table::{Counted, Table, own_or_first};
pub(super) use task::{Source, TaskPlace};
pub use waiter::Told;
pub(super) use waiter::Waiter;
