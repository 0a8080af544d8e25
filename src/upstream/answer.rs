//! The body of an answer: it drives the connection that it comes on, and gives that back at its end.
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Response, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use super::http1::Http1;
use super::http2::Stream;
use super::pool::Lease;
use super::way::Passage;
use super::{Cause, Error, Sent, diagnosis, framing};
use crate::message::{BodyError, StoredResponse, collect};

/// What an answer comes on.
pub(super) enum Channel {
    /// A connection of the pool.
    Leased(Lease<Http1>),
    /// A stream of a shared connection; held so that it is counted while its answer is read.
    Shared {
        /// The stream.
        _stream: Stream,
    },
}

/// An answer's body and what it comes on.
pub(super) struct AnswerBody {
    incoming: Incoming,
    /// `None` after the body's end.
    channel: Option<Channel>,
    /// What a relayed answer has until the body goes.
    passage: Option<Passage>,
}

/// Joins an answer with its channel; an answer whose framing cannot be believed is an error.
pub(super) fn join(
    mut answer: Response<Incoming>,
    channel: Channel,
) -> Result<Response<AnswerBody>, Error> {
    let status = answer.status();
    framing::check(&mut answer).map_err(|error| error.within(Some(status)))?;
    Ok(answer.map(|incoming| {
        let mut body = AnswerBody {
            incoming,
            channel: Some(channel),
            passage: None,
        };
        if body.incoming.is_end_stream() {
            body.finish();
        }
        body
    }))
}

/// Reads an answer whole, but no body over `limit` bytes. It is copied: fields and body as hyper gives
/// them hold on to its buffer for as long as they are kept.
pub(super) async fn read_whole(
    answer: Response<AnswerBody>,
    limit: usize,
) -> Result<StoredResponse, Error> {
    let (parts, body) = answer.into_parts();
    let announced = body.size_hint().exact();
    let body = collect(body, limit)
        .await
        .map_err(|error| diagnosis::of_body(&error))?;
    if announced.is_some_and(|length| length != body.len() as u64) {
        return Err(Error::new(Cause::Terminated, Sent::Maybe)
            .because("its body is not as long as announced"));
    }
    let mut fields = parts.headers;
    fields.remove(header::CONTENT_LENGTH);
    let answer = StoredResponse {
        status: parts.status,
        fields,
        body,
    };
    Ok(answer.copied())
}

impl AnswerBody {
    /// The answer is whole: a pooled connection goes back, if it is fit for another request.
    fn finish(&mut self) {
        match self.channel.take() {
            Some(Channel::Leased(lease)) => lease.give_back(),
            Some(Channel::Shared { .. }) | None => {}
        }
    }

    /// The same body, of a relayed answer.
    pub(super) fn taking(self, passage: Passage) -> Self {
        Self {
            passage: Some(passage),
            ..self
        }
    }

    fn drive(&mut self, context: &mut Context<'_>) {
        match &mut self.channel {
            Some(Channel::Leased(lease)) => lease.connection().poll_driver(context),
            Some(Channel::Shared { .. }) | None => {}
        }
    }

    fn poll_incoming(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = std::task::ready!(Pin::new(&mut self.incoming).poll_frame(context));
        match &frame {
            // Nothing follows the trailers, and hyper may not be asked again after them.
            Some(Ok(frame)) if frame.is_trailers() => self.finish(),
            Some(Ok(_)) if self.incoming.is_end_stream() => self.finish(),
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                self.channel = None;
                if let Some(passage) = &self.passage {
                    passage.broke(&diagnosis::of_hyper(error, Sent::Maybe));
                }
            }
            None => self.finish(),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(BodyError::cut)))
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(frame) = self.poll_incoming(context) {
            return Poll::Ready(frame);
        }
        self.drive(context);
        self.poll_incoming(context)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
