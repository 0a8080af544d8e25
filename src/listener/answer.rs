//! The service as hyper sees it: it tells the connection when a request's fields are whole and
//! when an answer's last byte is in hyper's buffer.
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::Service;

use super::line::Line;
use super::parking::{AnswerSlot, Delivery, Manner, Reply};
use super::presence::Presence;
use super::receipt::Receipt;
use super::scrutiny::Scrutiny;
use crate::message::{Body, BodyError};

/// The service of one connection.
pub(super) struct Attended<S> {
    service: S,
    line: Arc<Line>,
    slot: AnswerSlot,
    scrutiny: Scrutiny,
}

impl<S> Attended<S> {
    pub(super) const fn new(
        service: S,
        line: Arc<Line>,
        slot: AnswerSlot,
        scrutiny: Scrutiny,
    ) -> Self {
        Self {
            service,
            line,
            slot,
            scrutiny,
        }
    }
}

impl<S> Service<Request<Incoming>> for Attended<S>
where
    S: Service<Request<Incoming>, Response: Into<Reply>, Error = Infallible>,
{
    type Response = Response<Marked>;
    type Error = Infallible;
    type Future = Answering<S::Future>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        // A head that stands for a parked request's finds its answer there.
        let service = (!self.slot.is_taken()).then(|| {
            // Before the service sees this request: its sender may have read the answer before it.
            self.line.request_came();
            if let Err(malformed) = self.scrutiny.next_head() {
                request.extensions_mut().insert(malformed);
            }
            let presence = Presence::of(&self.line);
            request.extensions_mut().insert(presence);
            let manner = Manner::of(&request);
            Serving {
                future: Box::pin(self.service.call(request)),
                manner,
            }
        });
        Answering {
            service,
            slot: self.slot.clone(),
            line: Arc::clone(&self.line),
        }
    }
}

/// An answer on its way.
pub(super) struct Answering<F> {
    service: Option<Serving<F>>,
    slot: AnswerSlot,
    line: Arc<Line>,
}

/// The service at work; gone once it has promised its answer. Boxed, so that an idle connection
/// does not hold the room for it.
struct Serving<F> {
    future: Pin<Box<F>>,
    manner: Option<Manner>,
}

impl<F, R> Future for Answering<F>
where
    F: Future<Output = Result<R, Infallible>>,
    R: Into<Reply>,
{
    type Output = Result<Response<Marked>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(service) = &mut self.service {
            let Ok(reply) = ready!(service.future.as_mut().poll(context));
            let manner = service.manner;
            self.service = None;
            match reply.into() {
                Reply::Now(answer) => return Poll::Ready(Ok(self.mark(answer))),
                Reply::Later(later) => self.slot.wait(later, manner),
            }
        }
        let answer = ready!(self.slot.poll(context));
        Poll::Ready(Ok(self.mark(answer)))
    }
}

impl<F> Answering<F> {
    fn mark(&self, answer: Delivery) -> Response<Marked> {
        answer.response.map(|body| Marked {
            body,
            receipt: answer.receipt,
            broken: false,
            line: Arc::clone(&self.line),
        })
    }
}

/// An answer's body. hyper drops it when the last of it is in hyper's own buffer and before it
/// flushes, for every framing; so the next flush that reaches the socket carries its end.
pub(super) struct Marked {
    body: Body,
    receipt: Option<Receipt>,
    broken: bool,
    line: Arc<Line>,
}

impl HttpBody for Marked {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.broken |= matches!(frame, Some(Err(_)));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Marked {
    fn drop(&mut self) {
        let receipt = self.receipt.take();
        if self.broken {
            self.line.answer_broke(receipt);
        } else {
            self.line.answer_buffered(receipt);
        }
    }
}
