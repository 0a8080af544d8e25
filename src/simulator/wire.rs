//! The reading side of a connection: it sees a submit's first bytes, so that a fault may strike
//! before the request is whole.
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::faults::{SubmitFault, Words};
use super::gateway::Gateway;

/// As many bytes of a request as tell a submit from everything else.
const TELLING: usize = 7;

/// The words that were drawn for the submit that is being read, on their way to the service.
#[derive(Clone, Debug, Default)]
pub(super) struct Drawn(Arc<Mutex<Option<Words>>>);

impl Drawn {
    pub(super) fn take(&self) -> Words {
        self.slot().take().unwrap_or_default()
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Words>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection whose requests are counted in bytes.
pub(super) struct Wire<IO> {
    io: IO,
    gateway: Gateway,
    drawn: Drawn,
    first: Vec<u8>,
    seen: u64,
    reset_at: Option<u64>,
    /// True once a fault has struck: the connection is to be reset.
    pub(super) struck: bool,
}

impl<IO> Wire<IO> {
    pub(super) fn new(io: IO, gateway: Gateway, drawn: Drawn) -> Self {
        Self {
            io,
            gateway,
            drawn,
            first: Vec::with_capacity(TELLING),
            seen: 0,
            reset_at: None,
            struck: false,
        }
    }

    pub(super) fn transport(&self) -> &IO {
        &self.io
    }

    /// Counts bytes of a request; true if the fault strikes here.
    fn read(&mut self, bytes: &[u8]) -> bool {
        let told = self.first.len() == TELLING;
        let missing = TELLING - self.first.len();
        self.first.extend(bytes.iter().take(missing));
        self.seen += bytes.len() as u64;
        if !told && (self.first == b"POST /a" || self.first == b"POST /t") {
            let words = self.gateway.draw();
            if let Some(SubmitFault::Reset(count)) = words.submit.fault {
                self.reset_at = Some(count);
            }
            *self.drawn.slot() = Some(words);
        }
        self.struck = self.reset_at.is_some_and(|at| self.seen >= at);
        self.struck
    }

    /// A byte of an answer was written, so the next byte that comes begins another request.
    fn answered(&mut self) {
        self.first.clear();
        self.seen = 0;
        self.reset_at = None;
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Wire<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut wire.io).poll_read(context, buffer))?;
        let bytes = buffer.filled().get(before..).unwrap_or_default();
        Poll::Ready(if !bytes.is_empty() && wire.read(bytes) {
            Err(io::ErrorKind::ConnectionReset.into())
        } else {
            Ok(())
        })
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Wire<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        // An interim 100 comes in the middle of a request.
        if !bytes.starts_with(b"HTTP/1.1 100") {
            wire.answered();
        }
        Pin::new(&mut wire.io).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }
}
