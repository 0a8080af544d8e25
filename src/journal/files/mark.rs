//! The mark: a small file beside the journal that says how many commits it and its log have.
//!
//! ```text
//! two slots, one behind the other; the n-th commit is told in slot n % 2
//! | 8 bytes           | 16 bytes                                              |
//! | commits, big end  | blake3 of them under a key from the key file, cut off |
//! ```
//!
//! After an unclean stop redb cannot tell damage in its newest commit from one that was never whole,
//! and goes back to the one before. What was acknowledged in between would be forgotten, and its
//! repeat would be a second charge; and so would what a log lost that was damaged or moved away. So each
//! commit counts itself, in the log or in the journal, and once it is durable, and before anybody is
//! told so, the count is written here too. A journal that counts less than its mark lost something.
//!
//! The mark is never ahead of a sound journal, and it is not synced: after the power failed it may be
//! behind, torn or empty, and then proves nothing. A write that is torn leaves the other slot, which
//! tells of everything that was acknowledged until then.
//!
//! The lock of the key file keeps a second process out, but some volumes carry no lock to the other machines
//! that mount them. So the process that has the journal reads its mark about once a second: a count that it
//! did not write is another's. It stays down then, whatever the mark tells later.
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::disk::{Disk, DiskFile, beside, fresh};
use super::key::{KeyFile, check_mode};
use super::log;
use super::site::Site;
use crate::journal::Metrics;
use crate::journal::error::OpenError;

/// How many bytes of the checksum are kept.
const CHECKSUM: usize = 16;

const SLOT: usize = 8 + CHECKSUM;

const SLOTS: u64 = 2;

/// The open mark of a journal.
pub(in crate::journal) struct Mark {
    file: Arc<dyn DiskFile>,
    key: [u8; 32],
    path: PathBuf,
    /// The count that was written last; 0 while none was.
    told: AtomicU64,
    /// Set once a count was found that was not written here.
    is_shared: AtomicBool,
    /// Which know whether it could be written last, so that a disk that refuses is told of once.
    metrics: Metrics,
}

/// Where the mark of a journal is.
pub(in crate::journal) fn path_of(journal: &Path) -> PathBuf {
    beside(journal, ".last")
}

/// Refuses a mark or a log whose journal is gone: a journal has its name, durably, before they are
/// made.
pub(in crate::journal) fn check_journal(disk: &dyn Disk, journal: &Path) -> Result<(), OpenError> {
    let is_there = |path: &Path| {
        let file = disk.open(path).map_err(OpenError::of("open", path))?;
        Ok::<_, OpenError>(file.is_some())
    };
    for witness in [path_of(journal), log::path_of(journal)] {
        // In this order: another process may be making both.
        if is_there(&witness)? && !is_there(journal)? {
            return Err(OpenError::JournalGone {
                journal: journal.to_owned(),
                witness,
            });
        }
    }
    Ok(())
}

impl std::fmt::Debug for Mark {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Mark({}, …)", self.path.display())
    }
}

impl Mark {
    /// Opens the mark of a journal that is there, and makes an empty one where there is none.
    pub(in crate::journal) fn open(site: &Site, key: &KeyFile) -> Result<Self, OpenError> {
        if let Some(mark) = Self::open_existing(site, key)? {
            return Ok(mark);
        }
        let path = path_of(&site.path);
        let failed = |step| OpenError::of(step, &path);
        let file = site.disk.create(&path).map_err(failed("make"))?;
        site.disk.sync_directory(&path).map_err(failed("sync"))?;
        Ok(Self::of(file, site, key))
    }

    /// Has the mark of a journal tell of so many commits; where there is none it comes under its name
    /// when it tells.
    pub(in crate::journal) fn tell(
        site: &Site,
        key: &KeyFile,
        commits: u64,
    ) -> Result<(), OpenError> {
        if let Some(mark) = Self::open_existing(site, key)? {
            mark.set(commits);
            return Ok(());
        }
        let (disk, path) = (&*site.disk, path_of(&site.path));
        let make = || {
            let (fresh, file) = fresh(disk, &path)?;
            Self::of(Arc::clone(&file), site, key).write(commits)?;
            file.sync()?;
            disk.rename(&fresh, &path)?;
            disk.sync_directory(&path)
        };
        make().map_err(OpenError::of("make", &path))
    }

