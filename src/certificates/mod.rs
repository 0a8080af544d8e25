//! Certificates, their keys and trusted issuers as files: read, and held against each other, so
//! that a wrong one is found before somebody shakes hands with it.
mod authority;
mod der;
mod error;
mod file;
mod issuers;
mod pair;
mod provider;
mod validity;

pub use authority::{Authority, AuthorityError, Signed};
pub use error::{FileError, Reason};
pub use file::read;
pub use issuers::issuers;
pub use pair::{PairFiles, is_for};
pub use provider::provider;
pub use validity::{Phase, Validity};
