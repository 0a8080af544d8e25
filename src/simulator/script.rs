//! What is done with a connection that a fault has taken from the HTTP server: bytes, pauses, and
//! an end.
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::task::InFlight;

/// The service's error by which hyper gives the connection up; what then happens to it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the simulated gateway takes the connection over")]
pub(super) struct Takeover {
    pub(super) steps: Vec<Step>,
    pub(super) end: End,
    /// Keeps the poll counted as in flight for as long as its connection is busy with it.
    pub(super) in_flight: Option<Arc<InFlight>>,
}

/// One thing done with the connection.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Bytes, at once.
    Write(Bytes),
    /// Bytes, one at a time.
    Drip(Bytes, Duration),
    /// Nothing for so long.
    Wait(Duration),
    /// Nothing until the peer closes.
    UntilClosed,
}

/// How the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// In order.
    Close,
    /// By a reset, where the transport has one.
    Reset,
}

impl Takeover {
    pub(super) fn closing(steps: Vec<Step>) -> Self {
        Self {
            steps,
            end: End::Close,
            in_flight: None,
        }
    }

    pub(super) fn reset() -> Self {
        Self {
            steps: Vec::new(),
            end: End::Reset,
            in_flight: None,
        }
    }

    /// Does all steps; returns early when the peer goes away.
    pub(super) async fn play<IO>(&self, io: &mut IO)
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        for step in &self.steps {
            if !play_step(step, io).await {
                return;
            }
        }
    }
}

/// False if the peer went away.
async fn play_step<IO>(step: &Step, io: &mut IO) -> bool
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    match step {
        Step::Write(bytes) => written(bytes, io).await,
        Step::Drip(bytes, every) => {
            for byte in bytes.chunks(1) {
                if !(waited(*every, io).await && written(byte, io).await) {
                    return false;
                }
            }
            true
        }
        Step::Wait(span) => waited(*span, io).await,
        Step::UntilClosed => {
            closed(io).await;
            false
        }
    }
}

async fn written<IO: AsyncWrite + Unpin>(bytes: &[u8], io: &mut IO) -> bool {
    io.write_all(bytes).await.is_ok() && io.flush().await.is_ok()
}

async fn waited<IO: AsyncRead + Unpin>(span: Duration, io: &mut IO) -> bool {
    tokio::select! {
        () = tokio::time::sleep(span) => true,
        () = closed(io) => false,
    }
}

/// Returns when the peer has closed; what it still sends is dropped.
async fn closed<IO: AsyncRead + Unpin>(io: &mut IO) {
    let mut scrap = [0; 1024];
    while matches!(io.read(&mut scrap).await, Ok(count) if count > 0) {}
}
