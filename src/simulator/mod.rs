//! A simulated beGateway gateway, for tests: the synchronous interface, its asynchronous twin, what
//! may go wrong on the way, and a ledger of what truly happened. It shares no words with
//! `protocol`, so that a misreading there is not repeated here.
mod answer;
mod execute;
pub mod faults;
mod gateway;
mod head;
mod latency;
pub mod ledger;
mod order;
mod poll;
mod records;
mod script;
mod serve;
mod service;
mod settings;
mod state;
mod submit;
mod task;
mod ticket;
mod transaction;
mod wire;

pub use gateway::Gateway;
pub use latency::{Latency, LatencyError};
pub use ledger::Ledger;
pub use settings::{
    DEMO_KEY, DEMO_SHOP, NameError, PollUrls, RefusalBody, Running, RunningRepeat, Settings, Shop,
    ShopError, TaskRepeat, Validation,
};
