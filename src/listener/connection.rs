//! The task of one connection: it drives hyper, with an attendant for the deadlines that hyper does not
//! have, and goes on after hyper until every answer's verdict is known.
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};

use futures_util::FutureExt;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::sleep_until;
use tracing::debug;

use super::answer::Attended;
use super::attendant::{Attendant, End};
use super::config::Config;
use super::line::{Line, Speech};
use super::metrics::Why;
use super::parking::{AnswerSlot, Manner, Reply};
use super::rewound::Rewound;
use super::scrutiny::Scrutiny;
use super::tls::Failure;
use super::watch::Overdue;
use crate::timing::Moment;

/// The least that hyper allows for its buffers.
const LEAST_BUFFER: usize = 8192;
/// The answer to a head that took too long, as bare as hyper's own answers to broken ones.
const FIELDS_TIMED_OUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
/// The answer to HTTP/2, which hyper only tells of: its client reads no words of HTTP/1.
const UNKNOWN_VERSION: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
/// How many fields hyper takes without an allocation for each request.
const FIELDS_ON_STACK: usize = 100;

/// What hyper is taken apart for, while the connection goes on.
enum Turn {
    /// A request is held that can wait without it.
    Hold(Manner),
    /// The client is served as one that came late.
    Late,
}

/// Serves one connection over `io`, which ends in `line`'s socket, until all is settled.
pub(super) async fn serve<I, S>(served: Served<I, S>, line: Arc<Line>)
where
    I: Speech,
    S: Service<Request<Incoming>, Response: Into<Reply>, Error = Infallible>,
{
    let terms = line.terms();
    let alarm = pin!(sleep_until(terms.clock.instant(Moment::START)));
    let (broken, stop) = (pin!(line.broken()), pin!(terms.parting()));
    let attendant = &mut Attendant::new(&line, alarm, broken, stop);
    let (end, goodbye) = speak(served, attendant).await;
    let why = match end {
        End::Served(result) => {
            if let Err(error) = result {
                debug!(%error, client = %line.peer(), "a connection ended early");
            }
            attendant.part(&goodbye).await
        }
        End::Overdue(Overdue::Request | Overdue::Fields) => attendant.part(&goodbye).await,
        End::Overdue(Overdue::Write) => {
            line.reset_on_close();
            Why::Deadline
        }
        End::Broken => Why::Reset,
        End::Stopped => {
            line.reset_on_close();
            Why::Stopped
        }
    };
    line.abandon(why);
}

/// A connection as hyper serves it, and where its answers are waited for.
pub(super) struct Served<I, S>
where
    S: Service<Request<Incoming>, Response: Into<Reply>, Error = Infallible>,
{
    /// Boxed, so that it is gone while an answer is waited for or watched.
    hyper: Pin<Box<Hyper<I, S>>>,
    slot: AnswerSlot,
    scrutiny: Scrutiny,
}

impl<I, S> Served<I, S>
where
    I: Speech,
    S: Service<Request<Incoming>, Response: Into<Reply>, Error = Infallible>,
{
    /// hyper on a fresh connection.
    pub(super) fn new(io: I, line: &Arc<Line>, service: S) -> Self {
        let (slot, scrutiny) = (AnswerSlot::default(), Scrutiny::default());
        let io = TokioIo::new(Rewound::new(io, scrutiny.clone()));
        let service = Attended::new(service, Arc::clone(line), slot.clone(), scrutiny.clone());
        Self {
            hyper: Box::pin(line.terms().http.serve_connection(io, service)),
            slot,
            scrutiny,
        }
    }
}

/// hyper's settings for one connection. Its own deadline for fields counts the idle time of a
/// kept-alive connection too, so that one stays off and [`super::watch`] keeps both apart. A late
/// connection has one request.
pub(super) fn http(config: &Config, is_late: bool) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.half_close(true)
        .keep_alive(!is_late)
        .header_read_timeout(None)
        .max_header_size(config.max_fields_size)
        .max_buf_size(config.max_fields_size.max(LEAST_BUFFER));
    if config.max_fields != FIELDS_ON_STACK {
        http.max_headers(config.max_fields);
    }
    http
}

type Hyper<I, S> = http1::Connection<TokioIo<Rewound<I>>, Attended<S>>;

