//! The gateway's protocol as data: what converts, what an answer means, how a transaction is found.
mod operation;

pub use operation::{Disposition, Operation, Routes};
