//! The driver and the flights in simulated time: orders in, the real client in between, and the
//! simulated gateway behind it. A day passes in milliseconds.
mod clocks;
mod counts;
pub(crate) mod disk;
mod drains;
mod ends;
pub(crate) mod host;
mod ids_again;
mod intents;
pub(crate) mod journal;
mod kept_answers;
mod kills;
pub(crate) mod life;
mod limits;
pub(crate) mod log;
pub(crate) mod network;
mod payments;
pub(crate) mod process;
mod reboots;
mod records;
mod restarts;
mod slow_polls;
mod submits;
mod tasks;
mod turns;
pub(crate) mod world;
