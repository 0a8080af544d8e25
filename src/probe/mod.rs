//! Asks a gateway what its documentation leaves open, with a test shop's own payments.
mod findings;
mod questions;
mod repeats;
mod report;
mod shop;
mod trial;

pub use findings::Findings;
pub use questions::interview;
pub use report::Report;
pub use shop::{Secrets, Shop};
pub use trial::Cards;