/// Serves a connection through one hyper after the other: each goes when a request is held, and
/// another one comes with its answer. Returns with the goodbye, for which it may not be the time.
async fn speak<I, S>(
    served: Served<I, S>,
    attendant: &mut Attendant<'_, '_, impl Future<Output = ()>>,
) -> (End, Vec<u8>)
where
    I: Speech,
    S: Service<Request<Incoming>, Response: Into<Reply>, Error = Infallible>,
{
    let terms = attendant.line.terms();
    let Served {
        mut hyper,
        slot,
        scrutiny,
    } = served;
    loop {
        let manner = match drive(hyper.as_mut(), &slot, &scrutiny, attendant).await {
            Ok(Turn::Hold(manner)) => manner,
            Ok(Turn::Late) => {
                let (io, service) = take_apart(hyper);
                let late = http(&terms.config, true);
                hyper = Box::pin(late.serve_connection(TokioIo::new(io), service));
                continue;
            }
            Err(end) => {
                let (mut io, _) = take_apart(hyper);
                match &end {
                    End::Overdue(Overdue::Fields) => tell(&mut io, FIELDS_TIMED_OUT),
                    End::Served(Err(error)) if error.is_parse_version_h2() => {
                        attendant.line.fails(Failure::Http2);
                        tell(&mut io, UNKNOWN_VERSION);
                    }
                    End::Served(_) | End::Overdue(_) | End::Broken | End::Stopped => {}
                }
                return (end, io.goodbye());
            }
        };
        let (mut io, service) = take_apart(hyper);
        let counted = terms.metrics.parked();
        match attendant.hold(&slot).await {
            Ok(answer) => slot.put(answer),
            Err(end) => return (end, io.goodbye()),
        }
        drop(counted);
        io.put_back(manner.head(terms.drain.is_draining()));
        hyper = Box::pin(terms.http.serve_connection(TokioIo::new(io), service));
    }
}

/// Tells a client why its request is not even read, if there is room for the words: no answer is on
/// its way while fields are read.
fn tell(io: &mut (impl AsyncWrite + Unpin), words: &[u8]) {
    let told = async {
        io.write_all(words).await?;
        io.flush().await
    };
    // It is closed either way.
    let _ = told.now_or_never();
}

/// Keeps of hyper the socket, and what the client sent beyond its request.
fn take_apart<I, S>(hyper: Pin<Box<Hyper<I, S>>>) -> (Rewound<I>, Attended<S>)
where
    I: Speech,
    S: Service<Request<Incoming>, Response: Into<Reply>, Error = Infallible>,
{
    let parts = Pin::into_inner(hyper).into_parts();
    let mut io = parts.io.into_inner();
    io.put_back(&parts.read_buf);
    (io, parts.service)
}

/// Drives hyper until it is to be taken apart, is done, or has to be left.
async fn drive<I, S>(
    mut hyper: Pin<&mut Hyper<I, S>>,
    slot: &AnswerSlot,
    scrutiny: &Scrutiny,
    attendant: &mut Attendant<'_, '_, impl Future<Output = ()>>,
) -> Result<Turn, End>
where
    I: Speech,
    S: Service<Request<Incoming>, Response: Into<Reply>, Error = Infallible>,
{
    poll_fn(|context| {
        loop {
            if let Poll::Ready(result) = hyper.as_mut().poll(context) {
                return Poll::Ready(Err(End::Served(result)));
            }
            // hyper flushes at the end of each turn: its buffer is empty, unless the socket has
            // no room for an interim answer (RFC 9110 §15.2.1).
            if !attendant.line.is_stalled()
                && let Some(manner) = slot.parks()
            {
                return Poll::Ready(Ok(Turn::Hold(manner)));
            }
            match ready!(attendant.poll(context, None)).end() {
                Some(end) => return Poll::Ready(Err(end)),
                None if attendant.becomes_late(scrutiny.part()) => {
                    return Poll::Ready(Ok(Turn::Late));
                }
                None => hyper.as_mut().graceful_shutdown(),
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use http::Response;
    use hyper::service::service_fn;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::drain::Drain;
    use crate::listener::{Evidence, Metrics, Server};
    use crate::live::Live;
    use crate::message::Body;
    use crate::timing::Clock;

    /// Thousands of connections are held at once, each for minutes.
    #[tokio::test]
    async fn the_task_of_a_connection_is_small() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let server = Server {
            config: Live::new(Config::default()),
            clock: Clock::start(),
            drain: Drain::new(),
            metrics: Metrics::default(),
            evidence: Evidence::Portable,
            tls: None,
        };
        let peer = listener.local_addr().unwrap();
        let line = Line::open(stream, peer, Arc::new(server.terms(&Arc::default())));
        let service = service_fn(async |_| Ok::<_, Infallible>(Response::new(Body::empty())));
        let served = Served::new(line.wire(), &line, service);
        let task = serve(served, Arc::clone(&line));
        assert!(size_of_val(&task) <= 712, "{} bytes", size_of_val(&task));
        assert!(size_of_val(&*line) <= 168, "{} bytes", size_of_val(&*line));
    }
}
