//! Why the journal cannot be opened, cannot take an entry, or cannot give an answer back.
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Place;
use super::files::{log, mark};

/// Why the journal was not opened. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The system refuses a file.
    #[error("failed to {step} {}", path.display())]
    File {
        /// What was to be done with it, as a verb.
        step: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The directory of the journal is not there.
    #[error("the journal's directory {} is not there: make it, for holdline's user alone", path.display())]
    NoDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// Others than its owner may read or write a file.
    #[error("others than its owner may use {} (mode {mode:o}): run chmod 600 on it", path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Another process has the journal.
    #[error(
        "{} is held by {}: one holdline, or one command that reads it, may have a journal at a time",
        path.display(), holder(*by)
    )]
    Held {
        /// The file that is locked.
        path: PathBuf,
        /// The process that holds it, if the system tells.
        by: Option<u32>,
    },
    /// The journal is there and its key file is not.
    #[error(
        "{} has no key: {} is gone, and without it nothing in the journal can be read; \
         bring the key file back, or move the journal, {} and {} away to begin an empty one, which \
         forgets every exchange", journal.display(), key.display(), mark::path_of(journal).display(),
        log::path_of(journal).display()
    )]
    KeyGone {
        /// The journal.
        journal: PathBuf,
        /// The key file.
        key: PathBuf,
    },
    /// The journal's mark or its log is there and the journal is not.
    #[error(
        "{} is gone, and {} is there: bring the journal back; or look up at the gateway what was paid \
         in the last day, then move {} and {} away too to begin an empty one, which forgets every \
         exchange", journal.display(), witness.display(), mark::path_of(journal).display(),
        log::path_of(journal).display()
    )]
    JournalGone {
        /// The journal.
        journal: PathBuf,
        /// The mark, or the log.
        witness: PathBuf,
    },
    /// The journal has fewer commits than its mark or its log tells of.
    #[error(
        "the newest records of {} are gone: {} tells of later ones; the file was damaged, or an \
         older copy was put back. Bring the right files back; or, after the payments of that time \
         were looked up at the gateway, stop holdline and go on without them by moving {} and {} away",
        journal.display(), witness.display(), mark::path_of(journal).display(),
        log::path_of(journal).display()
    )]
    Behind {
        /// The journal.
        journal: PathBuf,
        /// The mark, or the log.
        witness: PathBuf,
    },
    /// The log is of an earlier time than the journal, and the mark does not tell that nothing is missing.
    #[error(
        "{} is older than {}: the newest records may have stood in the right one, and would be lost. \
         Bring the right files back; or, after the payments of that time were looked up at the gateway, \
         stop holdline and go on without them by moving {} and {} away",
        log.display(), journal.display(), mark::path_of(journal).display(), log.display()
    )]
    LogOlder {
        /// The journal.
        journal: PathBuf,
        /// Its log.
        log: PathBuf,
    },
    /// The key file does not have the form of one.
    #[error("{} is not a key file of this version, or is damaged: bring the right one back", path.display())]
    KeyForm {
        /// The key file.
        path: PathBuf,
    },
    /// The key file is another journal's.
    #[error("{} is the key of another journal: bring the right one back", path.display())]
    KeyForeign {
        /// The key file.
        path: PathBuf,
    },
    /// A version that this program does not know.
    #[error(
        "{} has format {found}, and this version reads format {known}: run the version that wrote it", path.display()
    )]
    Format {
        /// The journal.
        path: PathBuf,
        /// What it says.
        found: u64,
        /// What is read.
        known: u64,
    },
    /// What is in the file cannot be trusted.
    #[error(
        "{} is damaged ({what}): look up at the gateway what was paid in the last day, then move the \
         journal, its log and its mark away while holdline is stopped, and leave its key, to begin an \
         empty one; no older copy may take its place", path.display()
    )]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// The first fault that was found.
        what: String,
    },
    /// The system's random numbers.
    #[error("failed to read random bytes from the operating system")]
    Random,
}

impl OpenError {
    /// What the system says of a file; `step` is a verb.
    pub(super) fn of(step: &'static str, path: &Path) -> impl Fn(io::Error) -> Self + Copy {
        move |source| Self::File {
            step,
            path: path.to_owned(),
            source,
        }
    }
}

fn holder(by: Option<u32>) -> String {
    by.map_or_else(
        || "another process".to_owned(),
        |by| format!("process {by}"),
    )
}

/// An entry was not made durable. It is owed, unless it was an intent, or the journal is closed or its
/// writer panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to make an entry of the journal durable")]
pub struct AppendError;

/// Why the journal takes no new exchange.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unready {
    /// The file cannot be written now; why, in words.
    #[error("the journal is down: {0}")]
    Down(Arc<str>),
    /// The disk does not answer: a commit has been under way for seconds.
    #[error("the journal waits for its disk")]
    Hung,
    /// What may not be dropped fills the file.
    #[error("the journal is full")]
    Full,
}

/// Why an answer cannot be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be used now; a later try may succeed.
    #[error(
        "the journal cannot be read now; the log tells why, and so does /readyz of a holdline that runs"
    )]
    Down,
    /// There is no answer at this place (any more).
    #[error("the journal has no answer at {}/{}", .0.number.0, .0.step)]
    Absent(Place),
    /// The record does not carry the seal of this journal.
    #[error("the record at {}/{} is damaged", .0.number.0, .0.step)]
    Damaged(Place),
}
