//! HTTP messages as values: fields, bodies, kept responses, and the field grammars that we speak.
mod body;
mod encoded;
pub mod fields;
mod paced;
mod prefer;
pub mod proxy_status;
mod stored;

pub use body::{Body, BodyError, collect, erasable};
pub use encoded::NoResponse;
pub use paced::Paced;
pub use prefer::wait_preference;
pub use stored::{StoredResponse, copied_value, erasable_value};
