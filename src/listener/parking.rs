//! Parking: a request that only waits keeps its socket and nothing of hyper's, which reserves 8 KiB
//! to read and 8 KiB to write a connection. hyper is taken apart meanwhile, and the answer is given
//! through a fresh one, which reads a head that stands for the request's.
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use http::header::CONNECTION;
use http::{Method, Request, Response, Version};
use http_body::Body as HttpBody;
use hyper::body::Incoming;

use super::receipt::Receipt;
use crate::message::Body;
use crate::message::fields::elements;

type Awaited = Pin<Box<dyn Future<Output = Delivery> + Send>>;

/// An answer, and who is told whether it reached its reader.
pub struct Delivery {
    /// The answer.
    pub response: Response<Body>,
    /// Settled by the listener.
    pub receipt: Option<Receipt>,
}

/// What a service gives for a request.
pub enum Reply {
    /// The answer.
    Now(Delivery),
    /// The promise of one: [`Reply::later`].
    Later(Later),
}

/// An answer that is yet to come.
pub struct Later {
    body: Incoming,
    answer: Awaited,
}

impl Reply {
    /// Promises an answer. The connection is parked until it is there, if `body`, which is the
    /// request's own, was read whole. What `answer` holds is all that a held request costs beside
    /// its socket, so it should hold nothing of the request's head: that is a part of hyper's
    /// buffer. It is dropped if the client goes away.
    pub fn later(body: Incoming, answer: impl Future<Output = Delivery> + Send + 'static) -> Self {
        let answer = Box::pin(answer);
        Self::Later(Later { body, answer })
    }
}

impl From<Response<Body>> for Delivery {
    fn from(response: Response<Body>) -> Self {
        Self {
            response,
            receipt: None,
        }
    }
}

impl<T: Into<Delivery>> From<T> for Reply {
    fn from(answer: T) -> Self {
        Self::Now(answer.into())
    }
}

/// All of a request's head that decides how hyper writes an answer and what it does after it.
#[derive(Clone, Copy)]
pub(super) struct Manner {
    version: Version,
    persists: bool,
}

impl Manner {
    /// The manner in which a request wants its answer; `None` where its method decides too
    /// (RFC 9110 §9.3.2 and §9.3.6).
    pub(super) fn of<B>(request: &Request<B>) -> Option<Self> {
        if matches!(*request.method(), Method::HEAD | Method::CONNECT) {
            return None;
        }
        let asks = |option: &str| {
            elements(request.headers(), &CONNECTION).any(|given| given.eq_ignore_ascii_case(option))
        };
        let version = request.version();
        // RFC 9112 §9.3.
        let persists = !asks("close") && (version == Version::HTTP_11 || asks("keep-alive"));
        Some(Self { version, persists })
    }

    /// A head that wants its answer in the same manner, or as the connection's last.
    pub(super) const fn head(self, is_last: bool) -> &'static [u8] {
        match (self.version, self.persists && !is_last) {
            (Version::HTTP_10, true) => b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
            (Version::HTTP_10, false) => b"GET / HTTP/1.0\r\n\r\n",
            (_, true) => b"GET / HTTP/1.1\r\n\r\n",
            (_, false) => b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n",
        }
    }
}

/// A connection's slot for the answer that it waits for; hyper's side and the connection's task
/// share it, and whichever is there polls the answer.
#[derive(Clone, Default)]
pub(super) struct AnswerSlot(Arc<Mutex<Option<Waiting>>>);

/// An answer that is waited for.
struct Waiting {
    answer: Awaited,
    /// `None` if only the hyper connection that read the request can answer it.
    manner: Option<Manner>,
}

impl AnswerSlot {
    fn lock(&self) -> MutexGuard<'_, Option<Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to wait. `manner` is the request's, where a fresh hyper connection can take it up.
    pub(super) fn wait(&self, later: Later, manner: Option<Manner>) {
        // True once every byte of the declared length came: hyper stands between two messages,
        // and what it has read beyond is the next one. It is never true of a chunked body. That
        // is as well: after one that declared a length besides, the connection must end
        // (RFC 9112 §6.1), and hyper takes that length out and alone knows of it.
        let is_whole = later.body.is_end_stream();
        *self.lock() = Some(Waiting {
            answer: later.answer,
            manner: manner.filter(|_| is_whole),
        });
    }

    /// Puts an answer there that is waited for no longer.
    pub(super) fn put(&self, answer: Delivery) {
        *self.lock() = Some(Waiting {
            answer: Box::pin(ready(answer)),
            manner: None,
        });
    }

    pub(super) fn is_taken(&self) -> bool {
        self.lock().is_some()
    }

    /// The manner in which an answer is wanted that can be waited for without hyper.
    pub(super) fn parks(&self) -> Option<Manner> {
        self.lock().as_ref()?.manner
    }

    /// Polls the answer where it lies, and takes it away when it is there.
    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<Delivery> {
        let mut slot = self.lock();
        let Some(waiting) = slot.as_mut() else {
            return Poll::Pending;
        };
        let answer = ready!(waiting.answer.as_mut().poll(context));
        *slot = None;
        Poll::Ready(answer)
    }
}
