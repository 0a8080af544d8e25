//! A body whose sender may pause, but not for ever.
use std::pin::Pin;
use std::task::{Context, Poll, ready};
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
}

impl<B> Paced<B> {
    /// `body`, broken off where its sender pauses for longer than `pause`.
    pub const fn new(body: B, pause: Duration) -> Self {
        Self {
            body,
            pause,
            waited: None,
        }
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
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, StreamBody};
    use tokio::sync::mpsc;

    use super::*;

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
