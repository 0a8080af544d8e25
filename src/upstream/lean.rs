//! One HTTP/1.1 connection for submits, polls, and relayed requests that are small and in hand: the
//! answer is awaited whole, or streams.
//!
//! It does the same as hyper's connection with about half of the work, as it holds no buffer while
//! it waits and no request streams. What counts for money stays below it: `metered` counts.
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::unconstrained;

use super::connector::{Connected, Stream};
use super::metered::Meter;
use super::metrics::Open;
use super::pool::{Lease, Pooled, Waiting};
use super::reply::Reply;
use super::way::Passage;
use super::{Cause, Error, Sent, diagnosis, framing};
use crate::message::{Body, BodyError, StoredResponse, erase};

/// What is read at once, on the stack: most answers whole.
const READ: usize = 4 * 1024;
/// The same of a body that streams.
const READ_ON: usize = 16 * 1024;
/// The largest body of a pooled request: one that leaves at once.
pub(super) const MAX_BODY: usize = 16 * 1024;

/// A connection that carries one request at a time.
pub(super) struct Lean {
    stream: Stream,
    meter: Arc<Meter>,
    outgoing: Outgoing,
    /// The last answer was whole and the connection can take another request.
    is_fit: bool,
    /// The pool has just found it ready: it need not be asked again.
    is_checked: bool,
    _open: Open,
}

/// A request until all of it has left.
#[derive(Default)]
struct Outgoing {
    /// Erased when it has left, and its room kept for the next.
    head: Vec<u8>,
    body: Bytes,
    /// How many bytes of both were taken.
    taken: usize,
}

/// What has come of an answer.
pub(super) enum Asked {
    Whole(StoredResponse),
    /// Its fields, and what more was read.
    Fields(Reply),
}

/// True for a request that a lean connection can carry. The answer to HEAD is framed otherwise.
pub(super) fn carries(request: &Request<Body>) -> bool {
    let in_hand = |body: &Bytes| body.len() <= MAX_BODY;
    *request.method() != Method::HEAD && request.body().whole().is_some_and(in_hand)
}

