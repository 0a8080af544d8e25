//! holdline: an HTTP sidecar that holds a synchronous payment request while the gateway works
//! asynchronously. The rooms stand in floors, here from the top; a room imports from the floors
//! below its own only.
pub mod cli;

pub mod commands;

pub mod app;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;

pub mod config;

pub mod admin;
pub mod control;
pub mod probe;
pub mod proxy;
pub mod simulator;

pub mod exchange;

pub mod journal;
pub mod results;

pub mod listener;
pub mod polling;
pub mod protocol;
pub mod upstream;

pub mod certificates;
pub mod drain;
pub mod message;
pub mod process;
pub mod telemetry;

pub mod elementary;
pub mod live;
pub mod timing;
