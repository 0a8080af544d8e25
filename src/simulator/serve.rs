//! Connections: hyper serves them, until a fault takes one over and plays its own bytes.
use std::error::Error as _;
use std::future::poll_fn;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::gateway::Gateway;
use super::script::{End, Takeover};
use super::service;
use super::wire::{Drawn, Wire};
use crate::drain::Drain;

impl Gateway {
    /// Accepts connections until the drain begins; those that are open may end until it is over.
    pub async fn serve(&self, listener: TcpListener, drain: Drain) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = drain.begun() => return,
            };
            // A connection that died before it was accepted is none of ours.
            let Ok((stream, _)) = accepted else { continue };
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "failed to switch Nagle's algorithm off");
            }
            let (gateway, until) = (self.clone(), drain.clone());
            drain.spawn(async move {
                let ended = until.clone();
                tokio::select! {
                    () = connection(gateway, stream, reset, until) => {}
                    () = ended.ended() => {}
                }
            });
        }
    }

    /// Serves one connection of any transport to its end. A reset is a close here.
    pub async fn serve_stream<IO>(&self, io: IO)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        connection(self.clone(), io, |_| {}, Drain::new()).await;
    }
}

/// Makes the stream's end a reset.
fn reset(stream: &TcpStream) {
    if let Err(error) = stream.set_zero_linger() {
        tracing::debug!(%error, "failed to make the connection's end a reset");
    }
}

async fn connection<IO>(gateway: Gateway, io: IO, reset: fn(&IO), drain: Drain)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    gateway.state().ledger.connections += 1;
    let words = Drawn::default();
    let wire = Wire::new(io, gateway.clone(), words.clone());
    let handled = gateway.clone();
    // Boxed, for hyper gives the connection back only if the service's future can be moved.
    let service = service_fn(move |request: Request<Incoming>| {
        Box::pin(service::serve(handled.clone(), request, words.clone()))
    });
    let mut connection = http1::Builder::new()
        .auto_date_header(false)
        .serve_connection(TokioIo::new(wire), service);
    let mut told = false;
    let served = loop {
        tokio::select! {
            served = poll_fn(|context| connection.poll_without_shutdown(context)) => break served,
            () = drain.begun(), if !told => {
                told = true;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    let mut wire = connection.into_parts().io.into_inner();
    let takeover = served
        .as_ref()
        .err()
        .and_then(|error| error.source()?.downcast_ref::<Takeover>());
    if wire.struck {
        gateway.state().ledger.resets += 1;
        reset(wire.transport());
    } else if let Some(takeover) = takeover {
        takeover.play(&mut wire).await;
        if takeover.end == End::Reset {
            gateway.state().ledger.resets += 1;
            reset(wire.transport());
        }
    }
    if !wire.struck && takeover.is_none_or(|takeover| takeover.end == End::Close) {
        // The peer may have closed first; then there is nothing left to say.
        let _already_gone = wire.shutdown().await;
    }
}
