//! Chaos in simulated time: many clients, a gateway with faults by chance, a bad disk and network,
//! all from one seed; afterwards the judges compare what clients were told with what truly happened.
//!
//! `plan` draws a run from its seed, `client` plays a buyer, `wire` reads back what went over the
//! network, `judge` and `records` hold the invariants. `broken` shows that each judge finds what
//! breaks its rule. `HOLDLINE_CHAOS_SEEDS=5000` runs more seeds, `HOLDLINE_CHAOS_SEED=17` one.
mod broken;
mod client;
mod coalesced;
mod judge;
mod plan;
mod records;
mod runs;
mod wire;
