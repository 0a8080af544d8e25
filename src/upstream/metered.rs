//! The lowest layer above the socket: it counts what leaves, marks before it leaves, and bounds
//! what comes before an answer's fields.
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;

/// The bytes that may come on a connection before the fields of the final answer. Interim
/// responses (1xx) have no number that bounds them (RFC 9110 §15.2), so their bytes are bounded.
const MAX_BEFORE_FIELDS: u64 = 256 * 1024;

/// A byte stream below TLS.
pub(super) enum Plain {
    /// A socket.
    Tcp(TcpStream),
    /// A pipe in memory, for tests in simulated time.
    Memory(DuplexStream),
}

/// What is known of a connection's bytes; shared by the stream and by who sends a request on it.
///
/// Every number is written by the task that polls the connection and read by the same one, so
/// relaxed order suffices; the latch is read by a supervisor after that task has ended.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// Set by [`Meter::begin`]: bytes written from now on belong to a request.
    armed: AtomicBool,
    /// Bytes of the request in hand that the operating system took.
    written: AtomicU64,
    /// Bytes that came since the request began.
    read: AtomicU64,
    /// The final answer's fields have come, so `read` is no longer bounded here.
    answered: AtomicBool,
    /// Set before the first write of a submit is attempted.
    latch: OnceLock<Arc<AtomicBool>>,
}

impl Meter {
    /// Sets the latch that is to be set before any byte of the next request is attempted. A
    /// connection has one for its whole life, as a submit has its own connection.
    pub(super) fn latch(&self, latch: Arc<AtomicBool>) {
        self.latch.get_or_init(|| latch);
    }

    /// Begins a request: what is written from now on is counted as its bytes.
    pub(super) fn begin(&self) {
        self.written.store(0, Ordering::Relaxed);
        self.read.store(0, Ordering::Relaxed);
        self.answered.store(false, Ordering::Relaxed);
        self.armed.store(true, Ordering::Relaxed);
    }

    /// The final answer's fields have come.
    pub(super) fn fields_came(&self) {
        self.answered.store(true, Ordering::Relaxed);
    }

    /// How many bytes of the request in hand the operating system took.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// True if the peer sent more before the final answer's fields than any answer needs.
    pub(super) fn is_flooded(&self) -> bool {
        self.armed.load(Ordering::Relaxed)
            && !self.answered.load(Ordering::Relaxed)
            && self.read.load(Ordering::Relaxed) > MAX_BEFORE_FIELDS
    }

    fn is_armed(&self) -> bool {
        self.armed.load(Ordering::Relaxed)
    }
}

/// A stream with its meter.
///
/// While a request is in hand, a failed write is not told: the write stays pending until the read
/// side has ended. A gateway may answer before it has read the whole request and then close
/// (RFC 9112 §9.6); its answer stands in our receive buffer while our writes already fail, and
/// hyper would drop the connection at the first failed write and lose it. The read side always
/// ends after a failed write: what made the write fail has closed it.
pub(super) struct Metered {
    inner: Plain,
    meter: Arc<Meter>,
    write_error: Option<io::ErrorKind>,
    read_ended: bool,
}

impl Metered {
    pub(super) fn new(inner: Plain) -> Self {
        Self {
            inner,
            meter: Arc::default(),
            write_error: None,
            read_ended: false,
        }
    }

    pub(super) fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    /// Does one write by `attempt`, marked before and counted after.
    fn poll_attempt(
        &mut self,
        context: &mut Context<'_>,
        attempt: impl FnOnce(&mut Plain, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Some(kind) = self.write_error {
            return self.poll_told(kind);
        }
        let armed = self.meter.is_armed();
        if armed && let Some(latch) = self.meter.latch.get() {
            latch.store(true, Ordering::SeqCst);
        }
        match ready!(attempt(&mut self.inner, context)) {
            Ok(count) => {
                if armed {
                    self.meter
                        .written
                        .fetch_add(count as u64, Ordering::Relaxed);
                }
                Poll::Ready(Ok(count))
            }
            Err(error) if armed => {
                self.write_error = Some(error.kind());
                // One more turn, so that the read side is asked after the write has failed.
                context.waker().wake_by_ref();
                self.poll_told(error.kind())
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// A write's error, once the read side has ended.
    fn poll_told<T>(&self, kind: io::ErrorKind) -> Poll<io::Result<T>> {
        if self.read_ended {
            Poll::Ready(Err(kind.into()))
        } else {
            Poll::Pending
        }
    }
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.meter.is_flooded() {
            self.read_ended = true;
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let before = buffer.filled().len();
        let result = match &mut self.inner {
            Plain::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Plain::Memory(stream) => Pin::new(stream).poll_read(context, buffer),
        };
        let result = ready!(result);
        let count = buffer.filled().len() - before;
        self.read_ended |= result.is_err() || (count == 0 && buffer.remaining() > 0);
        self.meter.read.fetch_add(count as u64, Ordering::Relaxed);
        Poll::Ready(result)
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_attempt(context, |stream, context| match stream {
            Plain::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Plain::Memory(stream) => Pin::new(stream).poll_write(context, bytes),
        })
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_attempt(context, |stream, context| match stream {
            Plain::Tcp(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Plain::Memory(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        })
    }

    fn is_write_vectored(&self) -> bool {
        match &self.inner {
            Plain::Tcp(stream) => stream.is_write_vectored(),
            Plain::Memory(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(kind) = self.write_error {
            return self.poll_told(kind);
        }
        match &mut self.inner {
            Plain::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Plain::Memory(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(kind) = self.write_error {
            return Poll::Ready(Err(kind.into()));
        }
        match &mut self.inner {
            Plain::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Plain::Memory(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
    use std::task::Waker;

    use super::*;

    #[test]
    fn a_write_that_panics_is_marked_before_it_is_attempted() {
        for is_armed in [false, true] {
            let (ours, _theirs) = tokio::io::duplex(1);
            let mut metered = Metered::new(Plain::Memory(ours));
            let latch = Arc::new(AtomicBool::new(false));
            metered.meter.latch(Arc::clone(&latch));
            if is_armed {
                metered.meter.begin();
            }
            let mut context = Context::from_waker(Waker::noop());
            let attempt = AssertUnwindSafe(|| {
                metered.poll_attempt(&mut context, |_, _| resume_unwind(Box::new("a panic")))
            });
            assert!(catch_unwind(attempt).is_err());
            assert_eq!(latch.load(Ordering::SeqCst), is_armed);
        }
    }
}
