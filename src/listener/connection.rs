//! The task of one connection: it drives hyper, keeps the deadlines that hyper does not have, and
//! goes on after hyper until every answer's verdict is known.
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::FutureExt;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::{Sleep, sleep_until};
use tracing::debug;

use super::answer::Attended;
use super::config::Config;
use super::line::{Line, Speech};
use super::metrics::{Counted, Why};
use super::parking::{Answer, Manner, Place, Reply};
use super::rewound::Rewound;
use super::scrutiny::{Part, Scrutiny};
use super::tls::Failure;
use super::watch::Overdue;
use crate::drain::Reaching;
use crate::timing::{Moment, on_grid};

/// How long a client may go on sending after our FIN, so that its last bytes do not turn the close
/// into a reset (RFC 9112 §9.6).
const LINGER: Duration = Duration::from_secs(1);
/// How long an answer that was given when the drain ended may take to leave.
const LAST_WRITES: Duration = Duration::from_secs(2);
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

/// Why hyper is left.
enum End {
    /// hyper is done with the connection.
    Served(Result<(), hyper::Error>),
    /// The deadline passed.
    Overdue(Overdue),
    /// The connection is broken.
    Broken,
    /// The drain is over, and the last writes had their time.
    Stopped,
}

/// Serves one connection over `io`, which ends in `line`'s socket, until all is settled.
pub(super) async fn serve<I, S>(served: Served<I, S>, line: Arc<Line>)
where
    I: Speech,
    S: Service<Request<Incoming>, Response: Into<Reply>, Error = Infallible>,
{
    let terms = line.terms();
    let attendant = &mut Attendant {
        line: &line,
        alarm: pin!(sleep_until(terms.clock.instant(Moment::START))),
        armed: None,
        broken: pin!(line.broken()),
        parts: false,
        stop: pin!(terms.parting()),
        last: None,
        late: None,
    };
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
    place: Place,
    scrutiny: Scrutiny,
}

