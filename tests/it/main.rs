//! The one integration binary.
//!
//! Which harness is for what:
//! - `stage`: the app in the test's process, before a gateway, over sockets on loopback, in real time.
//!   `app`, `told` and most others stand on it.
//! - `downstream`: the listener alone, with a service of the test's choice.
//! - `simulated`: the driver and the flights in simulated time, with a simulated network and disk; no
//!   sockets. A day passes in milliseconds.
//! - `chaos`: the same world by a seed, with kills, faults and clients that repeat, and a judge.
//! - `killed`: the built binary in a process of its own, under `kill -9`.
#[cfg(test)]
mod app;
#[cfg(test)]
mod chaos;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod config;
#[cfg(test)]
mod control;
#[cfg(test)]
mod delivery;
#[cfg(test)]
mod deploy;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod downstream;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod house;
#[cfg(test)]
mod journal;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod listener;
#[cfg(test)]
mod parking;
#[cfg(test)]
mod polling;
#[cfg(test)]
mod probe;
#[cfg(test)]
mod secure;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod simulator;
#[cfg(test)]
mod source;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod told;
#[cfg(test)]
mod upstream;
