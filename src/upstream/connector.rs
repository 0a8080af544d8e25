//! How a byte stream to the origin is made: name, address, socket, TLS. Proxies named by the
//! environment are not asked.
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{timeout, timeout_at};
use tokio_rustls::client::TlsStream;

use super::metered::{Meter, Metered, Plain};
use super::resolver::Resolver;
use super::tls::{self, Purpose, TlsConfig};
use super::{Cause, Config, Error, Origin, Reach, Sent};
use crate::timing::{Clock, Moment};

/// Keepalive of a socket: a submit's answer is waited for without a deadline, so a peer that
/// vanished must be found otherwise. Interval and count stay the kernel's: to set them would cost
/// every payment two more system calls.
const KEEPALIVE_IDLE_SECONDS: u32 = 15;

/// What hands out pipes in memory.
type Factory = dyn Fn() -> BoxFuture<'static, io::Result<DuplexStream>> + Send + Sync;

/// Makes byte streams to an origin.
#[derive(Clone)]
pub struct Connector {
    way: Way,
    reach: Option<Reach>,
    tls: Option<TlsConfig>,
}

#[derive(Clone)]
enum Way {
    Network(Resolver),
    Memory(Arc<Factory>),
}

/// A stream that is ready for HTTP.
pub(super) struct Connected {
    pub(super) stream: Stream,
    pub(super) meter: Arc<Meter>,
    /// The handshake chose HTTP/2 (RFC 9113 §3.2).
    pub(super) is_http2: bool,
}

impl Connector {
    /// Connects over TCP, with `tls` where the origin asks for it.
    pub fn network(tls: TlsConfig) -> Self {
        Self {
            way: Way::Network(Resolver::default()),
            reach: None,
            tls: Some(tls),
        }
    }

    /// Connects over TCP to origins without TLS; a connection to any other fails.
    pub fn network_without_tls() -> Self {
        Self {
            way: Way::Network(Resolver::default()),
            reach: None,
            tls: None,
        }
    }

