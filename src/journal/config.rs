//! `[journal]`.
use std::path::PathBuf;

/// Where exchanges are kept, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `journal.in_memory`: nothing outlives the process.
    pub in_memory: bool,
    /// `journal.path`: the file. A relative path starts at the process's directory.
    pub path: PathBuf,
    /// `journal.max_bytes`: the file is no larger than that.
    pub max_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            in_memory: false,
            path: PathBuf::from("holdline.redb"),
            max_bytes: 1 << 30,
        }
    }
}
