//! Chaos in simulated time: many clients, a gateway with faults by chance, a bad disk and network,
//! and processes that end before any step and are started again, all from one seed; afterwards the
//! judges compare what clients were told with what truly happened.
//!
//! `plan` draws a run from its seed, `client` plays a buyer, `wire` reads back what went over the
//! network, `judge` and `records` hold the invariants. `HOLDLINE_CHAOS_SEEDS=5000` runs more seeds,
//! `HOLDLINE_CHAOS_SEED=17` one.
//!
//! A judge is believed because it finds what breaks its rule. The deliberate bugs, and where each is
//! shown (`model` is `src/exchange/machine/tests/mutants.rs`, where the machine itself is changed):
//!
//! | bug | shown in |
//! | --- | --- |
//! | no fsync of the file | `broken`: an intent that the disk lacks, and a journal that cannot be read |
//! | no fsync of the directory | `broken`: a second charge |
//! | submit inside `get_with` | `broken`, `coalesced`: a second charge |
//! | retry after a reset | `broken`: a box in between; `model`: the machine |
//! | unknown taken for not submitted | `broken`: the client is told so; `model`: the machine |
//! | a Soft poll not kept | `broken`: forgotten by a restart; `model`: by the machine |
//! | a 4xx to a resubmit taken for a refusal | `broken`: the client is told so; `model`: the machine |
//! | a write taken for a delivery | `broken`: a second charge |
//! | a flight freed by a panic | `broken`: a second charge; `model`: the machine |
//! | a step before its record | `broken`: a second charge, and an early submit |
//! | a restart that forgets a submit | `broken`: a second charge |
//! | a restart that reads a result again | `broken`: a second `GET` after the result |
//! | a restart that asks another origin | `simulated::ends` |
mod broken;
mod client;
mod coalesced;
mod days;
pub(crate) mod judge;
mod plan;
mod records;
mod runs;
pub(crate) mod wire;
