//! What went wrong with the open file.
use std::sync::Arc;

use super::Place;
use super::error::ReadError;
use super::records::book::Broken;
use super::records::seal::SealError;

/// What went wrong with the file.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    /// redb, or the disk under it.
    #[error(transparent)]
    File(Box<redb::Error>),
    /// The log, or the disk under it.
    #[error("failed to write the log")]
    Log(#[source] std::io::Error),
    /// The file failed to take in what stands in the log, and nothing is written until both are opened
    /// anew.
    #[error("the file failed to take in what its log holds: {0}")]
    NotTakenIn(Arc<str>),
    /// The mark tells of commits that this process did not make: two processes have the journal, and
    /// neither knows what the other one sent.
    #[error(
        "another process writes this journal: stop one of the two, see that the volume carries locks \
         (flock), and start the other anew"
    )]
    Shared,
    /// A frame of the log could not be sealed.
    #[error("failed to seal a frame of the log")]
    Frame(#[source] SealError),
    /// A record's seal.
    #[error("record {}/{}: {cause}", place.number.0, place.step)]
    Seal {
        /// The record.
        place: Place,
        /// What is wrong with it.
        cause: SealError,
    },
    /// A record that was sealed and is none.
    #[error("record {}/{} has no form that is known", .0.number.0, .0.step)]
    Malformed(Place),
    /// Records of an exchange that do not belong together.
    #[error(transparent)]
    Broken(#[from] Broken),
}

/// redb has an error for each of its steps; all of them mean the same here.
macro_rules! from_redb {
    ($($error:ident),*) => {$(
        impl From<redb::$error> for StoreError {
            fn from(error: redb::$error) -> Self {
                Self::File(Box::new(error.into()))
            }
        }
    )*};
}
from_redb!(
    CommitError,
    CompactionError,
    DatabaseError,
    StorageError,
    TableError,
    TransactionError
);

impl StoreError {
    /// The record that is what is wrong; the file can be used then.
    pub(super) const fn record(&self) -> Option<Place> {
        match self {
            Self::File(_) | Self::Log(_) | Self::NotTakenIn(_) | Self::Shared | Self::Frame(_) => {
                None
            }
            Self::Seal { place, .. } | Self::Malformed(place) => Some(*place),
            Self::Broken(broken) => Some(broken.place()),
        }
    }

    /// The fault as one who reads is told.
    pub(super) fn read_error(&self) -> ReadError {
        self.record().map_or(ReadError::Down, ReadError::Damaged)
    }
}
