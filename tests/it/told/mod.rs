//! The built binary told what to do by its operator and its service manager while it works: signals,
//! another configuration, other levels, and what it tells in turn.
mod log;
mod manager;
mod reload;
mod stop;
