//! The way of one downstream request: its route, its key, its exchange, its answer.
mod config;

pub use config::Config;
