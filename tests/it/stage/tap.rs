//! The network between holdline and the simulated gateway: real sockets, with a log of every byte.
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use holdline::drain::Drain;
use holdline::simulator::Gateway;
use holdline::timing::Clock;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use crate::simulated::network::Wire;

type Shared = Arc<Mutex<Wire>>;

/// A gateway behind a socket on which every byte is noted.
pub(crate) struct Tap {
    pub(crate) address: SocketAddr,
    pub(crate) gateway: Gateway,
    wires: Arc<Mutex<Vec<Shared>>>,
}

impl Tap {
    /// Listens for as long as the test's runtime lives.
    pub(crate) async fn before(gateway: Gateway, clock: Clock) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tap = Self {
            address: listener.local_addr().unwrap(),
            gateway: gateway.clone(),
            wires: Arc::default(),
        };
        let (drain, wires) = (Drain::new(), Arc::clone(&tap.wires));
        let tasks = drain.clone();
        drop(tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let wire = Shared::default();
                wires.lock().unwrap().push(Arc::clone(&wire));
                let tapped = Tapped {
                    stream,
                    wire,
                    clock,
                    ended: false,
                };
                let gateway = gateway.clone();
                drop(drain.spawn(async move { gateway.serve_stream(tapped).await }));
            }
        }));
        tap
    }

    /// What went over each connection so far.
    pub(crate) fn wires(&self) -> Vec<Wire> {
        let wires = self.wires.lock().unwrap();
        wires.iter().map(|wire| lock(wire).clone()).collect()
    }
}

fn lock(wire: &Shared) -> std::sync::MutexGuard<'_, Wire> {
    wire.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection that is written down.
struct Tapped {
    stream: TcpStream,
    wire: Shared,
    clock: Clock,
    /// It was closed in order; otherwise its end is a reset.
    ended: bool,
}

impl Drop for Tapped {
    fn drop(&mut self) {
        if !self.ended {
            // The peer may be gone already; then there is nobody to be told.
            let _reset = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Tapped {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let tapped = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut tapped.stream).poll_read(context, buffer))?;
        let read = &buffer.filled()[before..];
        if !read.is_empty() {
            let piece = (tapped.clock.now(), read.to_vec());
            lock(&tapped.wire).up.push(piece);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tapped {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let tapped = self.get_mut();
        // Noted before it leaves: whoever reads it must not be quicker than the log.
        let begun = tapped.clock.now();
        let written = ready!(Pin::new(&mut tapped.stream).poll_write(context, bytes))?;
        lock(&tapped.wire)
            .down
            .push((begun, bytes[..written].to_vec()));
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let tapped = self.get_mut();
        tapped.ended = true;
        Pin::new(&mut tapped.stream).poll_shutdown(context)
    }
}
