//! `[control]`.
use std::path::PathBuf;

/// Where a running holdline is asked and told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// `control.socket`; `None` is beside the journal.
    pub socket: Option<PathBuf>,
}

impl Config {
    /// The socket's path, for a holdline whose journal is at `journal`. Without a journal there is a
    /// socket only where one is asked for.
    pub fn path(&self, journal: Option<&std::path::Path>) -> Option<PathBuf> {
        self.socket.clone().or_else(|| {
            journal.map(|journal| {
                let mut path = journal.as_os_str().to_owned();
                path.push(".sock");
                path.into()
            })
        })
    }
}
