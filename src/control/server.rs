//! The listener: one question a connection, from this user or root alone.
use std::io;
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::Uid;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::mpsc;

use super::{Desk, End, Reply, Socket};
use crate::drain::Drain;
use crate::telemetry::with_causes;

/// The longest question.
const LONGEST: u64 = 8 * 1024;

/// How long a question may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long each part of an answer may take to leave: behind a pager somebody reads.
const PATIENCE_WITH_READERS: Duration = Duration::from_mins(10);

/// How often whoever asked is told, by a space before the next line, that the answer is being made.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// Lines of an answer that are ready before the one that is on its way.
const AHEAD: usize = 64;

/// How long nothing is accepted after the system refused to.
const AFTER_REFUSAL: Duration = Duration::from_millis(100);

/// How often it is looked whether the socket's file is there.
const LOOK: Duration = Duration::from_secs(1);

/// Answers whoever asks, until the drain is over.
pub async fn serve(mut socket: Socket, desk: Desk, drain: Drain) {
    tracing::info!(path = %socket.path().display(), "listening for the operator's commands");
    let mut look = tokio::time::interval(LOOK);
    let mut is_lost = false;
    loop {
        let accepted = tokio::select! {
            accepted = socket.listener.accept() => accepted,
            _ = look.tick() => {
                is_lost = mend(&mut socket, is_lost);
                continue;
            }
            () = drain.ended() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let desk = desk.clone();
                drop(drain.spawn(async move {
                    if let Err(error) = converse(stream, &desk).await {
                        tracing::debug!(%error, "a question over the control socket had no answer");
                    }
                }));
            }
            Err(error) => {
                tracing::warn!(%error, "failed to accept on the control socket");
                tokio::time::sleep(AFTER_REFUSAL).await;
            }
        }
    }
}

/// Makes the socket's file again where it was removed. True if that failed, of which only the first
/// time is told.
fn mend(socket: &mut Socket, has_failed: bool) -> bool {
    let path = socket.path().to_owned();
    let path = path.display();
    match socket.mend() {
        Ok(false) => false,
        Ok(true) => {
            tracing::warn!(%path, "the control socket's file was removed, and is made again");
            false
        }
        Err(error) => {
            if !has_failed {
                let error = with_causes(&error);
                tracing::error!(%path, error, "the control socket is lost: commands reach this process when it can be made again");
            }
            true
        }
    }
}

async fn converse(stream: UnixStream, desk: &Desk) -> io::Result<()> {
    let peer = Uid::from_raw(getsockopt(&stream, PeerCredentials)?.uid());
    if peer != Uid::effective() && !peer.is_root() {
        // The socket's mode keeps others out; this holds where someone changed it.
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let (reading, mut writing) = stream.into_split();
    let mut line = String::new();
    let mut reading = BufReader::new(reading.take(LONGEST));
    in_time(PATIENCE, reading.read_line(&mut line)).await?;
    let (tell, mut told) = mpsc::channel(AHEAD);
    let answering = async move {
        let Ok(ask) = serde_json::from_str(&line) else {
            return Ok(Err(
                "the question is none that this version knows".to_owned()
            ));
        };
        Ok(desk.answer(ask, &tell).await)
    };
    let sending = async {
        loop {
            match tokio::time::timeout(SIGN_OF_LIFE, told.recv()).await {
                Ok(Some(line)) => send(&mut writing, &line_of(&Reply::Line(line))?).await?,
                Ok(None) => return Ok::<_, io::Error>(()),
                Err(_) => send(&mut writing, b" ").await?,
            }
        }
    };
    // A listener that is gone or stands still ends the answer.
    let (answered, ()) = tokio::try_join!(answering, sending)?;
    let end = answered.map_or_else(End::Failed, |()| End::Done);
    send(&mut writing, &line_of(&Reply::End(end))?).await?;
    writing.shutdown().await
}

async fn send(writing: &mut OwnedWriteHalf, bytes: &[u8]) -> io::Result<()> {
    in_time(PATIENCE_WITH_READERS, writing.write_all(bytes)).await
}

fn line_of(reply: &Reply) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    Ok(line)
}

async fn in_time<T>(
    patience: Duration,
    doing: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    tokio::time::timeout(patience, doing)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
