//! HTTP/2 connections to the gateway: one or two, each shared by many requests and driven by a task.
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use futures_util::FutureExt;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;

use super::connector::{self, Connected};
use super::http1::Unanswered;
use super::metrics::Open;
use super::{Error, Sent, diagnosis};
use crate::drain::Drain;
use crate::live::{Bound, Permit};
use crate::message::Body;

/// The largest list of an answer's fields (`SETTINGS_MAX_HEADER_LIST_SIZE`, RFC 9113 §6.5.2): as
/// large as a head over HTTP/1.1 may be.
const MAX_FIELDS_SIZE: u32 = 64 * 1024;

/// What may lie unread of one answer (RFC 9113 §5.2). A relayed one is read as fast as its client reads, and
/// what lies unread must leave room for the answers to polls.
const UNREAD: u32 = 128 * 1024;
/// So many more answers than are relayed have room on a connection.
const ROOM: usize = 64;
/// The largest window there is holds no more (RFC 9113 §6.9.1).
const MOST_ANSWERS: u32 = i32::MAX as u32 / UNREAD;

/// The number of streams that a peer should allow at least (RFC 9113 §6.5.2).
const USUAL_STREAMS: usize = 100;

/// A shared connection.
#[derive(Clone)]
pub(super) struct Http2 {
    sender: SendRequest<Body>,
    /// Its task's own; it knows what the peer allows.
    connection: Weak<Mutex<Connection>>,
    /// As many as the peer allows streams. Cloned into every stream and into what waits for one, so its count
    /// says how many there are; its address tells this connection from others.
    streams: Arc<Bound>,
}

type Connection = http2::Connection<TokioIo<connector::Stream>, Body, OnDrain>;

/// One request's part of a shared connection.
pub(super) struct Stream {
    http2: Http2,
    _permit: Permit,
}

/// Spawns hyper's tasks where the drain waits for them.
#[derive(Clone)]
struct OnDrain(Drain);

impl<F> Executor<F> for OnDrain
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, task: F) {
        drop(self.0.spawn(task));
    }
}

impl Http2 {
    /// Readies HTTP/2 on a stream, for so many `relays` at once. The connection's task ends with the
    /// connection, with the last handle on it, or with the drain.
    pub(super) async fn open(
        connected: Connected,
        open: Open,
        relays: usize,
        drain: &Drain,
    ) -> Result<Self, Error> {
        let answers = u32::try_from(relays + ROOM).unwrap_or(MOST_ANSWERS);
        let (sender, connection) = http2::Builder::new(OnDrain(drain.clone()))
            .initial_stream_window_size(UNREAD)
            .initial_connection_window_size(UNREAD * answers.min(MOST_ANSWERS))
            .max_header_list_size(MAX_FIELDS_SIZE)
            .handshake(TokioIo::new(connected.stream))
            .await
            .map_err(|error| diagnosis::of_hyper(&error, Sent::Never))?;
        let streams = Arc::new(Bound::new(connection.current_max_send_streams()));
        let waited_for = Arc::downgrade(&streams);
        let driven = Arc::new(Mutex::new(connection));
        let connection = Arc::downgrade(&driven);
        let ending = drain.clone();
        drop(drain.spawn(async move {
            let _open = open;
            tokio::select! {
                ended = poll_fn(|context| locked(&driven).poll_unpin(context)) => if let Err(error) = ended {
                    tracing::debug!(%error, "an HTTP/2 connection to the gateway ended");
                },
                () = ending.ended() => {}
            }
            drop(driven);
            // Who waits for a stream of it finds that it is closed, and goes elsewhere.
            if let Some(streams) = waited_for.upgrade() {
                streams.resize(usize::MAX);
            }
        }));
        Ok(Self {
            sender,
            connection,
            streams,
        })
    }

    /// True once no request can be sent any more.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// How many requests it carries or is to carry; the pool's own handle is not counted.
    pub(super) fn load(&self) -> usize {
        Arc::strong_count(&self.streams).saturating_sub(1)
    }

    /// True if a further request may have to wait for another's end.
    pub(super) fn is_busy(&self) -> bool {
        self.load() >= self.allowed().min(USUAL_STREAMS)
    }

    /// A place for each stream that the peer allows now. What is over that would wait in hyper, and leave
    /// however little of its time is left.
    pub(super) fn places(&self) -> &Bound {
        self.streams.resize(self.allowed());
        &self.streams
    }

    /// How many streams the peer allows at once. One that has ended takes any number, and sends none.
    fn allowed(&self) -> usize {
        let connection = self.connection.upgrade();
        connection.map_or(USUAL_STREAMS, |it| locked(&it).current_max_send_streams())
    }

    /// True if both are handles on the same connection.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.streams, &other.streams)
    }

    /// A part of the connection for one request.
    pub(super) const fn stream(self, permit: Permit) -> Stream {
        Stream {
            http2: self,
            _permit: permit,
        }
    }
}

fn locked(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stream {
    pub(super) fn connection(&self) -> &Http2 {
        &self.http2
    }

    /// Sends a request and returns its answer's fields. Bytes of many requests share the
    /// connection, so only a request that hyper gives back counts as never sent, and one of which
    /// the gateway says that it did nothing with it.
    pub(super) async fn send(
        &mut self,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, Unanswered> {
        let sender = &mut self.http2.sender;
        sender.try_send_request(request).await.map_err(|mut error| {
            let request = error.take_message().map(Box::new);
            let error = if request.is_some() {
                diagnosis::of_hyper(error.error(), Sent::Never)
            } else {
                diagnosis::of_http2(error.error())
            };
            Unanswered { request, error }
        })
    }
}
