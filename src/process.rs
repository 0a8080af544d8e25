//! What the process asks of the operating system for itself: descriptors, silence after a crash,
//! and the signals that stop it.
use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Lets the process have as many descriptors as it may, and leaves no memory behind when it dies:
/// a core file would hold what no log may. Returns how many descriptors it may have.
pub fn harden() -> u64 {
    #[cfg(target_os = "linux")]
    if let Err(error) = nix::sys::prctl::set_dumpable(false) {
        tracing::warn!(%error, "failed to make the process undumpable");
    }
    if let Err(error) = setrlimit(Resource::RLIMIT_CORE, 0, 0) {
        tracing::warn!(%error, "failed to switch core files off");
    }
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return 0;
    };
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(error) => {
            tracing::warn!(%error, soft, "failed to raise the limit of descriptors");
            soft
        }
    }
}

/// The signals that stop the process: SIGTERM and SIGINT alike. SIGHUP, whose default is to end a
/// process at once with everything that it remembers, is told in the log and changes nothing.
pub struct Stop {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// SIGXFSZ, which is never looked at: its default is to end a process that writes beyond the limit
    /// of a file's size (setrlimit(2)). With a handler the write fails, and who writes deals with that.
    _too_large: Signal,
}

impl Stop {
    /// Takes the signals from now on.
    pub fn listen() -> io::Result<Self> {
        let too_large = nix::sys::signal::Signal::SIGXFSZ as i32;
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            _too_large: signal(SignalKind::from_raw(too_large))?,
        })
    }

    /// Returns at the next of them.
    pub async fn signalled(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => {
                    tracing::warn!("SIGHUP changes nothing: a new configuration needs a restart");
                }
            }
        }
    }
}
