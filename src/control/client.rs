//! The other end: asks a running holdline and hands its answers on, line by line.
use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::UnixStream;

use super::{Ask, Reply};

/// How long a running holdline may take for the next line: a check of a large journal takes a while.
const PATIENCE: Duration = Duration::from_mins(5);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there.
    #[error("no holdline listens there")]
    Nobody,
    /// The system's words.
    #[error("failed to talk to the running holdline")]
    System(#[from] io::Error),
    /// The connection ended before the answer did.
    #[error("the running holdline ended before its answer did")]
    Cut,
    /// It did not go on.
    #[error("the running holdline did not answer in time")]
    Slow,
    /// Another version, perhaps.
    #[error("the running holdline answered what this version does not know")]
    Foreign(#[from] serde_json::Error),
}

/// A question under way.
#[derive(Debug)]
pub struct Client(Lines<BufReader<UnixStream>>);

impl Client {
    /// Asks the holdline that listens at `path`.
    pub async fn ask(path: &Path, ask: &Ask) -> Result<Self, ClientError> {
        let mut stream = UnixStream::connect(path)
            .await
            .map_err(|error| match error.kind() {
                // Invalid is a path that is too long for any socket, so that nobody listens there.
                io::ErrorKind::NotFound
                | io::ErrorKind::ConnectionRefused
                | io::ErrorKind::InvalidInput => ClientError::Nobody,
                _ => ClientError::System(error),
            })?;
        let mut line = serde_json::to_vec(ask)?;
        line.push(b'\n');
        stream.write_all(&line).await?;
        Ok(Self(BufReader::new(stream).lines()))
    }

    /// The next line of the answer.
    pub async fn next(&mut self) -> Result<Reply, ClientError> {
        let line = tokio::time::timeout(PATIENCE, self.0.next_line())
            .await
            .map_err(|_| ClientError::Slow)??;
        Ok(serde_json::from_str(&line.ok_or(ClientError::Cut)?)?)
    }
}
