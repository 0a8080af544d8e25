//! The driver: feeds a flight's machine with what happens, and does what the machine says.
mod doing;
mod hearing;
mod joining;
mod ruling;
mod running;
mod stopping;

pub(super) use running::supervise;
