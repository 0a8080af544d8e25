//! The other end: asks a running holdline and hands its answers on, line by line.
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::{Ask, Reply};

/// How long a running holdline may give no sign of life: while it works it gives one a second.
const SILENCE: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there.
    #[error("no holdline listens there")]
    Nobody,
    /// Its socket is another user's.
    #[error("{0} answers its own user and root only")]
    Denied(Peer),
    /// The system's words.
    #[error("failed to talk to the running holdline")]
    System(#[from] io::Error),
    /// The connection ended before the answer did.
    #[error("{0} ended before its answer did")]
    Cut(Peer),
    /// It gave no sign of life.
    #[error(
        "asked {0}, and heard nothing for {SILENCE:?}: it stands still, or its machine has no time \
         for it"
    )]
    Still(Peer),
    /// It lives, and does not go on.
    #[error("{0} lives, but had no answer within {1:?}: its log may tell what keeps it")]
    Slow(Peer, Duration),
    /// Another version, perhaps.
    #[error("the running holdline answered what this version does not know")]
    Foreign(#[from] serde_json::Error),
}

/// Who is asked.
#[derive(Clone, Debug)]
pub struct Peer {
    socket: PathBuf,
    process: Option<i32>,
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the running holdline (")?;
        if let Some(process) = self.process {
            write!(formatter, "process {process}, ")?;
        }
        write!(formatter, "control socket {})", self.socket.display())
    }
}

/// A question under way.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    peer: Peer,
    patience: Duration,
}

impl Client {
    /// Asks the holdline that listens at `path`.
    pub async fn ask(path: &Path, ask: &Ask) -> Result<Self, ClientError> {
        let mut peer = Peer {
            socket: path.to_owned(),
            process: None,
        };
        let mut stream = UnixStream::connect(path)
            .await
            .map_err(|error| match error.kind() {
                // Invalid is a path that is too long for any socket, so that nobody listens there.
                io::ErrorKind::NotFound
                | io::ErrorKind::ConnectionRefused
                | io::ErrorKind::InvalidInput => ClientError::Nobody,
                io::ErrorKind::PermissionDenied => ClientError::Denied(peer.clone()),
                // As many wait to be accepted as may.
                io::ErrorKind::WouldBlock => ClientError::Still(peer.clone()),
                _ => ClientError::System(error),
            })?;
        peer.process = stream.peer_cred().ok().and_then(|it| it.pid());
        let mut line = serde_json::to_vec(ask)?;
        line.push(b'\n');
        timeout(SILENCE, stream.write_all(&line))
            .await
            .map_err(|_| ClientError::Still(peer.clone()))??;
        Ok(Self {
            stream: BufReader::new(stream),
            peer,
            patience: patience(ask),
        })
    }

    /// The next line of the answer.
    pub async fn next(&mut self) -> Result<Reply, ClientError> {
        let patience = self.patience;
        let line = timeout(patience, self.line()).await;
        let line = line.map_err(|_| ClientError::Slow(self.peer.clone(), patience))??;
        Ok(serde_json::from_slice(&line)?)
    }

    /// A line, and the signs of life before it: spaces, which JSON passes over.
    async fn line(&mut self) -> Result<Vec<u8>, ClientError> {
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            let heard = timeout(SILENCE, self.stream.fill_buf()).await;
            let heard = heard.map_err(|_| ClientError::Still(self.peer.clone()))??;
            let Some(part) = heard.split_inclusive(|byte| *byte == b'\n').next() else {
                return Err(ClientError::Cut(self.peer.clone()));
            };
            line.extend_from_slice(part);
            let length = part.len();
            self.stream.consume(length);
        }
        Ok(line)
    }
}

/// How long a holdline that lives may take for the next line. What reads every record of a large journal
/// takes a while.
const fn patience(ask: &Ask) -> Duration {
    match ask {
        Ask::List { .. } | Ask::Show { .. } | Ask::Explain { .. } | Ask::Verify => {
            Duration::from_mins(5)
        }
        Ask::Polling { .. } | Ask::Log { .. } | Ask::Resolve { .. } => Duration::from_secs(30),
    }
}