impl Pooled for Lean {
    async fn open(connected: Connected, open: Open) -> Result<Box<Self>, Error> {
        Ok(Box::new(Self {
            stream: connected.stream,
            meter: connected.meter,
            outgoing: Outgoing::default(),
            is_fit: true,
            is_checked: false,
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
        self.is_checked = self.is_fit && read.as_mut().poll(&mut context).is_pending();
        self.is_checked
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
            Waiting::Passing(_) | Waiting::Http1(_) => None,
        }
    }

    fn is_kind_of(waiting: &Waiting) -> bool {
        matches!(waiting, Waiting::Lean(_))
    }
}

/// A connection that carries relayed requests only. Nobody vouches for those, so no poll comes after
/// one: a gateway that saw two requests in one would answer the second to the poll.
pub(super) struct Passing(Lean);

impl Pooled for Passing {
    async fn open(connected: Connected, open: Open) -> Result<Box<Self>, Error> {
        let lean = Lean::open(connected, open).await?;
        Ok(Box::new(Self(*lean)))
    }

    fn is_ready(&mut self) -> bool {
        self.0.is_ready()
    }

    fn is_fit(&mut self) -> bool {
        self.0.is_fit
    }

    fn into_waiting(self: Box<Self>) -> Waiting {
        Waiting::Passing(self)
    }

    fn from_waiting(waiting: Waiting) -> Option<Box<Self>> {
        match waiting {
            Waiting::Passing(passing) => Some(passing),
            Waiting::Lean(_) | Waiting::Http1(_) => None,
        }
    }

    fn is_kind_of(waiting: &Waiting) -> bool {
        matches!(waiting, Waiting::Passing(_))
    }
}

impl AsMut<Lean> for Passing {
    fn as_mut(&mut self) -> &mut Lean {
        &mut self.0
    }
}

impl AsMut<Self> for Lean {
    fn as_mut(&mut self) -> &mut Self {
        self
    }
}

impl Lean {
    /// Takes a request that has the form of HTTP/1.1 and whose body is whole; it leaves when it is
    /// asked.
    pub(super) fn prepare(&mut self, request: &Request<Body>) {
        let Outgoing { head, body, taken } = &mut self.outgoing;
        head.clear();
        framing::write_head(request, head);
        *body = request.body().whole().cloned().unwrap_or_default();
        *taken = 0;
    }

    /// Sends the prepared request and reads on until the fields of its answer are in `reply`; the answer, if
    /// it is whole by then. What the error says of the request's bytes is exact.
    pub(super) async fn ask(&mut self, reply: &mut Reply) -> Result<Option<StoredResponse>, Error> {
        self.begin()?;
        let answer = poll_fn(|context| {
            loop {
                match ready!(self.poll_more::<READ>(context, reply)) {
                    Ok(None) if !reply.has_fields() => {}
                    Ok(whole) => return Poll::Ready(Ok(whole)),
                    Err(error) => return Poll::Ready(Err(self.told(error, reply))),
                }
            }
        });
        answer.await
    }

    /// Begins the prepared request; nothing of it leaves yet. An error where the peer has ended the
    /// connection, or spoken unasked.
    pub(super) fn begin(&mut self) -> Result<(), Error> {
        if !self.is_checked && !self.is_ready() {
            return Err(Error::new(Cause::Terminated, Sent::Never).because("it was not kept"));
        }
        (self.is_fit, self.is_checked) = (false, false);
        self.meter.begin();
        Ok(())
    }

    /// Has `latch` set before the first write of the request is attempted. Once for a connection.
    pub(super) fn latch(&self, latch: Arc<AtomicBool>) {
        self.meter.latch(latch);
    }

    /// The whole answer whose fields have come.
    pub(super) async fn rest(&mut self, mut reply: Reply) -> Result<StoredResponse, Error> {
        poll_fn(|context| self.poll_whole(context, &mut reply)).await
    }

    /// Sends what is left of the request that was begun, and reads on until its answer is whole.
    pub(super) fn poll_whole(
        &mut self,
        context: &mut Context<'_>,
        reply: &mut Reply,
    ) -> Poll<Result<StoredResponse, Error>> {
        loop {
            match ready!(self.poll_more::<READ>(context, reply)) {
                Ok(None) => {}
                Ok(Some(whole)) => return Poll::Ready(Ok(whole)),
                Err(error) => return Poll::Ready(Err(self.told(error, reply))),
            }
        }
    }

    /// Whether anything of the request in hand was handed to the operating system.
    pub(super) fn sent(&self) -> Sent {
        if self.meter.written() == 0 {
            Sent::Never
        } else {
            Sent::Maybe
        }
    }

    /// Sends what is left of the request and reads once; the answer, if it is whole now.
    fn poll_more<const SIZE: usize>(
        &mut self,
        context: &mut Context<'_>,
        reply: &mut Reply,
    ) -> Poll<Result<Option<StoredResponse>, Error>> {
        // The answer may come before the request has left, and is read all the same.
        if let Poll::Ready(Err(error)) = self.poll_send(context) {
            return Poll::Ready(Err(diagnosis::of_io(&error, Sent::Maybe)));
        }
        let mut space = [MaybeUninit::uninit(); SIZE];
        let mut buffer = ReadBuf::uninit(&mut space);
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer));
        if let Err(error) = read {
            return Poll::Ready(Err(diagnosis::of_io(&error, Sent::Maybe)));
        }
        if self.sent() == Sent::Never && !buffer.filled().is_empty() {
            let error = Error::new(Cause::Malformed, Sent::Never);
            return Poll::Ready(Err(error.because("it spoke before it was asked")));
        }
        let whole = if buffer.filled().is_empty() {
            Some(reply.end()?)
        } else {
            reply.receive(buffer.filled())?
        };
        if reply.has_fields() {
            self.meter.fields_came();
        }
        Poll::Ready(Ok(whole.map(|whole| {
            self.is_fit = whole.is_persistent && self.outgoing.is_gone();
            whole.response
        })))
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut stream = Pin::new(&mut self.stream);
        loop {
            let (head, body) = self.outgoing.left();
            let count = match (head, body) {
                ([], []) => break,
                (bytes, []) | ([], bytes) => ready!(stream.as_mut().poll_write(context, bytes))?,
                (head, body) => {
                    let both = [IoSlice::new(head), IoSlice::new(body)];
                    ready!(stream.as_mut().poll_write_vectored(context, &both))?
                }
            };
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outgoing.taken += count;
        }
        if !self.outgoing.is_gone() {
            // What TLS has taken may still be in its hands.
            ready!(stream.poll_flush(context))?;
            self.outgoing.erase();
        }
        Poll::Ready(Ok(()))
    }

