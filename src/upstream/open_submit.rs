//! A submit: one POST on a connection of its own, in two steps that tell whether it may have left.
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};

use http::Request;
use http::header::{self, HeaderValue};

use super::lean::Lean;
use super::reply::Reply;
use super::{Error, Metrics, Origin, Sent, framing};
use crate::message::{Body, StoredResponse};

/// A fresh HTTP/1.1 connection on which nothing of a request was sent.
pub struct Connection {
    lean: Box<Lean>,
    origin: Arc<Origin>,
    metrics: Metrics,
    max_answer: usize,
}

/// A submit under way. It makes progress only while one of its futures is polled; dropped, its
/// connection ends.
pub struct OpenSubmit {
    lean: Box<Lean>,
    reply: Reply,
    metrics: Metrics,
    /// The answer, or how the connection ended; nothing is asked of it any more.
    came: Option<Result<StoredResponse, Error>>,
}

impl Connection {
    pub(super) const fn new(
        lean: Box<Lean>,
        origin: Arc<Origin>,
        metrics: Metrics,
        max_answer: usize,
    ) -> Self {
        Self {
            lean,
            origin,
            metrics,
            max_answer,
        }
    }

    /// Readies `request` on this connection; its first byte leaves when the submit is polled.
    /// `latch` is set before the first write of it is attempted, so that whoever finds this task
    /// lost knows whether a byte may have left.
    pub fn submit(mut self, mut request: Request<Body>, latch: Arc<AtomicBool>) -> OpenSubmit {
        framing::for_http1(&mut request, self.origin.host_field());
        // No other request follows on this connection (RFC 9112 §9.6).
        request
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
        self.lean.prepare(&request);
        self.lean.latch(latch);
        let begun = self.lean.begin();
        let mut submit = OpenSubmit {
            lean: self.lean,
            reply: Reply::new(self.max_answer),
            metrics: self.metrics,
            came: None,
        };
        // A connection that has ended already takes nothing of the request.
        if let Err(error) = begun {
            submit.came(Err(error));
        }
        submit
    }
}

impl OpenSubmit {
    /// Returns as soon as the operating system took the first byte of the request. An error says
    /// [`Sent::Never`]: the connection died before that.
    pub async fn handed_over(&mut self) -> Result<(), Error> {
        poll_fn(|context| self.poll_handed_over(context)).await
    }

    fn poll_handed_over(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_answer(context);
        if self.lean.sent() == Sent::Maybe {
            return Poll::Ready(Ok(()));
        }
        match &self.came {
            Some(Err(error)) => Poll::Ready(Err(error.clone())),
            Some(Ok(_)) | None => Poll::Pending,
        }
    }

    /// The whole answer. It has no deadline: an answer that comes late is still the truth, and how
    /// long it is worth waiting is the caller's to say.
    pub async fn answer(mut self) -> Result<StoredResponse, Error> {
        poll_fn(|context| {
            self.poll_answer(context);
            self.came.take().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// Drives the connection until its answer is whole.
    fn poll_answer(&mut self, context: &mut Context<'_>) {
        if self.came.is_none()
            && let Poll::Ready(came) = self.lean.poll_whole(context, &mut self.reply)
        {
            self.came(came);
        }
    }

    fn came(&mut self, answer: Result<StoredResponse, Error>) {
        let answer = answer.inspect_err(|error| self.metrics.failed(error));
        self.came = Some(answer.map(|mut answer| {
            answer.fields.remove(header::CONTENT_LENGTH);
            answer
        }));
    }
}
