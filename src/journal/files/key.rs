//! The key file: what opens the journal, and whose lock says that the journal is taken.
//!
//! ```text
//! holdline journal key 1
//! <64 lower-case hexadecimal digits: 32 random bytes>
//! ```
//!
//! It is durable, with its name, before anything is written under it. From its bytes the keys that
//! are used are derived (blake3, `derive_key`), one a purpose.
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::disk::{Disk, DiskFile, Lock, beside, fresh as fresh_file};
use crate::journal::error::OpenError;
use crate::journal::records::seal::{FrameKey, RecordKey};

const TITLE: &str = "holdline journal key 1\n";

/// What a file's group and the rest of the world may do.
const OTHERS: u32 = 0o077;

/// Title, 64 digits, line feed.
const LENGTH: usize = TITLE.len() + 65;

/// An open key file: it stays locked for as long as this lives.
pub(in crate::journal) struct KeyFile {
    bytes: Zeroizing<[u8; 32]>,
    path: PathBuf,
    /// True if nothing was ever written under it.
    is_new: bool,
    /// Holds the lock.
    file: Arc<dyn DiskFile>,
}

impl std::fmt::Debug for KeyFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "KeyFile({}, …)", self.path.display())
    }
}

impl KeyFile {
    /// Opens and locks the key file of a journal, and makes it where there is neither.
    pub(in crate::journal) fn open(disk: &dyn Disk, journal: &Path) -> Result<Self, OpenError> {
        let path = beside(journal, ".key");
        let failed = |step| OpenError::of(step, &path);
        let has_journal = || {
            let journal = disk.open(journal).map_err(OpenError::of("open", journal))?;
            Ok::<_, OpenError>(journal.is_some())
        };
        let file = match disk.open(&path).map_err(failed("open"))? {
            Some(file) => file,
            None if has_journal()? => return Err(gone(journal, &path)),
            None => make(disk, &path)?,
        };
        lock(&*file, &path)?;
        check_mode(&*file, &path)?;
        let (bytes, is_new) = match read(&*file).map_err(failed("read"))? {
            Some(bytes) => (bytes, false),
            // Nothing was ever written under a key that is not whole yet.
            None if !has_journal()? && is_begun(&*file) => {
                let bytes = fresh()?;
                write(&*file, &bytes).map_err(failed("write"))?;
                (bytes, true)
            }
            None => return Err(OpenError::KeyForm { path }),
        };
        // At each start: the one before may have died between the file and its name.
        file.sync().map_err(failed("sync"))?;
        disk.sync_directory(&path).map_err(failed("sync"))?;
        Ok(Self {
            bytes,
            path,
            is_new,
            file,
        })
    }

    /// Opens and locks a key file that must be there.
    pub(in crate::journal) fn open_existing(
        disk: &dyn Disk,
        journal: &Path,
    ) -> Result<Self, OpenError> {
        let path = beside(journal, ".key");
        let failed = |step| OpenError::of(step, &path);
        let Some(file) = disk.open(&path).map_err(failed("open"))? else {
            return Err(gone(journal, &path));
        };
        lock(&*file, &path)?;
        let Some(bytes) = read(&*file).map_err(failed("read"))? else {
            return Err(OpenError::KeyForm { path });
        };
        Ok(Self {
            bytes,
            path,
            is_new: false,
            file,
        })
    }

    pub(in crate::journal) fn path(&self) -> &Path {
        &self.path
    }

    /// True if nothing was ever written under it.
    pub(in crate::journal) const fn is_new(&self) -> bool {
        self.is_new
    }

    /// What the file has to hold for as long as it is open.
    pub(in crate::journal) fn content(&self) -> KeyContent {
        KeyContent {
            path: self.path.clone(),
            file: Arc::clone(&self.file),
            id: self.id(),
        }
    }

    /// Makes the file anew with the key that this process has, in the place of one that lost it. Its
    /// name is not durable yet.
    pub(in crate::journal) fn write_again(&self, disk: &dyn Disk) -> Result<Self, OpenError> {
        let failed = |step| OpenError::of(step, &self.path);
        let (fresh, file) = fresh_file(disk, &self.path).map_err(failed("make"))?;
        lock(&*file, &fresh)?;
        write(&*file, &self.bytes).map_err(failed("write"))?;
        file.sync().map_err(failed("sync"))?;
        disk.rename(&fresh, &self.path).map_err(failed("rename"))?;
        Ok(Self {
            bytes: self.bytes.clone(),
            path: self.path.clone(),
            is_new: false,
            file,
        })
    }

    /// The key of every hash of what a client sent.
    pub(in crate::journal) fn hash_key(&self) -> [u8; 32] {
        blake3::derive_key("holdline 2026 journal: hash key", &*self.bytes)
    }

