//! One payment from its submit to its answer: the pure machine, its driver, and the flights.
//!
//! Words of this room:
//! - An *exchange* is one payment, whether it runs or has ended.
//! - A *flight* is an exchange that has not ended, with the requests that wait for it, its *waiters*.
//! - A flight's *core* is what changes of it, under one lock: its driver writes it, others read it.
//! - The *machine* decides what is to be done, and the *driver* does it.
//! - A *key* is the idempotency key of a submit. It is *explicit* where the client gave it.
//! - A *ticket* is the gateway's receipt for a submit. It names the *task* that the gateway works on.
//! - A *candidate* is an answer to a poll that may be the result, and that the gateway may not give again.
//! - The *ladder* is what is tried when no clear answer came. Its *rungs* are the submit once more, a lookup,
//!   and the doubt.
//! - What is *told* is what waiters hear: an outcome, or how the exchange stands when their hold is over.
//! - A flight is *at rest* while only its client, the operator or the end of its time leads on.
//! - *Beside* its equals stands a request whose merchant wants equal transactions side by side.
//! - A *fact* is what stays of a delivered exchange with a key, for the repeat of its request.
//! - A *trail* is what happened to an exchange, step by step; a *story* is the same in words.
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
pub use naming::{HasNames, Names, NotOne, Picked};
pub use on_disk::OnDisk;
pub use order::{Credentials, Identity, Key, Order, Submission};
pub use read::{Read, ReadOutcome, ReadPolicy};
pub use recorder::{Appending, InMemory, ReadError, Reading, RecordError, Recorder};
pub use recovery::{Past, Recovered};
pub use telling::{Answered, Ending, Glance, Group, Heard, Step, Story, ToldStep, Trail, What};
pub use verdict::{VerdictError, check_word};
