//! What a service manager is told, as systemd's `sd_notify(3)` describes it: a datagram of lines to
//! the socket that `NOTIFY_SOCKET` names.
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::timing::Clock;

/// What becomes of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It listens, or has read its configuration again.
    Ready,
    /// It reads its configuration again; `Ready` follows, whatever came of it.
    Reloading,
    /// It drains.
    Stopping,
}

/// Tells the service manager, where there is one that wants to know.
#[derive(Debug, Default)]
pub struct Notifier {
    to: Option<(UnixDatagram, SocketAddr)>,
    /// How often it wants a sign of life, and acts where none comes.
    watchdog: Option<Duration>,
}

impl Notifier {
    /// As the variables of the process say. A socket that cannot be used is told in the log.
    pub fn of_environment() -> Self {
        let variable = |name: &str| std::env::var_os(name);
        let Some(name) = variable("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Self::default();
        };
        match open(&name) {
            Ok(to) => Self {
                to: Some(to),
                watchdog: watchdog(variable("WATCHDOG_USEC"), variable("WATCHDOG_PID")),
            },
            Err(error) => {
                tracing::warn!(%error, "failed to use the socket that NOTIFY_SOCKET names");
                Self::default()
            }
        }
    }

    /// Tells a state, and in words for `systemctl status` what is going on.
    pub fn tell(&self, state: State, status: &str) {
        let state = match state {
            State::Ready => "READY=1".to_owned(),
            State::Stopping => "STOPPING=1".to_owned(),
            // Type=notify-reload takes a READY=1 for the answer to its signal by this time stamp.
            State::Reloading => format!("RELOADING=1\nMONOTONIC_USEC={}", microseconds()),
        };
        self.send(&format!("{state}\nSTATUS={}", status.replace('\n', " ")));
    }

    /// Gives signs of life, twice as often as they are asked for; for ever. They come from the thread
    /// that serves, so they end when that does not turn any more.
    pub async fn live(&self, clock: Clock) {
        let Some(wanted) = self.watchdog else {
            return std::future::pending().await;
        };
        loop {
            self.send("WATCHDOG=1");
            clock.sleep_until(clock.now() + wanted / 2).await;
        }
    }

    fn send(&self, lines: &str) {
        let Some((socket, to)) = &self.to else { return };
        // Nothing waits for a manager that does not read.
        if let Err(error) = socket.send_to_addr(lines.as_bytes(), to) {
            tracing::warn!(%error, "failed to tell the service manager");
        }
    }
}

fn open(name: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let to = match name.as_bytes().split_first() {
        Some((b'@', name)) => abstract_address(name)?,
        Some((b'/', _)) => SocketAddr::from_pathname(name)?,
        Some(_) | None => {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "it is neither a path nor an abstract name",
            ));
        }
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, to))
}

/// The address of an abstract socket, which Linux alone has (unix(7)).
#[cfg(target_os = "linux")]
fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt as _;
    SocketAddr::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_address(_name: &[u8]) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The interval of the watchdog, if it is this process's.
fn watchdog(interval: Option<OsString>, process: Option<OsString>) -> Option<Duration> {
    let number = |text: OsString| text.to_str()?.parse::<u64>().ok();
    if process.is_some_and(|id| number(id) != Some(std::process::id().into())) {
        return None;
    }
    interval
        .and_then(number)
        .filter(|microseconds| *microseconds > 0)
        .map(Duration::from_micros)
}

/// The monotonic clock of the system, by which the manager orders what it is told.
fn microseconds() -> u128 {
    clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_or(Duration::ZERO, Duration::from)
        .as_micros()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_another_process_s_or_ours() {
        let text = |text: &str| Some(OsString::from(text));
        let ours = text(&std::process::id().to_string());
        let second = Some(Duration::from_secs(1));
        assert_eq!(watchdog(text("1000000"), None), second);
        assert_eq!(watchdog(text("1000000"), ours), second);
        assert_eq!(watchdog(text("1000000"), text("1")), None);
        assert_eq!(watchdog(text("0"), None), None);
        assert_eq!(watchdog(text("soon"), None), None);
        assert_eq!(watchdog(None, None), None);
    }

    #[test]
    fn a_name_is_a_path_or_abstract() {
        assert!(open(OsStr::new("/run/notify")).is_ok());
        assert!(open(OsStr::new("@holdline/notify")).is_ok());
        assert!(open(OsStr::new("vsock:2:1")).is_err());
    }
}
