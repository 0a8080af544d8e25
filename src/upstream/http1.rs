//! One HTTP/1.1 connection, driven by whoever has a request on it: no task of its own.
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use super::connector::{Connected, Stream};
use super::metered::Meter;
use super::metrics::Open;
use super::pool::{Pooled, Waiting};
use super::{Cause, Error, Sent, diagnosis};
use crate::message::Body;

/// What hyper may hold of one connection's bytes, and so the largest head of an answer. The number
/// of fields stays at hyper's 100, which it keeps on the stack.
const MAX_BUFFER: usize = 64 * 1024;

/// A connection that carries one request at a time.
pub(super) struct Http1 {
    sender: SendRequest<Body>,
    /// `None` once the connection has ended.
    driver: Option<http1::Connection<TokioIo<Stream>, Body>>,
    meter: Arc<Meter>,
    _open: Open,
}

impl Pooled for Http1 {
    async fn open(connected: Connected, open: Open) -> Result<Box<Self>, Error> {
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(MAX_BUFFER)
            .handshake(TokioIo::new(connected.stream))
            .await
            .map_err(|error| diagnosis::of_hyper(&error, Sent::Never))?;
        Ok(Box::new(Self {
            sender,
            driver: Some(driver),
            meter: connected.meter,
            _open: open,
        }))
    }

    fn is_ready(&mut self) -> bool {
        self.is_ready()
    }

    /// Its driver is turned once more, as only that tells whether the request has left whole.
    fn is_fit(&mut self) -> bool {
        self.is_ready()
    }

    fn into_waiting(self: Box<Self>) -> Waiting {
        Waiting::Http1(self)
    }

    fn from_waiting(waiting: Waiting) -> Option<Box<Self>> {
        match waiting {
            Waiting::Http1(http1) => Some(http1),
            Waiting::Lean(_) | Waiting::Passing(_) => None,
        }
    }

    fn is_kind_of(waiting: &Waiting) -> bool {
        matches!(waiting, Waiting::Http1(_))
    }
}

/// A request without an answer.
pub(super) struct Unanswered {
    /// The request itself, where nothing of it was sent and its body is untouched.
    pub(super) request: Option<Box<Request<Body>>>,
    pub(super) error: Error,
}

impl Http1 {
    /// Sends a request and returns its answer's fields, driving the connection meanwhile.
    pub(super) async fn send(
        &mut self,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, Unanswered> {
        self.meter.begin();
        let mut awaited = pin!(self.sender.try_send_request(request));
        poll_fn(|context| {
            self.poll_driver(context);
            let answer = std::task::ready!(awaited.as_mut().poll(context));
            Poll::Ready(self.received(answer))
        })
        .await
    }

    /// Takes in what hyper's future gave.
    fn received(
        &self,
        answer: Result<Response<Incoming>, TrySendError<Request<Body>>>,
    ) -> Result<Response<Incoming>, Unanswered> {
        match answer {
            Ok(answer) => {
                self.meter.fields_came();
                Ok(answer)
            }
            Err(mut error) => Err(Unanswered {
                request: error.take_message().map(Box::new),
                error: self.diagnose(error.error()),
            }),
        }
    }

    fn diagnose(&self, error: &hyper::Error) -> Error {
        if self.meter.is_flooded() {
            return Error::new(Cause::Malformed, self.sent())
                .because("too much came before the answer's fields");
        }
        diagnosis::of_hyper(error, self.sent())
    }

    /// Whether anything of the request in hand was handed to the operating system.
    pub(super) fn sent(&self) -> Sent {
        if self.meter.written() == 0 {
            Sent::Never
        } else {
            Sent::Maybe
        }
    }

    /// Drives the connection as far as it goes now. What ends it is told by the answer's future and
    /// by the body, each for its part; an end after a whole answer is of no interest.
    pub(super) fn poll_driver(&mut self, context: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && Pin::new(driver).poll(context).is_ready()
        {
            self.driver = None;
        }
    }

    /// True if the connection is alive and can take a request now. The peer's goodbye, or bytes
    /// that nobody asked for, are found here. Nobody is woken: the connection waits unattended.
    pub(super) fn is_ready(&mut self) -> bool {
        self.poll_driver(&mut Context::from_waker(Waker::noop()));
        self.driver.is_some() && self.sender.is_ready()
    }
}
