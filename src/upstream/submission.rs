//! A submit: one POST on a connection of its own, in two steps that tell whether it may have left.
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};

use http::header::{self, HeaderValue};
use http::{Request, Response};
use hyper::body::Incoming;

use super::answer::{self, Channel};
use super::http1::{Awaited, Http1};
use super::{Error, Metrics, Origin, framing};
use crate::message::{Body, StoredResponse};

/// A fresh HTTP/1.1 connection on which nothing of a request was sent.
pub struct Connection {
    http1: Box<Http1>,
    origin: Arc<Origin>,
    metrics: Metrics,
    max_answer: usize,
}

/// A submit under way. It makes progress only while one of its futures is polled; dropped, its
/// connection ends.
pub struct Submission {
    http1: Box<Http1>,
    /// hyper's future of the answer; not polled any more once `received` is set.
    awaited: Awaited,
    /// The fields that came, or how the connection ended.
    received: Option<Result<Response<Incoming>, Error>>,
    metrics: Metrics,
    max_answer: usize,
}

impl Connection {
    pub(super) const fn new(
        http1: Box<Http1>,
        origin: Arc<Origin>,
        metrics: Metrics,
        max_answer: usize,
    ) -> Self {
        Self {
            http1,
            origin,
            metrics,
            max_answer,
        }
    }

    /// Readies `request` on this connection; its first byte leaves when the submission is polled.
    /// `latch` is set before the first write of it is attempted, so that whoever finds this task
    /// lost knows whether a byte may have left.
    pub fn submit(mut self, mut request: Request<Body>, latch: Arc<AtomicBool>) -> Submission {
        framing::for_http1(&mut request, self.origin.host_field());
        // No other request follows on this connection (RFC 9112 §9.6).
        request
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
        self.http1.meter().latch(latch);
        let awaited = self.http1.queue(request);
        Submission {
            http1: self.http1,
            awaited,
            received: None,
            metrics: self.metrics,
            max_answer: self.max_answer,
        }
    }
}

impl Submission {
    /// Returns as soon as the operating system took the first byte of the request. An error says
    /// [`Sent::Never`](super::Sent::Never): the connection died before that.
    pub async fn handed_over(&mut self) -> Result<(), Error> {
        poll_fn(|context| self.poll_handed_over(context)).await
    }

    fn poll_handed_over(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_fields(context);
        if self.http1.meter().written() > 0 {
            return Poll::Ready(Ok(()));
        }
        match &self.received {
            Some(Err(error)) => Poll::Ready(Err(error.clone())),
            // No answer is read before the request's head was written.
            Some(Ok(_)) => Poll::Ready(Ok(())),
            None => Poll::Pending,
        }
    }

    /// Drives the connection, and takes the answer's fields when they have come.
    fn poll_fields(&mut self, context: &mut Context<'_>) {
        self.http1.poll_driver(context);
        if self.received.is_none()
            && let Poll::Ready(answer) = self.awaited.as_mut().poll(context)
        {
            let received = self.http1.received(answer);
            self.received = Some(received.map_err(|unanswered| {
                self.metrics.failed(&unanswered.error);
                unanswered.error
            }));
        }
    }

    /// The whole answer. It has no deadline: an answer that comes late is still the truth, and how
    /// long it is worth waiting is the caller's to say.
    pub async fn answer(mut self) -> Result<StoredResponse, Error> {
        let fields = poll_fn(|context| self.poll_received(context)).await?;
        let whole = match answer::join(fields, Channel::Own(self.http1)) {
            Ok(answer) => answer::read_whole(answer, self.max_answer).await,
            Err(error) => Err(error),
        };
        whole.inspect_err(|error| self.metrics.failed(error))
    }

    fn poll_received(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Response<Incoming>, Error>> {
        if self.received.is_none() {
            self.poll_fields(context);
        }
        self.received.take().map_or(Poll::Pending, Poll::Ready)
    }
}
