//! The seam to the disk: files, directories, and where work that blocks is done.
use std::ffi::OsString;
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::future::Future;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, PosixFadviseAdvice, fcntl, posix_fadvise};

/// A lock that another process has is tried for two seconds: a command that reads a journal, or a
/// holdline that ends, lets it go by then.
const LOCK_TRIES: u32 = 40;

/// How long between two tries.
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// A piece of work that may block.
pub type Work = Box<dyn FnOnce() + Send>;

/// Work that was begun.
pub type Working = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The disk as the journal uses it.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Opens a file; `None` if there is none. What an earlier process left unwritten is not to be
    /// seen where that can be helped.
    fn open(&self, path: &Path) -> io::Result<Option<Arc<dyn DiskFile>>>;

    /// Makes a file that only its owner may use, and fails if there is one.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file another name, in the place of one that has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file's name.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in the directory of `path` durable.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;

    /// Does work where it may block, and is ready when it is done.
    fn run(&self, work: Work) -> Working;
}

/// An open file.
pub trait DiskFile: fmt::Debug + Send + Sync {
    /// How many bytes it has.
    fn length(&self) -> io::Result<u64>;

    /// Makes it longer, with zeros, or shorter.
    fn set_length(&self, length: u64) -> io::Result<()>;

    /// Reads all of `into`.
    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()>;

    /// Writes all of `from`.
    fn write(&self, offset: u64, from: &[u8]) -> io::Result<()>;

    /// Makes what was written durable.
    fn sync(&self) -> io::Result<()>;

    /// The permissions.
    fn mode(&self) -> io::Result<u32>;

    /// Locks the file for as long as it is open. One that another process has for a moment is waited
    /// for.
    fn lock(&self) -> io::Result<Lock>;

    /// Whether the name that this file was opened under is still its own.
    fn named(&self, path: &Path) -> io::Result<Named>;

    /// Has what is written from now on go to the disk at once, not through the system's cache, where
    /// that can be done: it spares a sync the way through the cache. Memory and offsets in the file
    /// are to be at multiples of a page then.
    fn pass_cache(&self) {}

    /// Has what is read from now on come from the disk: a sync that failed may leave in the system's cache
    /// what the disk never got, and never will.
    fn forget_cache(&self) {}
}

/// How an open file stands to the name that it was opened under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// The name is this file's.
    Still,
    /// Nothing has the name, and this file has another one, or stands on a disk that is not mounted
    /// any more.
    Moved,
    /// Nothing has the name, and this file has none at all: it is gone when it is closed.
    Removed,
    /// Another file has the name.
    Taken,
}

/// What came of locking a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// It is ours.
    Ours,
    /// Another has it: the process, if the system tells.
    Held(Option<u32>),
}

/// The disk of this system. Links are not followed, and what is made is its owner's alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemDisk;

/// The disk of this system for a program that only looks: nothing is made or changed, and files open where
/// the disk is mounted read-only.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadOnlyDisk;

const OWNER_ONLY: u32 = 0o600;

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(OWNER_ONLY);
    options.custom_flags(OFlag::O_NOFOLLOW.bits());
    options
}

/// After a failed write-back Linux keeps the page and calls it clean (fsync(2), "Errors"), so a
/// page that is cached proves nothing. Those that are clean are let go, and read again.
fn open(path: &Path, options: &OpenOptions) -> io::Result<Option<Arc<dyn DiskFile>>> {
    let file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(Errno::ELOOP as i32) => {
            let words = "it is a symbolic link, and none is followed";
            return Err(io::Error::new(error.kind(), words));
        }
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file",
        ));
    }
    let file = SystemFile(file);
    file.forget_cache();
    Ok(Some(Arc::new(file)))
}

