//! One HTTP/1.1 connection for polls: a GET without a body, and its whole answer.
//!
//! It does the same as hyper's connection with about half of the work, as it holds no buffer while
//! it waits and no request streams. What counts for money stays below it: `metered` counts.
use std::future::{Future, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use http::{Method, Request};
use http_body::Body as _;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::unconstrained;

use super::connector::{Connected, Stream};
use super::metered::Meter;
use super::metrics::Open;
use super::pool::{Pooled, Waiting};
use super::reply::{Reply, Whole};
use super::{Cause, Error, Sent, diagnosis, framing};
use crate::message::{Body, StoredResponse};

/// What is read at once, on the stack: most answers whole.
const READ: usize = 4 * 1024;

/// A connection that carries one GET at a time.
pub(super) struct Lean {
    stream: Stream,
    meter: Arc<Meter>,
    /// The request's bytes until all have left; empty afterwards, and kept for the next.
    outgoing: Vec<u8>,
    /// How many of them were taken.
    taken: usize,
    /// The last answer was whole and the connection can take another request.
    is_fit: bool,
    _open: Open,
}

/// True for a request that a lean connection can carry.
pub(super) fn carries(request: &Request<Body>) -> bool {
    *request.method() == Method::GET && request.body().is_end_stream()
}

impl Pooled for Lean {
    async fn open(connected: Connected, open: Open) -> Result<Box<Self>, Error> {
        Ok(Box::new(Self {
            stream: connected.stream,
            meter: connected.meter,
            outgoing: Vec::new(),
            taken: 0,
            is_fit: true,
            _open: open,
        }))
    }

    /// The peer's goodbye, or bytes that nobody asked for, are found here. Nobody is woken: the
    /// connection waits unattended. tokio's budget is not asked, because a read that it puts off
    /// would look like silence.
    fn is_ready(&mut self) -> bool {
        let mut byte = [0];
        let mut buffer = ReadBuf::new(&mut byte);
        let stream = &mut self.stream;
        let read = poll_fn(|context| Pin::new(&mut *stream).poll_read(context, &mut buffer));
        let mut read = pin!(unconstrained(read));
        let mut context = Context::from_waker(Waker::noop());
        self.is_fit && read.as_mut().poll(&mut context).is_pending()
    }

    fn is_fit(&mut self) -> bool {
        self.is_fit
    }

    fn into_waiting(self: Box<Self>) -> Waiting {
        Waiting::Lean(self)
    }

    fn from_waiting(waiting: Waiting) -> Option<Box<Self>> {
        match waiting {
            Waiting::Lean(lean) => Some(lean),
            Waiting::Http1(_) => None,
        }
    }

    fn is_kind_of(waiting: &Waiting) -> bool {
        matches!(waiting, Waiting::Lean(_))
    }
}

impl Lean {
    /// Takes a request that has the form of HTTP/1.1; it leaves when it is asked.
    pub(super) fn prepare(&mut self, request: &Request<Body>) {
        self.outgoing.clear();
        framing::write_head(request, &mut self.outgoing);
    }

    /// Sends the prepared request and returns its answer, whose body has no more than `limit`
    /// bytes. What the error says of the request's bytes is exact.
    pub(super) async fn ask(&mut self, limit: usize) -> Result<StoredResponse, Error> {
        if !self.is_ready() {
            return Err(Error::new(Cause::Terminated, Sent::Never).because("it was not kept"));
        }
        self.is_fit = false;
        self.meter.begin();
        let mut reply = Reply::new(limit);
        let answer = poll_fn(|context| self.poll_ask(context, &mut reply)).await;
        let whole = answer.map_err(|error| self.told(error))?;
        self.is_fit = whole.is_persistent && self.outgoing.is_empty();
        Ok(whole.response)
    }

    /// Whether anything of the request in hand was handed to the operating system.
    pub(super) fn sent(&self) -> Sent {
        if self.meter.written() == 0 {
            Sent::Never
        } else {
            Sent::Maybe
        }
    }

    fn poll_ask(
        &mut self,
        context: &mut Context<'_>,
        reply: &mut Reply,
    ) -> Poll<Result<Whole, Error>> {
        // The answer may come before the request has left, and is read all the same.
        if let Poll::Ready(Err(error)) = self.poll_send(context) {
            return Poll::Ready(Err(diagnosis::of_io(&error, Sent::Maybe)));
        }
        loop {
            let mut space = [MaybeUninit::uninit(); READ];
            let mut buffer = ReadBuf::uninit(&mut space);
            let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer));
            if let Err(error) = read {
                return Poll::Ready(Err(diagnosis::of_io(&error, Sent::Maybe)));
            }
            if buffer.filled().is_empty() {
                return Poll::Ready(reply.end());
            }
            if let Some(whole) = reply.receive(buffer.filled())? {
                self.meter.fields_came();
                return Poll::Ready(Ok(whole));
            }
            if reply.has_fields() {
                self.meter.fields_came();
            }
        }
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut stream = Pin::new(&mut self.stream);
        while let Some(left) = self
            .outgoing
            .get(self.taken..)
            .filter(|left| !left.is_empty())
        {
            let count = ready!(stream.as_mut().poll_write(context, left))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.taken += count;
        }
        if !self.outgoing.is_empty() {
            // What TLS has taken may still be in its hands.
            ready!(stream.poll_flush(context))?;
            self.outgoing.clear();
            self.taken = 0;
        }
        Poll::Ready(Ok(()))
    }

    /// The error with what the meter knows.
    fn told(&self, error: Error) -> Error {
        let sent = self.sent();
        if self.meter.is_flooded() {
            return Error::new(Cause::Malformed, sent)
                .because("too much came before the answer's fields");
        }
        Error { sent, ..error }
    }
}
