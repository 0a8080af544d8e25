//! What went wrong with the open file.
use super::Place;
use super::book::Broken;
use super::error::ReadError;
use super::seal::SealError;

/// What went wrong with the file.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    /// redb, or the disk under it.
    #[error(transparent)]
    File(Box<redb::Error>),
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
    /// The fault as one who reads is told.
    pub(super) fn told(&self) -> ReadError {
        match self {
            Self::File(_) => ReadError::Down,
            Self::Seal { place, .. } | Self::Malformed(place) => ReadError::Damaged(*place),
            Self::Broken(broken) => ReadError::Damaged(broken.place()),
        }
    }
}