impl Disk for SystemDisk {
    fn open(&self, path: &Path) -> io::Result<Option<Arc<dyn DiskFile>>> {
        open(path, &options())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(SystemFile(options().create_new(true).open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(directory_of(path))?.sync_all()
    }

    fn run(&self, work: Work) -> Working {
        let working = tokio::task::spawn_blocking(work);
        Box::pin(async move {
            // Work that panics leaves nothing behind, which its owner sees.
            let _ = working.await;
        })
    }
}

impl Disk for ReadOnlyDisk {
    fn open(&self, path: &Path) -> io::Result<Option<Arc<dyn DiskFile>>> {
        open(path, options().write(false))
    }

    fn create(&self, _: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn run(&self, work: Work) -> Working {
        SystemDisk.run(work)
    }
}

/// The directory in which a path's last name stands.
fn directory_of(path: &Path) -> &Path {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or_else(|| Path::new("."))
}

/// The path with `suffix` behind its last name.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// A new file beside `path`, and its name: it is given that of `path` when it is whole. One that an
/// earlier process did not get so far with makes way.
pub fn fresh(disk: &dyn Disk, path: &Path) -> io::Result<(PathBuf, Arc<dyn DiskFile>)> {
    let fresh = beside(path, ".new");
    if disk.open(&fresh)?.is_some() {
        disk.remove(&fresh)?;
    }
    let file = disk.create(&fresh)?;
    Ok((fresh, file))
}

#[derive(Debug)]
struct SystemFile(File);

impl DiskFile for SystemFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.cached_if_refused(|file| file.read_exact_at(into, offset))
    }

    fn write(&self, offset: u64, from: &[u8]) -> io::Result<()> {
        self.cached_if_refused(|file| file.write_all_at(from, offset))
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn mode(&self) -> io::Result<u32> {
        Ok(self.0.metadata()?.mode() & 0o7777)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "starts and commands wait; the files of a journal that is open are nobody else's"
    )]
    fn lock(&self) -> io::Result<Lock> {
        for _ in 0..LOCK_TRIES {
            match self.0.try_lock() {
                Ok(()) => return Ok(Lock::Ours),
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(Lock::Held(self.holder()))
    }

    /// A file that is open keeps its inode, so no other one can have its number.
    fn named(&self, path: &Path) -> io::Result<Named> {
        let ours = self.0.metadata()?;
        match std::fs::symlink_metadata(path) {
            Ok(found) if (found.dev(), found.ino()) == (ours.dev(), ours.ino()) => Ok(Named::Still),
            Ok(_) => Ok(Named::Taken),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                    let is_gone = ours.nlink() == 0;
                    Ok(if is_gone {
                        Named::Removed
                    } else {
                        Named::Moved
                    })
                }
                _ => Err(error),
            },
        }
    }

    fn pass_cache(&self) {
        match self.set_flags(OFlag::O_DIRECT) {
            Ok(()) => tracing::debug!("commits of the journal pass the system's cache"),
            // The way through the cache stays.
            Err(error) => tracing::debug!(%error, "commits of the journal take the system's cache"),
        }
    }

    fn forget_cache(&self) {
        // Where the system does not do so, it is as it was.
        let _ = posix_fadvise(&self.0, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
    }
}

impl SystemFile {
    /// Reads or writes. A disk may want other multiples than a page's for what passes the cache, which
    /// it tells only now (open(2), "`O_DIRECT`"): then nothing passes it any more.
    fn cached_if_refused(
        &self,
        mut transfer: impl FnMut(&File) -> io::Result<()>,
    ) -> io::Result<()> {
        match transfer(&self.0) {
            Err(error) if error.raw_os_error() == Some(Errno::EINVAL as i32) => {
                self.set_flags(OFlag::empty())?;
                tracing::debug!("the disk refuses what passes the system's cache: it is taken");
                transfer(&self.0)
            }
            transferred => transferred,
        }
    }

    fn set_flags(&self, flags: OFlag) -> io::Result<()> {
        fcntl(&self.0, FcntlArg::F_SETFL(flags))?;
        Ok(())
    }

    /// The process that locked this file, from the kernel's list (`proc_locks(5)`):
    /// `1: FLOCK  ADVISORY  WRITE 4711 08:01:1311 0 EOF`.
    fn holder(&self) -> Option<u32> {
        let inode = self.0.metadata().ok()?.ino();
        let locks = std::fs::read_to_string("/proc/locks").ok()?;
        locks.lines().find_map(|line| {
            let mut words = line.split_ascii_whitespace().skip(1);
            if words.next()? != "FLOCK" {
                return None;
            }
            let process = words.nth(2)?.parse().ok()?;
            let place = words.next()?;
            let is_ours = place.rsplit(':').next()?.parse() == Ok(inode);
            is_ours.then_some(process)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_its_owners_alone_and_no_link_is_followed() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("file");
        let file = SystemDisk.create(&path).unwrap();
        assert_eq!(file.mode().unwrap(), 0o600);
        assert!(SystemDisk.create(&path).is_err(), "it is there");
        let link = room.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(SystemDisk.open(&link).is_err() && ReadOnlyDisk.open(&link).is_err());
        assert!(SystemDisk.create(&link).is_err());
        assert!(SystemDisk.open(room.path()).is_err(), "a directory");
        assert!(
            SystemDisk
                .open(&room.path().join("none"))
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn who_only_looks_may_lock_a_file_and_cannot_write_it() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("file");
        assert!(ReadOnlyDisk.create(&path).is_err());
        let file = SystemDisk.create(&path).unwrap();
        file.write(0, b"there").unwrap();
        let looked_at = ReadOnlyDisk.open(&path).unwrap().unwrap();
        assert_eq!(looked_at.lock().unwrap(), Lock::Ours);
        assert!(matches!(file.lock().unwrap(), Lock::Held(_)));
        let mut read = [0; 5];
        looked_at.read(0, &mut read).unwrap();
        assert_eq!(&read, b"there");
        assert!(looked_at.write(0, b"other").is_err());
    }

    #[test]
    fn a_file_that_is_locked_says_by_whom() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("file");
        let first = SystemDisk.create(&path).unwrap();
        assert_eq!(first.lock().unwrap(), Lock::Ours);
        let second = SystemDisk.open(&path).unwrap().unwrap();
        let Lock::Held(by) = second.lock().unwrap() else {
            panic!("it is ours twice")
        };
        assert!(by.is_none_or(|by| by == std::process::id()));
        drop(first);
        assert_eq!(second.lock().unwrap(), Lock::Ours);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a lock is held for a moment")]
    fn a_lock_that_is_let_go_in_a_moment_is_waited_for() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("file");
        let first = SystemDisk.create(&path).unwrap();
        assert_eq!(first.lock().unwrap(), Lock::Ours);
        let second = SystemDisk.open(&path).unwrap().unwrap();
        std::thread::scope(|threads| {
            threads.spawn(move || {
                std::thread::sleep(3 * LOCK_PAUSE);
                drop(first);
            });
            assert_eq!(second.lock().unwrap(), Lock::Ours);
        });
    }

    #[test]
    fn a_file_knows_whether_its_name_is_still_its_own() {
        let room = tempfile::tempdir().unwrap();
        let (path, other) = (room.path().join("file"), room.path().join("other"));
        let file = SystemDisk.create(&path).unwrap();
        assert_eq!(file.named(&path).unwrap(), Named::Still);
        SystemDisk.rename(&path, &other).unwrap();
        assert_eq!(file.named(&path).unwrap(), Named::Moved);
        let _second = SystemDisk.create(&path).unwrap();
        assert_eq!(file.named(&path).unwrap(), Named::Taken);
        SystemDisk.rename(&other, &path).unwrap();
        assert_eq!(file.named(&path).unwrap(), Named::Still);
        SystemDisk.remove(&path).unwrap();
        assert_eq!(file.named(&path).unwrap(), Named::Removed);
        assert_eq!(file.named(&path.join("below")).unwrap(), Named::Removed);
    }

    #[test]
    fn what_passes_the_cache_is_read_as_it_was_written_and_an_odd_place_stops_nothing() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("file");
        let file = SystemDisk.create(&path).unwrap();
        file.write(0, &[1; 8192]).unwrap();
        file.pass_cache();
        let memory = vec![2; 8192];
        let page = memory.as_ptr().align_offset(4096);
        file.write(4096, &memory[page..page + 4096]).unwrap();
        file.write(8191, &[3, 3, 3]).unwrap();
        let mut read = vec![0; 8194];
        file.read(0, &mut read).unwrap();
        let expected = [vec![1; 4096], vec![2; 4095], vec![3; 3]].concat();
        assert_eq!(read, expected);
        assert_eq!(std::fs::read(&path).unwrap(), expected);
    }

    #[test]
    fn the_directory_of_a_bare_name_is_the_present_one() {
        assert_eq!(directory_of(Path::new("a.redb")), Path::new("."));
        assert_eq!(directory_of(Path::new("/x/a.redb")), Path::new("/x"));
        assert_eq!(
            beside(Path::new("x/a.redb"), ".key"),
            Path::new("x/a.redb.key")
        );
    }
}
