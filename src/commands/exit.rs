//! The exit codes, as `sysexits.h` names them where it does.
use std::process::ExitCode;

use crate::app::Ending;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: it did what it was asked for.
    Success,
    /// 1: it failed.
    Failure,
    /// 64 (`EX_USAGE`): the command line is wrong.
    Usage,
    /// 74 (`EX_IOERR`): it ended, and the disk did not take what was written last.
    Owing,
    /// 78 (`EX_CONFIG`): the configuration is wrong.
    Config,
}

impl From<Ending> for Exit {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::AsTold => Self::Success,
            Ending::Fallen => Self::Failure,
            Ending::Owing => Self::Owing,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Failure => 1,
            Exit::Usage => 64,
            Exit::Owing => 74,
            Exit::Config => 78,
        })
    }
}
