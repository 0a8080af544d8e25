//! The files themselves: read within bounds, since a wrong path may lead anywhere.
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use zeroize::Zeroizing;

use super::{FileError, Reason};

/// The largest file that is read. All issuers of a distribution together are a quarter of a megabyte.
const LARGEST: u64 = 4 * 1024 * 1024;

/// Reads a file whole. What it held is erased when it is let go.
pub fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let bytes = bounded(path).map_err(|error| Reason::Unreadable(error).of(path))?;
    match bytes.len() as u64 {
        0 => Err(Reason::Empty.of(path)),
        1..=LARGEST => Ok(bytes),
        _ => Err(Reason::TooLarge.of(path)),
    }
}

/// As much of a file as shows whether it is too large.
fn bounded(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    let length = file.metadata()?.len().min(LARGEST) + 1;
    // Room for all of it: where it grows, it leaves a copy behind.
    let room = usize::try_from(length).unwrap_or_default();
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_empty_has_no_end_or_is_none_is_told() {
        let reason = |path: &str| read(Path::new(path)).err().unwrap().reason.to_string();
        assert_eq!(reason("/dev/null"), "is empty");
        let endless = reason("/dev/zero");
        assert!(endless.starts_with("is larger than 4 MiB"), "{endless}");
        let directory = reason("/");
        assert!(directory.starts_with("cannot be read: "), "{directory}");
    }

    #[test]
    fn the_largest_is_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large.pem");
        let text = vec![b'x'; usize::try_from(LARGEST).unwrap()];
        std::fs::write(&path, &text).unwrap();
        assert_eq!(*read(&path).unwrap(), text);
        std::fs::write(&path, [&text[..], b"x"].concat()).unwrap();
        assert!(matches!(
            read(&path).err().unwrap().reason,
            Reason::TooLarge
        ));
    }
}
