//! A submit: one POST on a connection of its own, in two steps that tell whether it may have left.
use std::future::{Future, poll_fn};
use std::pin::Pin;
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
    /// What is known of the answer.
    stage: Stage,
    metrics: Metrics,
    max_answer: usize,
}

enum Stage {
    Awaiting(Awaited),
    /// The fields came, or the connection ended, while the first byte was watched for.
    Received(Result<Response<Incoming>, Error>),
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
            stage: Stage::Awaiting(awaited),
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
        match &self.stage {
            Stage::Received(Err(error)) => Poll::Ready(Err(error.clone())),
            // No answer is read before the request's head was written.
            Stage::Received(Ok(_)) => Poll::Ready(Ok(())),
            Stage::Awaiting(_) => Poll::Pending,
        }
    }

    /// Drives the connection, and takes the answer's fields when they have come.
    fn poll_fields(&mut self, context: &mut Context<'_>) {
        self.http1.poll_driver(context);
        if let Stage::Awaiting(awaited) = &mut self.stage
            && let Poll::Ready(answer) = Pin::new(awaited).poll(context)
        {
            let received = self.http1.received(answer);
            self.stage = Stage::Received(received.map_err(|unanswered| {
                self.metrics.failed(&unanswered.error);
                unanswered.error
            }));
        }
    }

    /// The whole answer. It has no deadline: an answer that comes late is still the truth, and how
    /// long it is worth waiting is the caller's to say.
    pub async fn answer(mut self) -> Result<StoredResponse, Error> {
        poll_fn(|context| {
            if let Stage::Awaiting(_) = self.stage {
                self.poll_fields(context);
            }
            match self.stage {
                Stage::Awaiting(_) => Poll::Pending,
                Stage::Received(_) => Poll::Ready(()),
            }
        })
        .await;
        let Self {
            http1,
            stage,
            metrics,
            max_answer,
        } = self;
        let fields = match stage {
            Stage::Received(received) => received?,
            Stage::Awaiting(awaited) => {
                let received = awaited.await;
                http1
                    .received(received)
                    .map_err(|unanswered| unanswered.error)?
            }
        };
        let whole = match answer::join(fields, Channel::Own(http1)) {
            Ok(answer) => answer::read_whole(answer, max_answer).await,
            Err(error) => Err(error),
        };
        whole.inspect_err(|error| metrics.failed(error))
    }
}
