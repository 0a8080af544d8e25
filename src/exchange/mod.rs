//! One payment from its submit to its answer: the pure machine, its driver, and the flights.
mod admission;
mod calls;
mod config;
mod context;
mod driver;
mod entries;
mod facts;
mod flight;
mod flights;
mod gateway;
mod identity;
mod index;
mod joining;
mod journey;
mod kin;
pub mod machine;
mod mailbox;
mod metrics;
mod order;
mod past;
mod read;
mod recorder;
mod recover;
mod stored;
mod table;
mod verdict;

pub use admission::{Admission, Held, Refusal, TaskAnswer};
pub use config::Config;
pub use flight::{Answer, Flight, Told};
pub use flights::{Flights, Parts};
pub use gateway::Gateway;
pub use identity::{
    Credential, Fingerprint, FingerprintParts, HashKey, NoRandom, Owner, Recogniser,
};
pub use metrics::Metrics;
pub use order::{Credentials, Identity, Key, Order, Submission};
pub use past::Past;
pub use read::{Read, ReadOutcome, ReadPolicy};
pub use recorder::{Appending, InMemory, ReadError, Reading, RecordError, Recorder};
pub use recover::Recovered;
pub use stored::{OnDisk, Stored};
pub use table::Census;
pub use verdict::VerdictError;
