//! One payment from its submit to its answer: the pure machine, its driver, and the flights.
mod admission;
mod calls;
mod claims;
mod config;
mod context;
mod driver;
mod entries;
mod flights;
mod gateway;
mod handle;
mod identity;
mod leaving;
pub mod machine;
mod metrics;
mod naming;
mod on_disk;
mod order;
mod read;
mod recorder;
mod recovery;
mod stop;
mod telling;
mod verdict;

pub use admission::{Admission, Held, Known, Refusal, Stored, TaskAnswer, Unfinished};
pub use config::Config;
pub use flights::{Answer, Census, Flight, Told};
pub use gateway::Gateway;
pub use handle::{Flights, Parts};
pub use identity::{
    Credential, Fingerprint, FingerprintParts, HashKey, NoRandom, Owner, Recogniser, basic,
};
pub use metrics::Metrics;
pub use naming::{HasNames, Named, Names, NotOne};
pub use on_disk::OnDisk;
pub use order::{Credentials, Identity, Key, Order, Submission};
pub use read::{Read, ReadOutcome, ReadPolicy};
pub use recorder::{Appending, InMemory, ReadError, Reading, RecordError, Recorder};
pub use recovery::{Past, Recovered};
pub use telling::{Answered, Ending, Glance, Group, Heard, Step, Story, ToldStep, Trail, What};
pub use verdict::{VerdictError, check_word};
