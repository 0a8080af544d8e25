//! The machine against its table, and against a model of everything around it.
//!
//! `story` is the language in which a machine is brought to a state, `every_state` and `every_event`
//! are the two sides of the table that `table` prints; `waits` tells when it asks, `kept` what it keeps
//! of an answer, and `unknown` when it gives a task up. `world` is the model: one exchange with its
//! driver, disk, clients and the `gateway`. `moves` says what may happen in it and `chance` chooses;
//! `ledger` watches and holds the invariants; `restart` ends the process and begins the next;
//! `promises` plays the runs, and `mutants` shows that a machine that breaks a rule is caught.
mod chance;
mod every_event;
mod every_state;
mod gateway;
mod kept;
mod ledger;
mod moves;
mod mutants;
mod promises;
mod restart;
pub(super) mod story;
mod table;
mod unknown;
mod waits;
mod world;
