//! holdline: an HTTP sidecar that holds a synchronous payment request while the gateway works
//! asynchronously. The rooms stand in floors; a room imports from the floors below it only.
pub mod app;
pub mod cli;
pub mod commands;
pub mod config;

pub mod admin;
pub mod proxy;
pub mod simulator;

pub mod exchange;
pub mod results;

pub mod listener;
pub mod polling;
pub mod protocol;
pub mod upstream;

pub mod drain;
pub mod message;
pub mod process;
pub mod telemetry;
pub mod timing;
