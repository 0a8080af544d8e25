//! The operator's own listener: health, metrics, what runs, and a page that shows it. Read-only.
mod about;
mod config;
mod curve;
mod figures;
mod health;
mod html;
mod overview;
mod page;
mod plot;
mod policy;
mod polling;
mod readiness;
mod samples;
mod scrape;
mod service;
mod tables;
mod task;
mod tasks;
mod view;

pub use about::About;
pub use config::Config;
pub use readiness::Listeners;
pub use service::{Parts, Service};
