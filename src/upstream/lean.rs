//! One HTTP/1.1 connection for polls, and for relayed requests that are small and in hand: the answer
//! is awaited whole, or streams.
//!
//! It does the same as hyper's connection with about half of the work, as it holds no buffer while
//! it waits and no request streams. What counts for money stays below it: `metered` counts.
use std::future::{Future, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::unconstrained;
use zeroize::Zeroize;

use super::connector::{Connected, Stream};
use super::metered::Meter;
use super::metrics::Open;
use super::pool::{Lease, Pooled, Waiting};
use super::reply::Reply;
use super::{Cause, Error, Sent, diagnosis, framing};
use crate::live::Place;
use crate::message::{Body, BodyError, StoredResponse};

/// What is read at once, on the stack: most answers whole.
const READ: usize = 4 * 1024;
/// The same of a body that streams.
const READ_ON: usize = 16 * 1024;
/// The largest body of a request that is copied behind its head.
pub(super) const MAX_BODY: usize = 16 * 1024;

/// A connection that carries one request at a time.
pub(super) struct Lean {
    stream: Stream,
    meter: Arc<Meter>,
    /// The request's bytes until all have left; erased afterwards, and its room kept for the next.
    outgoing: Vec<u8>,
    /// How many of them were taken.
    taken: usize,
    /// The last answer was whole and the connection can take another request.
    is_fit: bool,
    _open: Open,
}

/// What has come of an answer.
pub(super) enum Asked {
    Whole(StoredResponse),
    /// Its fields, and what more was read.
    Fields(Reply),
}

/// True for a request that a lean connection can carry. The answer to HEAD is framed otherwise.
pub(super) fn carries(request: &Request<Body>) -> bool {
    let in_hand = |body: &[u8]| body.len() <= MAX_BODY;
    *request.method() != Method::HEAD && request.body().whole().is_some_and(in_hand)
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
        self.outgoing.clear();
        framing::write_head(request, &mut self.outgoing);
        let body = request.body().whole().unwrap_or_default();
        self.outgoing.extend_from_slice(body);
    }

    /// Sends the prepared request and returns its answer's fields, whose body may have `limit`
    /// bytes. What the error says of the request's bytes is exact.
    pub(super) async fn ask(&mut self, limit: usize) -> Result<Asked, Error> {
        if !self.is_ready() {
            return Err(Error::new(Cause::Terminated, Sent::Never).because("it was not kept"));
        }
        self.is_fit = false;
        self.meter.begin();
        let mut reply = Reply::new(limit);
        let answer = poll_fn(|context| {
            loop {
                match ready!(self.poll_more::<READ>(context, &mut reply))? {
                    None if !reply.has_fields() => {}
                    whole => return Poll::Ready(Ok(whole)),
                }
            }
        });
        let whole = answer.await.map_err(|error| self.told(error))?;
        Ok(whole.map_or(Asked::Fields(reply), Asked::Whole))
    }

    /// The whole answer whose fields have come.
    pub(super) async fn rest(&mut self, mut reply: Reply) -> Result<StoredResponse, Error> {
        let answer = poll_fn(|context| {
            loop {
                if let Some(whole) = ready!(self.poll_more::<READ>(context, &mut reply))? {
                    return Poll::Ready(Ok(whole));
                }
            }
        });
        answer.await.map_err(|error| self.told(error))
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
        let whole = if buffer.filled().is_empty() {
            Some(reply.end()?)
        } else {
            reply.receive(buffer.filled())?
        };
        if reply.has_fields() {
            self.meter.fields_came();
        }
        Poll::Ready(Ok(whole.map(|whole| {
            self.is_fit = whole.is_persistent && self.outgoing.is_empty();
            whole.response
        })))
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
            self.outgoing.zeroize();
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

/// The answer to a relayed request, which keeps its turn for as long as it comes.
pub(super) fn answer(lease: Lease<Passing>, asked: Asked, turn: Place) -> Response<Body> {
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
                _turn: turn,
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
    _turn: Place,
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
