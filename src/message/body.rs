//! The one body type of every message that we send, and the bounded reading of those we receive.
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use zeroize::optimization_barrier;

use super::budget::Share;

type Streamed = Pin<Box<dyn HttpBody<Data = Bytes, Error = BodyError> + Send>>;

/// A body that is whole in memory, or one that streams through.
#[derive(Default)]
pub struct Body(Form);

#[derive(Default)]
enum Form {
    #[default]
    Empty,
    Whole(Bytes),
    Streamed(Streamed),
}

/// Why a body could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// More bytes came than the limit allows.
    #[error("the body is over the limit of {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
        /// What was read of it: nothing where its length told.
        read: Bytes,
    },
    /// The budget that it is read within is spent.
    #[error("there is no room for the body")]
    NoRoom {
        /// What was read of it.
        read: Bytes,
    },
    /// The sender went away or broke the framing.
    #[error("the body ended early")]
    Cut(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl BodyError {
    /// The error of a body whose sender went away or broke the framing.
    pub fn cut(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Cut(source.into())
    }
}

impl Body {
    /// A body of no bytes.
    pub const fn empty() -> Self {
        Self(Form::Empty)
    }

    /// Its bytes, if it is whole in memory.
    pub fn whole(&self) -> Option<&Bytes> {
        static NONE: Bytes = Bytes::new();
        match &self.0 {
            Form::Empty => Some(&NONE),
            Form::Whole(bytes) => Some(bytes),
            Form::Streamed(_) => None,
        }
    }

    /// A body that streams `body` through. Trailers are dropped on the way: a trailer could carry
    /// a field that was checked in the head (RFC 9110 §6.5.1).
    pub fn streamed<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes, Error = BodyError> + Send + 'static,
    {
        Self(Form::Streamed(Box::pin(body)))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() {
            Self::empty()
        } else {
            Self(Form::Whole(bytes))
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Form::Empty => Poll::Ready(None),
            Form::Whole(bytes) => {
                let frame = Frame::data(std::mem::take(bytes));
                self.0 = Form::Empty;
                Poll::Ready(Some(Ok(frame)))
            }
            Form::Streamed(body) => {
                let frame = ready!(body.as_mut().poll_frame(context));
                Poll::Ready(frame.filter(|frame| frame.as_ref().map_or(true, Frame::is_data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Form::Empty => true,
            Form::Whole(_) => false,
            Form::Streamed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Form::Empty => SizeHint::with_exact(0),
            Form::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Form::Streamed(body) => body.size_hint(),
        }
    }
}

/// The same bytes in memory of their own, which the process's allocator erases when the last handle on
/// them is dropped; what they were read into is erased now, where nothing else shares it.
pub fn erasable(bytes: Bytes) -> Bytes {
    let erased = Bytes::copy_from_slice(&bytes);
    if let Ok(mut read) = bytes.try_into_mut() {
        erase(&mut read);
    }
    erased
}

/// Overwrites bytes with zeros, though nobody reads them again: for memory that is used on. What is
/// freed is erased by the process's allocator.
pub fn erase(bytes: &mut [u8]) {
    bytes.fill(0);
    optimization_barrier(bytes);
}

/// The same as [`erasable`], in memory that keeps its share of a budget.
pub fn erasable_within(bytes: Bytes, share: Share) -> Bytes {
    struct Kept(
        Bytes,
        #[expect(dead_code, reason = "held until the bytes go")] Share,
    );
    impl AsRef<[u8]> for Kept {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    let erased = erasable(bytes);
    if share.is_empty() {
        erased
    } else {
        Bytes::from_owner(Kept(erased, share))
    }
}

/// Reads a body to its end, but no more than `limit` bytes.
pub async fn collect<B>(body: B, limit: usize) -> Result<Bytes, BodyError>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    gather(body, limit, |_| true).await
}

/// Reads a body to its end, but no more than `limit` bytes, and no more than `free` without a share
/// of a budget for the rest.
pub async fn collect_within<B>(
    body: B,
    limit: usize,
    free: usize,
    share: &mut Share,
) -> Result<Bytes, BodyError>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    gather(body, limit, |bytes| {
        share.grow_to(bytes.saturating_sub(free))
    })
    .await
}

/// Reads a body; `has_room` is asked for each size that it grows to.
async fn gather<B>(
    mut body: B,
    limit: usize,
    mut has_room: impl FnMut(usize) -> bool,
) -> Result<Bytes, BodyError>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if body.size_hint().lower() > limit as u64 {
        let read = Bytes::new();
        return Err(BodyError::TooLarge { limit, read });
    }
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(data) = frame.map_err(BodyError::cut)?.into_data() else {
            continue;
        };
        let size = first.len() + whole.len() + data.len();
        match (first.is_empty(), whole.is_empty()) {
            (true, true) => first = data,
            (false, true) => {
                whole.reserve(first.len() + data.len());
                whole.extend_from_slice(&std::mem::take(&mut first));
                whole.extend_from_slice(&data);
            }
            (_, false) => whole.extend_from_slice(&data),
        }
        if size > limit {
            let read = either(first, whole);
            return Err(BodyError::TooLarge { limit, read });
        }
        if !has_room(size) {
            let read = either(first, whole);
            return Err(BodyError::NoRoom { read });
        }
    }
    Ok(either(first, whole))
}

fn either(first: Bytes, whole: BytesMut) -> Bytes {
    if whole.is_empty() {
        first
    } else {
        whole.freeze()
    }
}
