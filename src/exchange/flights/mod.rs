//! The exchanges of the process: those that run, whose they are, and what is remembered of those that ended.
mod began;
mod facts;
mod flight;
mod index;
mod kin;
mod mailbox;
mod rivals;
mod said;
mod table;
mod task;

pub(super) use began::Began;
pub(super) use facts::{Fact, Remains};
pub use flight::{Answer, Flight, Told};
pub(super) use flight::{Command, Core, Entrance, Join, Subject, TaskPlace, Waiter};
pub(super) use kin::Kin;
pub(super) use rivals::{CLOCK_SKEW, Rivals};
pub(super) use said::Once;
pub use table::Census;
#[cfg(test)]
pub(super) use table::tests::flight;
pub(super) use table::{Counted, Table, own_or_first};
pub(super) use task::Source;
