//! What the operating system can tell of a client that reads: the kernel's counters, and whether
//! it keeps them.
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::panic::catch_unwind;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};
use tracing::warn;

/// By which rule an answer counts as delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The client's kernel acknowledged the answer's last byte and no reset came after it.
    Acknowledgement,
    /// For systems that do not tell of acknowledgements: the client's orderly end or its next
    /// request after the answer proves; all else counts as undelivered.
    Portable,
}

impl Evidence {
    /// The rule that this system allows; warns if it is not the better one.
    pub fn of_this_system() -> Self {
        if acknowledgement_works() {
            return Self::Acknowledgement;
        }
        warn!(
            "this system does not tell which bytes a client acknowledged: \
             only an orderly end or a next request proves that an answer was read"
        );
        Self::Portable
    }
}

/// A connection's progress, as the kernel knows it: bytes are counted since its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// Bytes of ours that the client's kernel acknowledged.
    pub(super) acknowledged: u64,
    /// Bytes of the client that our kernel received, read or not.
    pub(super) received: u64,
    /// Its client has ended its side, whether that was read or not.
    pub(super) ended: bool,
}

/// What waits unread in the kernel, where it does not count for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// Nothing, or nobody asked.
    Nothing,
    /// Bytes of the client.
    Bytes,
    /// The client's orderly end.
    End,
}

/// Asks what waits unread, and takes nothing of it. An error is the socket's own, and told once.
pub(super) fn unread(socket: &impl AsRawFd) -> nix::Result<Unread> {
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    match recv(socket.as_raw_fd(), &mut [0], flags) {
        Ok(0) => Ok(Unread::End),
        Ok(_) => Ok(Unread::Bytes),
        Err(Errno::EAGAIN) => Ok(Unread::Nothing),
        Err(error) => Err(error),
    }
}

#[cfg(target_os = "linux")]
mod kernel {
    use std::os::fd::AsFd;
    use std::time::Duration;

    use nix::libc;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use nix::sys::socket::sockopt::{self, GetStruct};
    use nix::sys::socket::{getsockopt, setsockopt};

    use super::Progress;

    /// Linux's name for a connection whose other side has ended and ours has not (`net/tcp_states.h`).
    const CLOSE_WAIT: u8 = 8;

    /// The head of Linux's `struct tcp_info` (`linux/tcp.h`) up to what is needed here; the kernel
    /// fills as much of it as it is asked for. The last two are there since Linux 4.1.
    #[derive(Clone, Copy)]
    #[repr(C)]
    struct TcpInfoHead {
        state: u8,
        _to_pacing: [u8; 119],
        bytes_acked: u64,
        bytes_received: u64,
    }

    #[derive(Clone, Copy)]
    struct TcpInfo;

    nix::getsockopt_impl!(
        TcpInfo,
        libc::IPPROTO_TCP,
        libc::TCP_INFO,
        TcpInfoHead,
        GetStruct<TcpInfoHead>
    );

    pub(in crate::listener) fn progress(socket: &impl AsFd) -> Option<Progress> {
        let head = getsockopt(socket, TcpInfo).ok()?;
        Some(Progress {
            acknowledged: head.bytes_acked,
            received: head.bytes_received,
            ended: head.state == CLOSE_WAIT,
        })
    }

    /// True once the peer has ended its side or the connection broke, whatever waits unread.
    pub(in crate::listener) fn has_ended(socket: &impl AsFd) -> Option<bool> {
        // nix has no name for it.
        let asked = PollFlags::from_bits_retain(libc::POLLRDHUP);
        let mut asked = [PollFd::new(socket.as_fd(), asked)];
        poll(&mut asked, PollTimeout::ZERO)
            .ok()
            .map(|ended| ended > 0)
    }

    pub(in crate::listener) fn bound_silence(
        socket: &impl AsFd,
        keepalive: Duration,
        unacknowledged: Duration,
    ) -> nix::Result<()> {
        let seconds = u32::try_from(keepalive.as_secs()).unwrap_or(u32::MAX);
        let millis = u32::try_from(unacknowledged.as_millis()).unwrap_or(u32::MAX);
        setsockopt(socket, sockopt::TcpKeepIdle, &seconds)?;
        setsockopt(socket, sockopt::TcpKeepInterval, &seconds)?;
        setsockopt(socket, sockopt::TcpUserTimeout, &millis)
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    use std::os::fd::AsFd;
    use std::time::Duration;

    use super::Progress;

    pub(in crate::listener) fn progress(_socket: &impl AsFd) -> Option<Progress> {
        None
    }

    /// Only what waits tells.
    pub(in crate::listener) fn has_ended(_socket: &impl AsFd) -> Option<bool> {
        None
    }

    /// The system's own spans stand.
    pub(in crate::listener) fn bound_silence(
        _socket: &impl AsFd,
        _keepalive: Duration,
        _unacknowledged: Duration,
    ) -> nix::Result<()> {
        Ok(())
    }
}

pub(super) use kernel::{bound_silence, has_ended, progress};

/// How long the self-test waits for its own bytes to come back over loopback.
const PATIENCE: Duration = Duration::from_secs(1);

/// Tries on loopback whether the kernel counts the bytes that a client acknowledged: sandboxed
/// kernels may leave the field empty. Blocks for as long as two exchanges on loopback take.
fn acknowledgement_works() -> bool {
    // nix panics where a kernel fills less than it was asked for, as Linux before 4.1 would.
    catch_unwind(counts_on_loopback).is_ok_and(|counted| counted.unwrap_or(false))
}

fn counts_on_loopback() -> std::io::Result<bool> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    let (mut server, _) = listener.accept()?;
    for socket in [&client, &server] {
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
    }
    server.write_all(b"answer")?;
    client.read_exact(&mut [0; 6])?;
    // The client's own bytes carry its acknowledgement with them.
    client.write_all(b"next")?;
    server.read_exact(&mut [0; 4])?;
    let counted = progress(&server.as_fd());
    Ok(counted
        == Some(Progress {
            acknowledged: 6,
            received: 4,
            ended: false,
        }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn linux_counts_acknowledged_bytes() {
        assert!(acknowledgement_works());
        assert_eq!(Evidence::of_this_system(), Evidence::Acknowledgement);
    }
}
