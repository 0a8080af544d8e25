//! The gateway's protocol as data: what converts, what an answer means, how a transaction is found.
mod answer;
mod dates;
mod facts;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod lookup;
mod operation;
mod outline;
mod path;
mod preset;
mod profile;
mod ticket;
mod transaction;

pub use answer::{PollAnswer, SubmitAnswer, classify_poll, classify_submit, may_be_cut_result};
pub use dates::{gateway_time, retry_after};
pub use facts::{LastFour, MatchFacts};
pub use lookup::{
    Found, LONGEST_UID, LeftOut, Search, Times, Untimely, listed, transaction_by_uid,
};
pub use operation::{Disposition, Operation, Routes};
pub use path::Route;
pub use preset::{OWN_FIELDS, preset, presets};
pub use profile::{BEGATEWAY, Conversion, LookupPaths, Member, Profile, ResultRules};
pub use ticket::{RequestId, Ticket};
pub use transaction::Transaction;