impl<I, S> Served<I, S>
where
    I: Speech,
    S: Service<Request<Incoming>, Response: Into<Reply>, Error = Infallible>,
{
    /// hyper on a fresh connection.
    pub(super) fn new(io: I, line: &Arc<Line>, service: S) -> Self {
        let (place, scrutiny) = (Place::default(), Scrutiny::default());
        let io = TokioIo::new(Rewound::new(io, scrutiny.clone()));
        let service = Attended::new(service, Arc::clone(line), place.clone(), scrutiny.clone());
        Self {
            hyper: Box::pin(line.terms().http.serve_connection(io, service)),
            place,
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

/// Says last words to a client that is not served, and lets it take them for [`LINGER`].
pub(super) async fn dismiss(line: &Line, words: &[u8]) {
    let clock = line.terms().clock;
    let taken = async {
        line.tell(words).await;
        poll_fn(|context| line.poll_discard(context)).await;
    };
    tokio::select! {
        () = taken => {}
        () = clock.sleep_until(clock.now() + LINGER) => {}
    }
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
        place,
        scrutiny,
    } = served;
    loop {
        let manner = match drive(hyper.as_mut(), &place, &scrutiny, attendant).await {
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
        match attendant.hold(&place).await {
            Ok(answer) => place.put(answer),
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
    place: &Place,
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
                && let Some(manner) = place.parks()
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

/// What else than hyper moves a connection.
struct Attendant<'a, 'l, B> {
    line: &'l Line,
    /// One timer for every deadline. It is moved forward only: one that goes off early costs a
    /// look, and moving it at every request would cost more.
    alarm: Pin<&'a mut Sleep>,
    armed: Option<Moment>,
    broken: Pin<&'a mut B>,
    parts: bool,
    /// The time to part, and then the drain's end.
    stop: Pin<&'a mut Reaching<'l>>,
    /// Once the drain is over: until when the last answers may be written.
    last: Option<Moment>,
    /// Set where it was there before the drain and is served as one that came late.
    late: Option<Counted>,
}

enum Notice {
    Parting,
    Broken,
    Overdue(Overdue),
    Stopped,
    Elapsed,
}

impl Notice {
    /// The end that it means for the connection; `None` while the connection goes on.
    const fn end(self) -> Option<End> {
        match self {
            Self::Parting => None,
            Self::Broken => Some(End::Broken),
            Self::Overdue(deadline) => Some(End::Overdue(deadline)),
            Self::Stopped | Self::Elapsed => Some(End::Stopped),
        }
    }
}

impl<B: Future<Output = ()>> Attendant<'_, '_, B> {
    /// Settles what is decided; ready with what the connection has to know. `until` is a moment
    /// that the caller waits for besides.
    fn poll(&mut self, context: &mut Context<'_>, until: Option<Moment>) -> Poll<Notice> {
        let clock = self.line.terms().clock;
        loop {
            if self.line.is_broken() || self.broken.as_mut().poll(context).is_ready() {
                return Poll::Ready(Notice::Broken);
            }
            if self.last.is_none() && self.stop.as_mut().poll(context).is_ready() {
                if self.parts {
                    self.last = Some(clock.now() + LAST_WRITES);
                } else {
                    self.parts = true;
                    self.stop.set(self.line.terms().drain.ended());
                    return Poll::Ready(Notice::Parting);
                }
            }
            self.line.settle(self.last.is_some());
            let now = clock.now();
            if self.line.is_broken() {
                return Poll::Ready(Notice::Broken);
            }
            if let Some(deadline) = self.line.overdue(now) {
                return Poll::Ready(Notice::Overdue(deadline));
            }
            if self.last.is_some_and(|last| last <= now) {
                return Poll::Ready(Notice::Stopped);
            }
            if until.is_some_and(|until| until <= now) {
                return Poll::Ready(Notice::Elapsed);
            }
            let wake = [self.line.wake(), self.last, until]
                .into_iter()
                .flatten()
                .min();
            ready!(self.poll_alarm(context, wake));
        }
    }

    /// Who is about to ask when the drain begins has its answer first, as who comes later does. A
    /// connection may be closed at any time (RFC 9112 §9.5), but a client that hears nothing of its
    /// payment cannot know that nothing was submitted. Where the socket has no room hyper may hold the
    /// rest of an answer, and stays.
    fn becomes_late(&mut self, part: Part) -> bool {
        let terms = self.line.terms();
        let has_written = !self.line.is_stalled();
        let becomes = has_written && !terms.drain.is_over() && self.line.is_about_to_ask(part);
        if becomes {
            self.parts = false;
            self.late = Some(terms.metrics.late());
        }
        becomes
    }

    fn poll_alarm(&mut self, context: &mut Context<'_>, wake: Option<Moment>) -> Poll<()> {
        let wake = wake.map(on_grid);
        if let Some(wake) = wake
            && self.armed.is_none_or(|armed| wake < armed)
        {
            let instant = self.line.terms().clock.instant(wake);
            self.alarm.as_mut().reset(instant);
            self.armed = Some(wake);
        }
        if self.armed.is_none() {
            return Poll::Pending;
        }
        ready!(self.alarm.as_mut().poll(context));
        self.armed = None;
        Poll::Ready(())
    }

    /// Waits for a held request's answer, with no hyper.
    async fn hold(&mut self, place: &Place) -> Result<Answer, End> {
        poll_fn(|context| {
            loop {
                if let Poll::Ready(answer) = place.poll(context) {
                    return Poll::Ready(Ok(answer));
                }
                if let Some(end) = ready!(self.poll(context, None)).end() {
                    return Poll::Ready(Err(end));
                }
            }
        })
        .await
    }

    /// Parts from the client once hyper is gone. Says why what is left then stays undecided.
    async fn part(&mut self, goodbye: &[u8]) -> Why {
        self.line.serves_no_more();
        if !goodbye.is_empty()
            && let Some(why) = self.hold_goodbye().await
        {
            return why;
        }
        self.line.finish(goodbye);
        self.linger().await
    }

    /// Waits until it is time for the goodbye; some if it will never be.
    async fn hold_goodbye(&mut self) -> Option<Why> {
        let terms = self.line.terms();
        let mut until = None;
        poll_fn(|context| {
            loop {
                // Its end and its reset are looked out for, and what it says is of no use.
                let _ = self.line.poll_discard(context);
                let held = self.line.holds_goodbye();
                let pause = || Some(terms.clock.now() + terms.config.goodbye);
                until = if held { None } else { until.or_else(pause) };
                let notice = match self.poll(context, until) {
                    Poll::Ready(notice) => notice,
                    Poll::Pending if self.line.holds_goodbye() == held => return Poll::Pending,
                    Poll::Pending => continue,
                };
                return Poll::Ready(match notice {
                    Notice::Parting => continue,
                    Notice::Elapsed => None,
                    Notice::Broken => Some(Why::Reset),
                    Notice::Overdue(_) => Some(Why::Deadline),
                    Notice::Stopped => Some(Why::Stopped),
                });
            }
        })
        .await
    }

    /// Reads on until the client's own end or for [`LINGER`], and until no answer is watched any
    /// more.
    async fn linger(&mut self) -> Why {
        let mut until = Some(self.line.terms().clock.now() + LINGER);
        poll_fn(|context| {
            loop {
                let silent = self.line.poll_discard(context).is_ready();
                let notice = self.poll(context, until);
                if (silent || until.is_none()) && !self.line.may_still_tell() {
                    return Poll::Ready(Why::Unproven);
                }
                match ready!(notice) {
                    Notice::Parting => {}
                    Notice::Elapsed => until = None,
                    Notice::Broken => return Poll::Ready(Why::Reset),
                    Notice::Overdue(_) => return Poll::Ready(Why::Deadline),
                    Notice::Stopped => return Poll::Ready(Why::Stopped),
                }
            }
        })
        .await
    }
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
