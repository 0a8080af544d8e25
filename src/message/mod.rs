//! HTTP messages as values: fields, bodies, kept responses, and the field grammars that we speak.
mod body;
mod budget;
mod encoded;
pub mod fields;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod paced;
mod prefer;
pub mod proxy_status;
mod stored;
mod trace;

pub use body::{Body, BodyError, collect, collect_within, erasable, erasable_within, erase};
pub use budget::{Budget, Share};
pub use encoded::NoResponse;
pub use paced::Paced;
pub use prefer::wait_preference;
pub use stored::{StoredResponse, copied_value, erasable_value};
pub use trace::TraceParent;