    /// The error with what the meter knows, and with the status that came before it.
    fn told(&self, error: Error, reply: &Reply) -> Error {
        let sent = self.sent();
        let error = error.within(reply.status());
        if self.meter.is_flooded() {
            return Error::new(Cause::Malformed, sent)
                .within(error.status)
                .because("too much came before the answer's fields");
        }
        Error { sent, ..error }
    }
}

impl Drop for Lean {
    /// TLS says where the bytes of a connection end (RFC 8446 §6.1); without it the socket does. A request
    /// that was called unsent must not leave with the goodbye.
    fn drop(&mut self) {
        let is_withheld = !self.outgoing.is_gone() && self.sent() == Sent::Never;
        if let Stream::Tls(stream) = &mut self.stream
            && !is_withheld
        {
            let mut context = Context::from_waker(Waker::noop());
            // What has no room now is not waited for.
            let _ = Pin::new(stream).poll_shutdown(&mut context);
        }
    }
}

impl Outgoing {
    /// What is left of head and body.
    fn left(&self) -> (&[u8], &[u8]) {
        let of_body = self.taken.saturating_sub(self.head.len());
        let head = self.head.get(self.taken..).unwrap_or_default();
        (head, self.body.get(of_body..).unwrap_or_default())
    }

    const fn is_gone(&self) -> bool {
        self.head.is_empty()
    }

    fn erase(&mut self) {
        erase(&mut self.head);
        self.head.clear();
        self.body = Bytes::new();
        self.taken = 0;
    }
}

/// The answer to a relayed request, which keeps its turn for as long as it comes.
pub(super) fn answer(lease: Lease<Passing>, asked: Asked, passage: Passage) -> Response<Body> {
    match asked {
        Asked::Whole(StoredResponse {
            status,
            fields,
            body,
        }) => {
            lease.give_back();
            response(status, fields, body.into())
        }
        Asked::Fields(mut reply) => {
            let (status, fields) = reply.take_fields();
            let body = Streaming {
                lease: Some(lease),
                reply,
                passage,
            };
            response(status, fields, Body::streamed(body))
        }
    }
}

fn response(status: StatusCode, fields: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    response
}

/// The body of an answer that comes on a lean connection.
struct Streaming {
    /// `None` once all was read.
    lease: Option<Lease<Passing>>,
    reply: Reply,
    passage: Passage,
}

impl Streaming {
    /// Reads once; what came of the body.
    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes, Error>> {
        let Some(lease) = &mut self.lease else {
            return Poll::Ready(Ok(Bytes::new()));
        };
        let lean = lease.connection().as_mut();
        let more = ready!(lean.poll_more::<READ_ON>(context, &mut self.reply));
        match more {
            Ok(None) => Poll::Ready(Ok(self.reply.take_data().into())),
            Ok(Some(last)) => {
                if let Some(lease) = self.lease.take() {
                    lease.give_back();
                }
                Poll::Ready(Ok(last.body))
            }
            Err(error) => {
                self.lease = None;
                self.passage.broke(&error);
                Poll::Ready(Err(error))
            }
        }
    }
}

impl http_body::Body for Streaming {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut data = Bytes::from(self.reply.take_data());
        while data.is_empty() && self.lease.is_some() {
            match ready!(self.poll_data(context)) {
                Ok(more) => data = more,
                Err(error) => return Poll::Ready(Some(Err(BodyError::cut(error)))),
            }
        }
        Poll::Ready((!data.is_empty()).then(|| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.lease.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let left = if self.lease.is_some() {
            self.reply.left()
        } else {
            Some(0)
        };
        left.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}
