//! Clients that behave as they are told.
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::client::TlsStream;

use super::Downstream;

/// How a client asks and by what it knows the end of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Framing {
    ContentLength,
    Chunked,
    Empty,
    Http10,
    CloseDelimited,
}

pub(crate) const FRAMINGS: [Framing; 5] = [
    Framing::ContentLength,
    Framing::Chunked,
    Framing::Empty,
    Framing::Http10,
    Framing::CloseDelimited,
];

impl Framing {
    pub(crate) fn path(self, rest: &str) -> String {
        let kind = match self {
            Self::ContentLength | Self::Http10 => "whole/2000",
            Self::Chunked | Self::CloseDelimited => "streamed/2000",
            Self::Empty => "empty/0",
        };
        format!("/{kind}/{self:?}/{rest}")
    }

    pub(crate) fn request(self, path: &str) -> String {
        let version = match self {
            Self::ContentLength | Self::Chunked | Self::Empty => "1.1",
            Self::Http10 | Self::CloseDelimited => "1.0",
        };
        format!("GET {path} HTTP/{version}\r\nhost: test\r\n\r\n")
    }

    /// Whether `received` ends `answers` whole answers.
    fn is_whole(self, received: &[u8], answers: usize, ended: bool) -> bool {
        let count = |needle: &[u8]| {
            received
                .windows(needle.len())
                .filter(|window| *window == needle)
                .count()
        };
        match self {
            Self::ContentLength => count(b"END") == answers,
            Self::Chunked => count(b"\r\n0\r\n\r\n") == answers,
            Self::Empty => count(b"\r\n\r\n") == answers,
            Self::Http10 | Self::CloseDelimited => ended && count(b"END") == answers,
        }
    }
}

/// A client over a bare socket, or a TLS session above it.
pub(crate) struct Client {
    pub(crate) stream: Stream,
}

/// What a client reads and writes.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// The socket below.
    pub(crate) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

impl Client {
    pub(crate) async fn connect(downstream: &Downstream) -> Self {
        let stream = TcpStream::connect(downstream.address).await.unwrap();
        Self::over(downstream, stream).await
    }

    /// A client whose kernel takes little before it reads.
    pub(crate) async fn narrow(downstream: &Downstream) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let stream = socket.connect(downstream.address).await.unwrap();
        Self::over(downstream, stream).await
    }

    async fn over(downstream: &Downstream, stream: TcpStream) -> Self {
        let stream = match &downstream.authority {
            None => Stream::Plain(stream),
            Some(authority) => Stream::Tls(Box::new(authority.connect(stream).await)),
        };
        Self { stream }
    }

    /// Closes as libraries do: with the goodbye of TLS, and without waiting for an answer to it.
    pub(crate) async fn close(mut self) {
        if let Stream::Tls(stream) = &mut self.stream {
            stream.get_mut().1.send_close_notify();
            // It may be gone on the other side too.
            let _ = stream.flush().await;
        }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    pub(crate) async fn ask(&mut self, framing: Framing, path: &str) {
        self.send(&framing.request(path)).await;
    }

    /// Reads so many whole answers; an error or an early end says what came until then.
    pub(crate) async fn answers(
        &mut self,
        framing: Framing,
        answers: usize,
    ) -> Result<String, String> {
        let mut received = Vec::new();
        loop {
            let read = self.stream.read_buf(&mut received).await;
            let ended = !matches!(read, Ok(1..));
            if framing.is_whole(&received, answers, read.is_ok() && ended) {
                return Ok(String::from_utf8(received).unwrap());
            }
            if ended {
                return Err(String::from_utf8(received).unwrap());
            }
        }
    }

    pub(crate) async fn half_close(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Leaves with a reset, as a client that is killed with unread data or aborts.
    pub(crate) fn reset(self) {
        self.stream.tcp().set_zero_linger().unwrap();
    }

    /// Waits until the kernel has something of the answer, and reads nothing.
    pub(crate) async fn answer_arrives(&mut self) {
        assert!(self.stream.tcp().peek(&mut [0]).await.unwrap() > 0);
    }
}