    /// Opens the mark of a journal, if it has one.
    pub(in crate::journal) fn open_existing(
        site: &Site,
        key: &KeyFile,
    ) -> Result<Option<Self>, OpenError> {
        let path = path_of(&site.path);
        let opened = site.disk.open(&path);
        let Some(file) = opened.map_err(OpenError::of("open", &path))? else {
            return Ok(None);
        };
        check_mode(&*file, &path)?;
        Ok(Some(Self::of(file, site, key)))
    }

    fn of(file: Arc<dyn DiskFile>, site: &Site, key: &KeyFile) -> Self {
        Self {
            file,
            key: key.mark_key(),
            path: path_of(&site.path),
            told: AtomicU64::new(0),
            is_shared: AtomicBool::new(false),
            metrics: site.metrics.clone(),
        }
    }

    /// The file.
    pub(in crate::journal) fn file(&self) -> Arc<dyn DiskFile> {
        Arc::clone(&self.file)
    }

    /// Refuses a journal that counts fewer commits than its mark. True if the mark tells of all that
    /// there are.
    pub(in crate::journal) fn check(
        &self,
        journal: &Path,
        commits: u64,
    ) -> Result<bool, OpenError> {
        let told = self.read().map_err(OpenError::of("read", &self.path))?;
        if told.is_none() && commits > 0 {
            tracing::warn!(
                mark = %self.path.display(),
                "the journal's mark was gone or damaged: whether the journal is an older one, or its log \
                 lacks anything, could not be seen"
            );
        }
        if told.is_some_and(|told| told > commits) {
            return Err(OpenError::Behind {
                journal: journal.to_owned(),
                witness: self.path.clone(),
            });
        }
        Ok(told == Some(commits))
    }

    /// The highest count that can be trusted.
    fn read(&self) -> std::io::Result<Option<u64>> {
        let mut highest = None;
        for slot in 0..SLOTS {
            let Some(bytes) = self.bytes(slot)? else {
                break;
            };
            match self.parse(&bytes) {
                Some(commits) => highest = highest.max(Some(commits)),
                // As a slot is before it is first written.
                None if bytes == [0; SLOT] => {}
                None => tracing::warn!(
                    path = %self.path.display(),
                    slot,
                    "a slot of the journal's mark is torn or of another journal, and is passed over"
                ),
            }
        }
        Ok(highest)
    }

    /// The bytes of a slot, if the file is so long.
    fn bytes(&self, slot: u64) -> std::io::Result<Option<[u8; SLOT]>> {
        let offset = slot * SLOT as u64;
        if self.file.length()? < offset + SLOT as u64 {
            return Ok(None);
        }
        let mut bytes = [0; SLOT];
        self.file.read(offset, &mut bytes)?;
        Ok(Some(bytes))
    }

    /// True once a slot had a count that is not of this process, which has made so many commits. A mark that
    /// cannot be read proves nothing.
    pub(in crate::journal) fn is_written_by_others(&self, commits: u64) -> bool {
        let told = self.told.load(Ordering::Relaxed);
        let is_foreign = |slot: u64| {
            let found = self.bytes(slot).ok().flatten();
            // A later count than the last one may be ours: whoever opens the journal anew tells it too.
            let is_the_last = told % SLOTS == slot;
            found
                .and_then(|bytes| self.parse(&bytes))
                .is_some_and(|count| count > commits || (is_the_last && count < told))
        };
        if (0..SLOTS).any(is_foreign) {
            self.is_shared.store(true, Ordering::Relaxed);
        }
        self.is_shared.load(Ordering::Relaxed)
    }

    /// Tells of a commit that is durable. Where that fails the commit stands all the same, and a
    /// loss of it would not be noticed.
    pub(in crate::journal) fn set(&self, commits: u64) {
        let path = self.path.display();
        let written = self.write(commits);
        let failed_before = self.metrics.mark_fails(written.is_err());
        match written {
            Err(error) if !failed_before => tracing::error!(
                %path,
                %error,
                "failed to write the journal's mark: a start would not see that newer records are gone"
            ),
            Ok(()) if failed_before => tracing::info!(%path, "the journal's mark is written again"),
            Err(_) | Ok(()) => {}
        }
    }

