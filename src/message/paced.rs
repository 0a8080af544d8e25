//! A body whose sender may pause, but not for ever.
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::BodyError;

/// A body of which the next piece must come within a time. The time runs only while somebody wants
/// the piece: a reader that is slow does not count against the sender.
pub struct Paced<B> {
    body: B,
    pause: Duration,
    /// Set while a piece is waited for.
    waited: Option<Pin<Box<Sleep>>>,
    /// A piece that was there when nobody waited yet.
    first: Option<Result<Frame<Bytes>, BodyError>>,
}

impl<B> Paced<B> {
    /// `body`, broken off where its sender pauses for longer than `pause`.
    pub const fn new(body: B, pause: Duration) -> Self {
        Self {
            body,
            pause,
            waited: None,
            first: None,
        }
    }
}

impl<B> Paced<B>
where
    B: HttpBody<Data = Bytes, Error = BodyError> + Unpin,
{
    /// The body's bytes, if all of it came in one piece, and that is here. Otherwise it streams.
    pub fn in_hand(mut self) -> Result<Bytes, Self> {
        let mut context = Context::from_waker(Waker::noop());
        // Its reader is woken for what comes later: it asks again.
        let Poll::Ready(Some(first)) = Pin::new(&mut self.body).poll_frame(&mut context) else {
            return Err(self);
        };
        let is_all = self.body.is_end_stream();
        match first.map(Frame::into_data) {
            Ok(Ok(data)) if is_all => Ok(data),
            Ok(Ok(data)) => Err(self.starting(Ok(Frame::data(data)))),
            Ok(Err(frame)) => Err(self.starting(Ok(frame))),
            Err(error) => Err(self.starting(Err(error))),
        }
    }

    /// The same body behind `read`, which was read of it already.
    pub fn after(self, read: Bytes) -> Self {
        self.starting(Ok(Frame::data(read)))
    }

    fn starting(self, first: Result<Frame<Bytes>, BodyError>) -> Self {
        Self {
            first: Some(first),
            ..self
        }
    }

    fn first_data(&self) -> u64 {
        let first = self.first.as_ref().and_then(|first| first.as_ref().ok());
        let data = first.and_then(Frame::data_ref);
        data.map_or(0, |data| data.len() as u64)
    }
}

impl<B> HttpBody for Paced<B>
where
    B: HttpBody<Data = Bytes, Error = BodyError> + Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first));
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.waited = None;
            return Poll::Ready(frame);
        }
        let pause = self.pause;
        let waited = self.waited.get_or_insert_with(|| Box::pin(sleep(pause)));
        ready!(waited.as_mut().poll(context));
        let late = format!("no byte came for {pause:?}");
        Poll::Ready(Some(Err(BodyError::cut(late))))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (left, first) = (self.body.size_hint(), self.first_data());
        let mut hint = SizeHint::new();
        hint.set_lower(left.lower() + first);
        if let Some(upper) = left.upper() {
            hint.set_upper(upper + first);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, StreamBody};
    use tokio::sync::mpsc;

    use super::*;
    use crate::message::Body;

    #[tokio::test]
    async fn what_is_in_hand_is_given_whole_and_what_is_not_streams_from_its_first_piece() {
        let second = Duration::from_secs(1);
        let whole = Paced::new(Body::from(Bytes::from_static(b"whole")), second);
        assert_eq!(whole.in_hand().ok().unwrap(), "whole");
        let (sender, mut pieces) = mpsc::unbounded_channel::<Bytes>();
        let stream = futures_util::stream::poll_fn(move |context| {
            let piece = ready!(pieces.poll_recv(context));
            Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
        });
        let paced = Paced::new(StreamBody::new(stream), second);
        let paced = paced.in_hand().err().unwrap();
        sender.send(Bytes::from_static(b"one ")).unwrap();
        let paced = paced.in_hand().err().unwrap();
        assert_eq!(paced.size_hint().lower(), 4);
        sender.send(Bytes::from_static(b"two")).unwrap();
        drop(sender);
        assert_eq!(
            crate::message::collect(paced, 100).await.unwrap(),
            "one two"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_breaks_it_off_and_a_slow_reader_does_not() {
        let second = Duration::from_secs(1);
        let (sender, mut pieces) = mpsc::unbounded_channel::<Bytes>();
        let stream = futures_util::stream::poll_fn(move |context| {
            let piece = ready!(pieces.poll_recv(context));
            Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
        });
        let mut paced = Paced::new(StreamBody::new(stream), second);
        for _ in 0..3 {
            sender.send(Bytes::from_static(b"x")).unwrap();
            tokio::time::sleep(second * 2).await;
            assert!(paced.frame().await.unwrap().is_ok());
        }
        let late = paced.frame().await.unwrap().unwrap_err();
        assert_eq!(late.to_string(), "the body ended early");
        drop(sender);
        assert!(paced.frame().await.is_none());
    }
}
