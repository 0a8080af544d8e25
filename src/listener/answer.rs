//! The service as hyper sees it: it tells the connection when a request's fields are whole and
//! when an answer's last byte is in hyper's buffer.
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::Service;

use super::line::Line;
use super::receipt::Receipt;
use crate::message::{Body, BodyError};

/// The client's address, in every request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// The service of one connection.
pub(super) struct Attended<S> {
    service: S,
    line: Arc<Line>,
    peer: Peer,
}

impl<S> Attended<S> {
    pub(super) const fn new(service: S, line: Arc<Line>, peer: Peer) -> Self {
        Self {
            service,
            line,
            peer,
        }
    }
}

impl<S> Service<Request<Incoming>> for Attended<S>
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Marked>;
    type Error = Infallible;
    type Future = Answering<S::Future>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        // Before the service sees this request: its sender may have read the answer before it.
        self.line.request_came();
        request.extensions_mut().insert(self.peer);
        Answering {
            future: Box::pin(self.service.call(request)),
            line: Arc::clone(&self.line),
        }
    }
}

/// An answer on its way. Boxed, so that an idle connection does not hold the room for it.
pub(super) struct Answering<F> {
    future: Pin<Box<F>>,
    line: Arc<Line>,
}

impl<F> Future for Answering<F>
where
    F: Future<Output = Result<Response<Body>, Infallible>>,
{
    type Output = Result<Response<Marked>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Ok(mut response) = ready!(self.future.as_mut().poll(context));
        let receipt = response.extensions_mut().remove::<Receipt>();
        Poll::Ready(Ok(response.map(|body| Marked {
            body,
            receipt,
            broken: false,
            line: Arc::clone(&self.line),
        })))
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
