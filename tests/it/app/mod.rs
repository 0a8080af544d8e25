//! The whole app against a simulated or a scripted gateway, read as prose.
pub(crate) mod asking;
pub(crate) mod bench;
pub(crate) mod front;
mod invariants;
pub(crate) mod scripted;

mod bad_input;
mod clients;
mod hold;
mod hosts;
mod keys;
mod ladder;
mod large_heads;
mod lookups;
mod operations;
mod operator;
mod poll_faults;
mod process;
mod reads;
mod records;
mod relay;
mod reloads;
mod repeats;
mod submit_faults;
mod verbatim;
