//! The signals by which the process is told what to do.
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// SIGTERM or SIGINT: to stop.
    Stop,
    /// SIGHUP: to read the configuration again. Its default would be to end the process at once.
    Reload,
}

/// The signals that are heeded.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// Never looked at: their default is to end the process. With a handler a write beyond the limit of a
    /// file's size fails (SIGXFSZ, setrlimit(2)), and who writes deals with that. SIGUSR1 and SIGUSR2 are
    /// sent by habit when logs are rotated.
    _unheeded: [Signal; 3],
}

impl Signals {
    /// Takes the signals from now on.
    pub fn listen() -> io::Result<Self> {
        let too_large = SignalKind::from_raw(nix::sys::signal::Signal::SIGXFSZ as i32);
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            _unheeded: [
                signal(too_large)?,
                signal(SignalKind::user_defined1())?,
                signal(SignalKind::user_defined2())?,
            ],
        })
    }

    /// Returns when it is asked to stop. What else came is told by [`Signals::next`] later.
    pub async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Returns at the next of them. One that came since the last call is told at once; several of one
    /// kind are told as one.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }
}
