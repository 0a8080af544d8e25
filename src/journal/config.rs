//! `[journal]`.
use std::path::{Path, PathBuf};

use super::files::disk::beside;

/// Where the journal is and how large it may become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `journal.in_memory`: no journal at all, so that a restart forgets.
    pub in_memory: bool,
    /// `journal.path`: the file; its log, its key and its mark stand beside it, with `.wal`, `.key` and
    /// `.last` behind the name. Other rooms put theirs there too: what polling learned (`.law`), and the
    /// control socket (`.sock`) if it has no path of its own. A file that is being made may have
    /// `.new` behind its name.
    pub path: PathBuf,
    /// `journal.max_bytes`: what the file does not grow beyond. The log does not count: it has a
    /// megabyte, always. Where every page is taken in spite of all that is kept free, the file takes four
    /// megabytes more, so that it can be opened and what runs can end.
    pub max_bytes: u64,
}

impl Config {
    /// The smallest `journal.max_bytes` that makes sense: redb's empty file takes a good megabyte,
    /// and one answer may take several.
    pub const LEAST_MAX_BYTES: u64 = 16 * 1024 * 1024;

    /// Where the journal is; `None` where everything is in memory.
    pub fn file(&self) -> Option<&Path> {
        (!self.in_memory).then_some(&self.path)
    }

    /// Every file of the journal.
    pub fn files(&self) -> [PathBuf; 4] {
        ["", ".wal", ".key", ".last"].map(|suffix| beside(&self.path, suffix))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            in_memory: false,
            path: PathBuf::from("holdline.redb"),
            max_bytes: 1024 * 1024 * 1024,
        }
    }
}
