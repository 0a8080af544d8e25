//! The built binary as its operator asks and tells it: `journal`, `resolve`, and the socket below.
mod desk;
mod doubts;
mod files;
mod polling;
mod sockets;
mod stories;
mod texts;
mod verdicts;