    fn write(&self, commits: u64) -> std::io::Result<()> {
        let offset = commits % SLOTS * SLOT as u64;
        self.file.write(offset, &self.slot(commits))?;
        self.told.store(commits, Ordering::Relaxed);
        Ok(())
    }

    fn slot(&self, commits: u64) -> [u8; SLOT] {
        let commits = commits.to_be_bytes();
        let checksum = blake3::keyed_hash(&self.key, &commits);
        let mut slot = [0; SLOT];
        let bytes = commits.iter().chain(checksum.as_bytes());
        slot.iter_mut()
            .zip(bytes)
            .for_each(|(to, from)| *to = *from);
        slot
    }

    fn parse(&self, slot: &[u8; SLOT]) -> Option<u64> {
        let commits = u64::from_be_bytes(*slot.first_chunk()?);
        (self.slot(commits) == *slot).then_some(commits)
    }
}

#[cfg(test)]
mod tests {
    use super::super::disk::SystemDisk;
    use super::*;
    use crate::journal::tests::site_of;

    fn room() -> (tempfile::TempDir, Site, KeyFile) {
        let room = tempfile::tempdir().unwrap();
        let site = site_of(room.path(), u64::MAX);
        let key = KeyFile::open(&SystemDisk, &site.path).unwrap();
        (room, site, key)
    }

    #[test]
    fn the_highest_count_is_read_and_a_torn_slot_leaves_the_other() {
        let (_room, site, key) = room();
        let mark = Mark::open(&site, &key).unwrap();
        assert_eq!(mark.read().unwrap(), None);
        mark.set(1);
        assert_eq!(mark.read().unwrap(), Some(1), "the first slot is blank");
        mark.set(2);
        mark.set(3);
        drop(mark);
        let mark = Mark::open(&site, &key).unwrap();
        assert_eq!(mark.read().unwrap(), Some(3));
        assert!(mark.check(&site.path, 3).unwrap());
        assert!(!mark.check(&site.path, 4).unwrap(), "it was not told yet");
        let behind = mark.check(&site.path, 2);
        assert!(
            matches!(behind, Err(OpenError::Behind { .. })),
            "{behind:?}"
        );
        mark.file.write(SLOT as u64 + 4, &[1; 6]).unwrap();
        assert_eq!(mark.read().unwrap(), Some(2));
        mark.check(&site.path, 2).unwrap();
    }

    #[test]
    fn no_byte_of_a_key_is_shown() {
        let (_room, site, key) = room();
        let mark = Mark::open(&site, &key).unwrap();
        let told = |it: &dyn std::fmt::Debug| format!("{it:?} {it:#?}");
        let path = site.path.display();
        let shown = format!("KeyFile({path}.key, …)");
        assert_eq!(told(&key), format!("{shown} {shown}"));
        let shown = format!("Mark({path}.last, …)");
        assert_eq!(told(&mark), format!("{shown} {shown}"));
    }

    #[test]
    fn any_bit_of_a_slot_counts() {
        let (_room, site, key) = room();
        let mark = Mark::open(&site, &key).unwrap();
        let whole = mark.slot(77);
        assert_eq!(mark.parse(&whole), Some(77));
        for bit in 0..SLOT * 8 {
            let mut slot = whole;
            slot[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(mark.parse(&slot), None, "bit {bit}");
        }
    }

    #[test]
    fn the_mark_of_another_key_proves_nothing() {
        let (_room, site, key) = room();
        Mark::open(&site, &key).unwrap().set(9);
        let (_other_room, _, other) = room();
        let mark = Mark::open(&site, &other).unwrap();
        assert_eq!(mark.read().unwrap(), None);
    }

    #[test]
    fn a_mark_without_its_journal_is_refused_with_or_without_the_key() {
        let (_room, site, key) = room();
        check_journal(&SystemDisk, &site.path).unwrap();
        Mark::open(&site, &key).unwrap();
        let checked = check_journal(&SystemDisk, &site.path);
        assert!(
            matches!(checked, Err(OpenError::JournalGone { .. })),
            "{checked:?}"
        );
        std::fs::write(&site.path, b"x").unwrap();
        check_journal(&SystemDisk, &site.path).unwrap();
    }
}