    /// The key's name in the journal. It tells nothing of the key.
    pub(in crate::journal) fn id(&self) -> u64 {
        id_of(&self.bytes)
    }

    /// The key of the mark's checksums.
    pub(in crate::journal) fn mark_key(&self) -> [u8; 32] {
        blake3::derive_key("holdline 2026 journal: mark key", &*self.bytes)
    }

    /// The key of the records.
    pub(in crate::journal) fn record_key(&self) -> Result<RecordKey, OpenError> {
        let key = Zeroizing::new(blake3::derive_key(
            "holdline 2026 journal: record key",
            &*self.bytes,
        ));
        RecordKey::new(&key, self.id()).map_err(|_| OpenError::Random)
    }

    /// The key of the frames in the log.
    pub(in crate::journal) fn log_key(&self) -> Result<FrameKey, OpenError> {
        let key = Zeroizing::new(blake3::derive_key(
            "holdline 2026 journal: log key",
            &*self.bytes,
        ));
        FrameKey::new(&key, self.id()).map_err(|_| OpenError::Random)
    }
}

/// An open key file, and by which name its key is known.
#[derive(Debug)]
pub(in crate::journal) struct KeyContent {
    pub(in crate::journal) path: PathBuf,
    pub(in crate::journal) file: Arc<dyn DiskFile>,
    id: u64,
}

/// What an open key file was found to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::journal) enum Holds {
    /// Its key.
    Key,
    /// No key: it was cut, or written over.
    Nothing,
    /// The key of another journal.
    AnotherKey,
}

impl KeyContent {
    /// Reads the file.
    pub(in crate::journal) fn look(&self) -> std::io::Result<Holds> {
        Ok(match read(&*self.file)? {
            Some(bytes) if id_of(&bytes) == self.id => Holds::Key,
            Some(_) => Holds::AnotherKey,
            None => Holds::Nothing,
        })
    }
}

fn id_of(bytes: &[u8; 32]) -> u64 {
    let digest = blake3::derive_key("holdline 2026 journal: key id", bytes);
    let first = digest.first_chunk().copied().unwrap_or_default();
    u64::from_be_bytes(first)
}

/// Makes the file. Where another first start has made it meanwhile, its lock tells who that is.
fn make(disk: &dyn Disk, path: &Path) -> Result<Arc<dyn DiskFile>, OpenError> {
    let made = disk.create(path).or_else(|error| match error.kind() {
        ErrorKind::AlreadyExists => disk.open(path)?.ok_or(error),
        _ => Err(error),
    });
    made.map_err(|error| no_directory(path, error))
}

/// A new file that the system does not find has no directory.
fn no_directory(path: &Path, error: std::io::Error) -> OpenError {
    let directory = path.parent().unwrap_or(path);
    if error.kind() == ErrorKind::NotFound {
        return OpenError::NoDirectory {
            path: directory.to_owned(),
        };
    }
    OpenError::of("make", path)(error)
}

fn gone(journal: &Path, key: &Path) -> OpenError {
    OpenError::KeyGone {
        journal: journal.to_owned(),
        key: key.to_owned(),
    }
}

/// Locks a file that another process may hold.
pub(in crate::journal) fn lock(file: &dyn DiskFile, path: &Path) -> Result<(), OpenError> {
    match file.lock().map_err(OpenError::of("lock", path))? {
        Lock::Ours => Ok(()),
        Lock::Held(by) => Err(OpenError::Held {
            path: path.to_owned(),
            by,
        }),
    }
}

/// Refuses a file that others than its owner may use.
pub(in crate::journal) fn check_mode(file: &dyn DiskFile, path: &Path) -> Result<(), OpenError> {
    let mode = file.mode().map_err(OpenError::of("read", path))?;
    if mode & OTHERS == 0 {
        return Ok(());
    }
    Err(OpenError::Mode {
        path: path.to_owned(),
        mode,
    })
}

/// The key, if the file has the form of one.
fn read(file: &dyn DiskFile) -> std::io::Result<Option<Zeroizing<[u8; 32]>>> {
    if file.length()? != LENGTH as u64 {
        return Ok(None);
    }
    let mut text = Zeroizing::new([0; LENGTH]);
    file.read(0, &mut *text)?;
    Ok(parse(&*text))
}

