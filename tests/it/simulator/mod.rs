//! The simulated gateway, seen from outside through a plain client.
mod client;
mod documented;
mod ledger;
mod poll_faults;
mod submit_faults;
mod switches;
