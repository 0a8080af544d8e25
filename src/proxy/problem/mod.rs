//! Every answer that is not the gateway's: what is told, and what is true.
mod doubt;
mod relayed;
mod table;
mod unsent;
mod words;
mod wrong;

pub use table::Problem;
pub(super) use words::Fate;
pub use wrong::BodyFault;
