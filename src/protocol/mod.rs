//! The gateway's protocol as data: what converts, what an answer means, how a transaction is found.
mod operation;
mod preset;

pub use operation::{Disposition, Operation, Routes};
pub use preset::{OWN_FIELDS, preset, presets};
