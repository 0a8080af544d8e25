//! What a reload changes while it is in use: values that are replaced whole, and bounds that move.
mod bound;
mod value;

pub use bound::{Bound, Permit};
pub use value::Live;
