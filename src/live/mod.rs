//! What a reload changes while it is in use: values that are replaced whole, and bounds that move.
mod places;
mod value;

pub use places::{Place, Places};
pub use value::Live;
