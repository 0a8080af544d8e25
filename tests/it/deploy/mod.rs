//! What stands in deploy/ and docs/, held against the program: a metric, a key, a command or a path
//! that is gone must not be named there any more.
mod alerts;
mod certificates;
mod commands;
mod configs;
mod shop;
mod sizing;
mod texts;
