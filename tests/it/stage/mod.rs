//! What the tests of the whole app stand on: holdline before a gateway on loopback, and the clients.
pub(crate) mod asking;
pub(crate) mod bench;
mod counts;
pub(crate) mod front;
mod invariants;
pub(crate) mod scripted;
pub(crate) mod tap;
pub(crate) mod upstream;