    /// Connects over pipes in memory that `factory` hands out, for tests in simulated time.
    /// Without [`Connector::with_tls`] it serves origins without TLS only.
    pub fn memory<F, R>(factory: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = io::Result<DuplexStream>> + Send + 'static,
    {
        Self {
            way: Way::Memory(Arc::new(move || Box::pin(factory()))),
            reach: None,
            tls: None,
        }
    }

    /// The same connector, which shakes hands with `tls` where the origin asks for it.
    pub fn with_tls(self, tls: TlsConfig) -> Self {
        Self {
            tls: Some(tls),
            ..self
        }
    }

    /// The same connector, which goes there for whatever origin it is asked for.
    pub fn by_way_of(self, reach: Option<Reach>) -> Self {
        Self { reach, ..self }
    }

    /// Makes a stream to `origin`, until `deadline` if there is one, and no longer than each step may take
    /// by itself; every error says [`Sent::Never`].
    pub(super) async fn connect(
        &self,
        origin: &Origin,
        purpose: Purpose,
        config: &Config,
        clock: &Clock,
        deadline: Option<Moment>,
    ) -> Result<Connected, Error> {
        let within = |span: Duration| {
            let own = clock.now() + span;
            deadline.map_or(own, |deadline| deadline.min(own))
        };
        let reached = self.reach(origin, within(config.connect_timeout), clock);
        let plain = Metered::new(reached.await?);
        let meter = plain.meter();
        if !origin.is_tls() {
            return Ok(Connected {
                stream: Stream::Plain(plain),
                meter,
                is_http2: false,
            });
        }
        let handshake = || Error::new(Cause::Handshake, Sent::Never);
        let Some(tls) = &self.tls else {
            return Err(handshake().because("no certificates to trust are configured"));
        };
        // Boxed, so that connecting without it takes no more memory.
        let shaken = Box::pin(tls.handshake(purpose, origin.host(), plain));
        let until = within(config.handshake_timeout);
        let stream = timeout_at(clock.instant(until), shaken)
            .await
            .map_err(|_| {
                handshake().because(if deadline == Some(until) {
                    "it was not done when the time of what it was for was over"
                } else {
                    "it took longer than upstream.handshake_timeout"
                })
            })??;
        Ok(Connected {
            is_http2: tls::is_http2(&stream),
            stream: Stream::Tls(Box::new(stream)),
            meter,
        })
    }

    async fn reach(
        &self,
        origin: &Origin,
        deadline: Moment,
        clock: &Clock,
    ) -> Result<Plain, Error> {
        match &self.way {
            Way::Network(resolver) => {
                let target = match &self.reach {
                    Some(reach) => reach.target(origin.port()),
                    None => (origin.host(), origin.port()),
                };
                reach_network(resolver, target, deadline, clock).await
            }
            Way::Memory(factory) => timeout_at(clock.instant(deadline), factory())
                .await
                .map_err(|_| late())?
                .map(Plain::Memory)
                .map_err(|error| refused(&error)),
        }
    }
}

/// Resolves the host and tries its addresses in turn. Each gets an even share of the time
/// that is left, so that one address which swallows packets does not hide the next.
async fn reach_network(
    resolver: &Resolver,
    (host, port): (&str, u16),
    deadline: Moment,
    clock: &Clock,
) -> Result<Plain, Error> {
    let dns = || Error::new(Cause::Dns, Sent::Never);
    let lookup = resolver.resolve(host, port);
    let addresses = timeout_at(clock.instant(deadline), lookup)
        .await
        .map_err(|_| dns().because("no name server answered in time"))?
        .map_err(|error| dns().because(error))?;
    let mut last = dns();
    for (tried, address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let share = deadline.since(clock.now()) / left;
        last = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return tuned(stream).map(Plain::Tcp),
            Ok(Err(error)) => refused(&error),
            Err(_) => late(),
        };
    }
    Err(last)
}

/// Sets what every socket to the gateway has.
fn tuned(stream: TcpStream) -> Result<TcpStream, Error> {
    let set = || -> io::Result<()> {
        stream.set_nodelay(true)?;
        setsockopt(&stream, sockopt::KeepAlive, &true)?;
        setsockopt(&stream, sockopt::TcpKeepIdle, &KEEPALIVE_IDLE_SECONDS)?;
        Ok(())
    };
    set().map_err(|error| refused(&error))?;
    Ok(stream)
}

fn late() -> Error {
    Error::new(Cause::ConnectTimeout, Sent::Never).because("while connecting")
}

/// The cause of a connect's failure: what we lack ourselves is not the gateway's refusal.
fn refused(error: &io::Error) -> Error {
    let errno = error.raw_os_error().map(Errno::from_raw);
    let cause = match errno {
        Some(Errno::EMFILE | Errno::ENFILE | Errno::EADDRNOTAVAIL | Errno::ENOBUFS) => {
            Cause::Exhausted
        }
        Some(Errno::ETIMEDOUT) => Cause::ConnectTimeout,
        Some(_) | None => Cause::Refused,
    };
    Error::new(cause, Sent::Never).because(error)
}

/// A stream with or without TLS.
pub(super) enum Stream {
    Plain(Metered),
    Tls(Box<TlsStream<Metered>>),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_name_that_is_not_resolved_in_time_is_told_as_such() {
        let clock = Clock::start();
        let deadline = clock.now() + Duration::from_secs(3);
        let target = ("gateway.example", 80);
        let reached = reach_network(&Resolver::stuck(), target, deadline, &clock).await;
        let error = reached.err().unwrap();
        assert_eq!((error.cause, error.sent), (Cause::Dns, Sent::Never));
        let told = "the gateway's host name was not resolved: no name server answered in time";
        assert_eq!(error.to_string(), told);
        assert!(clock.now() >= deadline);
    }
}
