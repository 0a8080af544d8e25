//! One payment from its submit to its answer: the pure machine, its driver, and the flights.
mod admission;
mod calls;
mod config;
mod driver;
mod flight;
mod flights;
mod gateway;
mod identity;
mod index;
mod journey;
pub mod machine;
mod mailbox;
mod metrics;
mod order;
mod read;
mod recorder;
mod table;

pub use admission::{Admission, Held, Refusal, TaskAnswer};
pub use config::Config;
pub use flight::{Answer, Flight, Told};
pub use flights::{Flights, Parts};
pub use gateway::Gateway;
pub use identity::{Credential, Fingerprint, FingerprintParts, HashKey, NoRandom, Owner};
pub use metrics::Metrics;
pub use order::{Credentials, Identity, Key, Order, Submission};
pub use read::{Read, ReadOutcome, ReadPolicy};
pub use recorder::{Appending, InMemory, RecordError, Recorder};
