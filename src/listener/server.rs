//! Accepts connections, within their limit and until the drain is over. Who comes while it lasts is
//! answered once: it is the service that says what may still be had.
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::Either;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tracing::{error, warn};

use super::config::Config;
use super::connection::{self, Served};
use super::evidence::{Evidence, bound_silence};
use super::line::Line;
use super::metrics::Metrics;
use super::parking::Reply;
use super::tls::{self, Failure, FailureLog, Keyring};
use crate::drain::{Drain, Reaching};
use crate::live::{Bound, Live, Permit};
use crate::telemetry::Seldom;
use crate::timing::Clock;

/// Connections that the kernel finishes before we accept them: bursts of thousands come at once.
/// The kernel caps it (`net.core.somaxconn`).
const BACKLOG: u32 = 16_384;
/// When a silent client is first asked whether it is still there, and then again.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// After a failure to accept that the next try would meet again, as when descriptors are short.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Binds a listening socket; port 0 takes a free one.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // A restarted process must not wait for its predecessor's connections to time out.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A downstream listener.
pub struct Server {
    /// What bounds its connections, each by what is in force when it begins.
    pub config: Live<Config>,
    /// The process's clock.
    pub clock: Clock,
    /// The process's stop; the connections' tasks are spawned on it.
    pub drain: Drain,
    /// What is counted.
    pub metrics: Metrics,
    /// By which rule an answer counts as delivered.
    pub evidence: Evidence,
    /// The certificates, where it speaks TLS.
    pub tls: Option<Keyring>,
}

/// What the connections share that began under one configuration.
pub(super) struct Terms {
    pub(super) config: Arc<Config>,
    pub(super) clock: Clock,
    pub(super) drain: Drain,
    pub(super) metrics: Metrics,
    pub(super) evidence: Evidence,
    pub(super) tls: Option<Keyring>,
    pub(super) failures: Arc<FailureLog>,
    pub(super) http: http1::Builder,
    /// True for connections that were accepted while the drain lasted.
    pub(super) is_late: bool,
}

impl Terms {
    /// Counts and tells that no TLS session came about.
    pub(super) fn fails(&self, failure: Failure, detail: Option<&str>, client: SocketAddr) {
        self.metrics.tls_failed(failure);
        let now = self.clock.now();
        self.failures.tell(failure, detail, client, now);
    }

    /// Returns when the client is to part: nothing more is awaited of it then. Who is there when the
    /// drain begins parts at once, if it is not about to ask, and who comes later has its answer first.
    pub(super) fn parting(&self) -> Reaching<'_> {
        if self.is_late {
            self.drain.ended()
        } else {
            self.drain.begun()
        }
    }
}

impl Server {
    /// Accepts and serves until the drain is over. Returns then, while the connections' tasks end
    /// on the drain's tracker.
    pub async fn run<S>(self, listener: TcpListener, service: S)
    where
        S: Service<Request<Incoming>, Response: Into<Reply>, Error = Infallible>,
        S: Clone + Send + 'static,
        S::Future: Send,
    {
        let mut changes = self.config.changes();
        let failures = Arc::default();
        let mut terms = Arc::new(self.terms(&failures));
        tune(&listener, &terms.config);
        let places = Bound::new(terms.config.connections);
        let (mut begun, mut ended) = (pin!(self.drain.begun()), pin!(self.drain.ended()));
        let (refusals, crowds) = (Seldom::default(), Seldom::default());
        loop {
            if places.free() == 0 {
                tell_crowd(&crowds, &listener, &terms);
            }
            let accepted = tokio::select! {
                biased;
                () = &mut ended => return,
                () = &mut begun, if !terms.is_late => {
                    terms = Arc::new(self.terms(&failures));
                    continue;
                }
                // `self` has the other end, so there is always a next one.
                _ = changes.changed() => {
                    terms = Arc::new(self.terms(&failures));
                    tune(&listener, &terms.config);
                    places.resize(terms.config.connections);
                    continue;
                }
                accepted = accept(&listener, &places) => accepted,
            };
            match accepted {
                Ok((stream, peer, permit)) => {
                    begin(stream, peer, permit, &terms, service.clone());
                }
                Err(error) => {
                    terms.metrics.accept_failed();
                    if !concerns_one_client(&error) {
                        if let Some(before) = refusals.may_tell(terms.clock.now()) {
                            warn!(%error, before, "failed to accept a connection");
                        }
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
    }

    /// What a connection is served by that begins now.
    pub(super) fn terms(&self, failures: &Arc<FailureLog>) -> Terms {
        let config = self.config.now();
        let is_late = self.drain.is_draining();
        Terms {
            http: connection::http(&config, is_late),
            config,
            clock: self.clock,
            drain: self.drain.clone(),
            metrics: self.metrics.clone(),
            evidence: self.evidence,
            tls: self.tls.clone(),
            failures: Arc::clone(failures),
            is_late,
        }
    }
}

/// Sets on the listening socket what every accepted one inherits.
fn tune(listener: &TcpListener, config: &Config) {
    let set = || -> io::Result<()> {
        setsockopt(listener, sockopt::TcpNoDelay, &true)?;
        setsockopt(listener, sockopt::KeepAlive, &true)?;
        bound_silence(listener, KEEPALIVE, config.write_timeout)?;
        Ok(())
    };
    if let Err(error) = set() {
        warn!(%error, "failed to set the options of a listening socket");
    }
}

/// Every place is taken. Who comes now waits in the backlog, and to him it looks as if nobody were there.
fn tell_crowd(crowds: &Seldom, listener: &TcpListener, terms: &Terms) {
    let (Some(before), Ok(address)) = (crowds.may_tell(terms.clock.now()), listener.local_addr())
    else {
        return;
    };
    let connections = terms.config.connections;
    warn!(%address, connections, before, "a listener has all the connections it may have: who comes next waits");
}

/// Waits for a place first: a client without one stays in the backlog and costs nothing.
async fn accept(
    listener: &TcpListener,
    places: &Bound,
) -> io::Result<(TcpStream, SocketAddr, Permit)> {
    let permit = places.take().await;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, permit))
}

fn begin<S>(stream: TcpStream, peer: SocketAddr, permit: Permit, terms: &Arc<Terms>, service: S)
where
    S: Service<Request<Incoming>, Response: Into<Reply>, Error = Infallible>,
    S: Send + 'static,
    S::Future: Send,
{
    let open = terms.metrics.connection(terms.is_late);
    let line = Line::open(stream, peer, Arc::clone(terms));
    // A panic of the service ends this connection and nothing else; it is told here, because
    // nobody waits for the task's own result.
    let task = match terms.tls.clone() {
        None => {
            let served = Served::new(line.wire(), &line, service);
            Either::Left(connection::serve(served, line))
        }
        // Boxed, so that connections without it are no larger.
        Some(keyring) => Either::Right(Box::pin(tls::serve(keyring, line, service))),
    };
    let task = AssertUnwindSafe(task).catch_unwind().map(move |served| {
        if served.is_err() {
            error!(client = %peer, "a connection's task panicked");
        }
        drop((open, permit));
    });
    drop(terms.drain.spawn(task));
}

/// True for failures of the connection that was to be accepted: the next one may be well.
fn concerns_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
