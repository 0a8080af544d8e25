//! What an earlier process left, from its journal to flights and facts.
mod past;
mod recover;

pub use past::Past;
pub use recover::Recovered;
