//! Output that decides nothing.
use std::io::{self, Write};

/// Where something is told whose reader may have gone, like `head` when it has read enough: what was found
/// decides the exit code, not whether somebody still reads of it.
#[derive(Debug)]
pub struct Unheard<W>(pub W);

impl<W: Write> Write for Unheard<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(bytes.len()),
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0.flush() {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            flushed => flushed,
        }
    }
}
