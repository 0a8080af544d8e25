//! The built binary among clients that hang up and repeat, a gateway that fails, and `kill -9` at any
//! moment. `HOLDLINE_KILL_SEEDS=300` runs more seeds, `HOLDLINE_KILL_SEED=17` one.
mod broken;
mod buyer;
mod canary;
mod crash;
mod disk;
mod holdline;
mod judge;
mod plan;
mod runs;
mod tap;
mod tracer;