fn parse(text: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let digits = text.strip_prefix(TITLE.as_bytes())?.strip_suffix(b"\n")?;
    let mut bytes = Zeroizing::new([0; 32]);
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

const fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

/// True for what a start that died leaves behind: nothing, zeros, or a beginning.
fn is_begun(file: &dyn DiskFile) -> bool {
    file.length().is_ok_and(|length| length <= LENGTH as u64)
}

fn fresh() -> Result<Zeroizing<[u8; 32]>, OpenError> {
    let mut bytes = Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(&mut *bytes).map_err(|_| OpenError::Random)?;
    Ok(bytes)
}

fn write(file: &dyn DiskFile, bytes: &[u8; 32]) -> std::io::Result<()> {
    let mut text = Zeroizing::new(Vec::with_capacity(LENGTH));
    text.extend_from_slice(TITLE.as_bytes());
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            let from = if digit < 10 { b'0' } else { b'a' - 10 };
            text.push(from + digit);
        }
    }
    text.push(b'\n');
    file.set_length(LENGTH as u64)?;
    file.write(0, &text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::disk::SystemDisk;
    use super::*;

    fn room() -> (tempfile::TempDir, PathBuf) {
        let room = tempfile::tempdir().unwrap();
        let journal = room.path().join("a.redb");
        (room, journal)
    }

    #[test]
    fn a_key_is_made_once_and_read_after_that() {
        let (_room, journal) = room();
        let first = KeyFile::open(&SystemDisk, &journal).unwrap();
        let (id, hash) = (first.id(), first.hash_key());
        let text = std::fs::read(first.path()).unwrap();
        assert_eq!(
            (text.len(), &text[..TITLE.len()]),
            (LENGTH, TITLE.as_bytes())
        );
        drop(first);
        let second = KeyFile::open(&SystemDisk, &journal).unwrap();
        assert_eq!((second.id(), second.hash_key()), (id, hash));
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let (room, _) = room();
        let later = room.path().join("later");
        let refused = KeyFile::open(&SystemDisk, &later.join("a.redb"));
        let words = refused.unwrap_err().to_string();
        assert!(
            words.contains(&format!("{} is not there", later.display())),
            "{words}"
        );
    }

    #[test]
    fn a_second_process_is_told_who_has_the_journal() {
        let (_room, journal) = room();
        let _first = KeyFile::open(&SystemDisk, &journal).unwrap();
        let second = KeyFile::open(&SystemDisk, &journal);
        let Err(error @ OpenError::Held { .. }) = second else {
            panic!("{second:?}")
        };
        assert!(error.to_string().contains("is held by"), "{error}");
    }

    #[test]
    fn of_two_first_starts_at_once_one_is_told_who_the_other_is() {
        let (_room, journal) = room();
        let first = KeyFile::open(&SystemDisk, &journal).unwrap();
        // It looked before the first one had made it.
        let late = make(&SystemDisk, first.path()).unwrap();
        let told = lock(&*late, first.path());
        assert!(matches!(told, Err(OpenError::Held { .. })), "{told:?}");
    }

    #[test]
    fn a_journal_without_its_key_is_refused_and_no_key_is_made() {
        let (_room, journal) = room();
        std::fs::write(&journal, b"x").unwrap();
        let opened = KeyFile::open(&SystemDisk, &journal);
        assert!(
            matches!(opened, Err(OpenError::KeyGone { .. })),
            "{opened:?}"
        );
        assert!(!beside(&journal, ".key").exists());
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let (_room, journal) = room();
        drop(KeyFile::open(&SystemDisk, &journal).unwrap());
        let open = std::fs::Permissions::from_mode(0o640);
        std::fs::set_permissions(beside(&journal, ".key"), open).unwrap();
        let opened = KeyFile::open(&SystemDisk, &journal);
        assert!(
            matches!(opened, Err(OpenError::Mode { mode: 0o640, .. })),
            "{opened:?}"
        );
    }

    #[test]
    fn a_key_that_is_not_whole_is_made_anew_only_while_there_is_no_journal() {
        let (_room, journal) = room();
        for begun in [b"".as_slice(), b"holdline jou", &[0; LENGTH]] {
            let key = beside(&journal, ".key");
            let _ = std::fs::remove_file(&key);
            let file = SystemDisk.create(&key).unwrap();
            file.write(0, begun).unwrap();
            drop(file);
            KeyFile::open(&SystemDisk, &journal).unwrap();
            std::fs::write(&key, begun).unwrap();
            std::fs::write(&journal, b"x").unwrap();
            let opened = KeyFile::open(&SystemDisk, &journal);
            assert!(
                matches!(opened, Err(OpenError::KeyForm { .. })),
                "{opened:?}"
            );
            std::fs::remove_file(&journal).unwrap();
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_key_or_refused(text: Vec<u8>, bytes: [u8; 32]) {
            prop_assert!(parse(&text).is_none());
            let (_room, journal) = room();
            let file = SystemDisk.create(&journal).unwrap();
            write(&*file, &bytes).unwrap();
            prop_assert_eq!(*read(&*file).unwrap().unwrap(), bytes);
        }
    }
}
