//! A stream to which bytes can be put back, to be read again before what it brings itself. What it
//! brings itself is scrutinised.
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::scrutiny::Scrutiny;

/// The stream and what is read before it.
pub(super) struct Rewound<I> {
    before: Box<[u8]>,
    scrutiny: Scrutiny,
    io: I,
}

impl<I> Rewound<I> {
    pub(super) fn new(io: I, scrutiny: Scrutiny) -> Self {
        Self {
            before: Box::default(),
            scrutiny,
            io,
        }
    }

    /// Puts `bytes` back, before what was put back and not read yet. They are copied: the smallest
    /// slice of a buffer would keep all of it.
    pub(super) fn put_back(&mut self, bytes: &[u8]) {
        self.before = [bytes, &self.before].concat().into();
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Rewound<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.before.is_empty() {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
            let read = buffer.filled().get(before..).unwrap_or_default();
            self.scrutiny.read(read);
            return Poll::Ready(Ok(()));
        }
        let count = self.before.len().min(buffer.remaining());
        let (now, later) = self.before.split_at(count);
        buffer.put_slice(now);
        self.before = later.into();
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Rewound<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn what_was_put_back_last_is_read_first_and_all_of_it_before_the_stream() {
        let mut rewound = Rewound::new(&b"stream"[..], Scrutiny::default());
        rewound.put_back(b"second ");
        rewound.put_back(b"first ");
        let mut read = [0; 8];
        rewound.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"first se");
        rewound.put_back(&read);
        let mut rest = String::new();
        rewound.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "first second stream");
    }
}
