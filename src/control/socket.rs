//! The socket as a file: made for its owner alone, and taken over only from the dead.
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};

use nix::sys::stat::{Mode, umask};
use tokio::net::UnixListener;

/// The longest path that a socket's address holds, its closing zero not counted (unix(7)).
pub const LONGEST_PATH: usize = 107;

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The path does not fit.
    #[error(
        "the path of the control socket is {0} bytes long, and the system takes {LONGEST_PATH}"
    )]
    TooLong(usize),
    /// Somebody listens there.
    #[error("the control socket is in use by another process")]
    InUse,
    /// Something else has that name.
    #[error("the path of the control socket is taken by a file that is no socket")]
    NoSocket,
    /// The system's words.
    #[error("failed to make the control socket")]
    System(#[from] io::Error),
}

/// A bound control socket; its file goes with it.
#[derive(Debug)]
pub struct Socket {
    pub(super) listener: UnixListener,
    path: PathBuf,
    /// The device and the number of its file.
    identity: (u64, u64),
}

impl Socket {
    /// Binds `path`, mode 0600. What a process left behind that was killed is removed.
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        let length = path.as_os_str().len();
        if length > LONGEST_PATH {
            return Err(SocketError::TooLong(length));
        }
        make_way(path)?;
        // From its first moment on nobody else may connect. Files that other threads make meanwhile
        // are for their owner alone too.
        let before = umask(Mode::S_IRWXG | Mode::S_IRWXO | Mode::S_IXUSR);
        let bound = UnixListener::bind(path);
        umask(before);
        let listener = bound?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        let identity = identity(path)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            identity,
        })
    }

    /// Binds anew where the file was removed; true if it was. A file that took its place is let be.
    pub(super) fn mend(&mut self) -> Result<bool, SocketError> {
        match identity(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                *self = Self::bind(&self.path)?;
                Ok(true)
            }
            Ok(_) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            // What cannot be removed is taken over at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

fn make_way(path: &Path) -> Result<(), SocketError> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => Err(SocketError::NoSocket),
        Ok(_) if BlockingStream::connect(path).is_ok() => Err(SocketError::InUse),
        Ok(_) => Ok(fs::remove_file(path)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_socket_is_its_owners_alone_and_goes_with_the_process() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let socket = Socket::bind(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(Socket::bind(&path), Err(SocketError::InUse)));
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_file_that_was_removed_is_made_again_and_another_is_let_be() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let mut socket = Socket::bind(&path).unwrap();
        assert!(!socket.mend().unwrap());
        fs::remove_file(&path).unwrap();
        assert!(socket.mend().unwrap());
        let (connected, accepted) = tokio::join!(
            tokio::net::UnixStream::connect(&path),
            socket.listener.accept()
        );
        connected.and(accepted.map(drop)).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "somebody's file").unwrap();
        assert!(!socket.mend().unwrap());
        drop(socket);
        assert_eq!(fs::read(&path).unwrap(), b"somebody's file");
    }

    #[tokio::test]
    async fn what_a_killed_process_left_is_taken_over_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(Socket::bind(&path).unwrap());
        fs::write(&path, "somebody's file").unwrap();
        assert!(matches!(Socket::bind(&path), Err(SocketError::NoSocket)));
        let long = directory.path().join("x".repeat(120));
        assert!(matches!(Socket::bind(&long), Err(SocketError::TooLong(_))));
    }
}
