//! The built binary among clients that hang up and repeat, a gateway that fails, and `kill -9` at any
//! moment. `HOLDLINE_KILL_SEEDS=300` runs more seeds, or `100..200`; `HOLDLINE_KILL_SEED=17` one.
mod broken;
mod buyer;
mod canary;
mod crash;
mod disk;
mod figures;
pub(crate) mod holdline;
mod judge;
mod kernel;
mod learned;
mod pace;
mod plan;
mod removed;
mod runs;
mod secrets;
mod still;
mod tracer;
