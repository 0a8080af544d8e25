//! The log: a small file beside the journal, in which a commit is one write and one sync.
//!
//! Frames (`frame.rs`) stand in it from the beginning on, each at a multiple of 4096 bytes.
//!
//! A commit of redb costs more than ten pages and twice the processor time of a sync. So entries are
//! made durable here, and are taken into the file together every two seconds, when the log is full
//! and whenever somebody reads; then the log begins anew, over its old frames.
//!
//! A frame's number is one above that of the commit before it, and it is bound to its seal: the first
//! frame belongs to the journal if it follows the last commit in the file, and each next one if it
//! follows the frame before it. The first that does not is the end: one of an earlier round, or one
//! that was never whole. No two share a page, so a write that is torn spoils no other frame; and none
//! is begun before the one before it is durable, so one beyond the end tells that something is gone.
//!
//! The file is written from end to end once, when it is made, so that a sync has no more to write than
//! the frame.
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Disk, DiskFile, beside};
use super::frame::{HEADER, PAGE, entries, in_pages, pages, parts, records};
use super::key::check_mode;
use crate::journal::Place;
use crate::journal::error::OpenError;
use crate::journal::fault::StoreError;
use crate::journal::records::seal::{FrameKey, OVERHEAD};
use crate::journal::space::weight;

/// A few seconds of frames, or a few hundred answers.
const SIZE: usize = 1024 * 1024;

/// What is written at once while it is made. The allocator keeps a megabyte that was used twice.
const PIECE: usize = 64 * 1024;

/// The log of an open journal.
#[derive(Debug)]
pub(in crate::journal) struct Log {
    /// Where there is one; a journal that is looked at only may have none.
    file: Option<Arc<dyn DiskFile>>,
    key: FrameKey,
    path: PathBuf,
    /// Where the next frame goes.
    end: usize,
    /// How many commits there are, in the file and here.
    commits: u64,
    /// What is durable here and is not in the file: what is sealed in each frame.
    pending: Vec<Vec<u8>>,
    /// What these take in the file.
    weight: u64,
    /// There is a frame that does not follow.
    is_behind: bool,
    /// What stands here ends before the last frame that the file took in.
    is_older: bool,
    /// Set while the file takes in what stands here, and why it failed to: whether it has it is known when
    /// both are opened anew, and a frame that came meanwhile would follow nothing.
    suspended: Option<Arc<str>>,
}

/// What the file tells of its log.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::journal) struct TakenIn {
    /// How many commits the file has.
    pub(in crate::journal) commits: u64,
    /// The last frame that it took in; 0 if there was none.
    pub(in crate::journal) frame: u64,
}

/// Where the log of a journal is.
pub(in crate::journal) fn path_of(journal: &Path) -> PathBuf {
    beside(journal, ".wal")
}

/// Opens the log of a journal that is there, and makes an empty one where there is none.
pub(in crate::journal) fn make(
    disk: &dyn Disk,
    journal: &Path,
) -> Result<Arc<dyn DiskFile>, OpenError> {
    let path = path_of(journal);
    let failed = |step| OpenError::of(step, &path);
    let file = match open(disk, journal)? {
        Some(file) => file,
        None => disk.create(&path).map_err(failed("make"))?,
    };
    let length = file.length().map_err(failed("read"))?;
    // Zeros are no frame, so one that is not whole is filled up where it stands.
    if length < SIZE as u64 {
        let filled = fill(&*file, length).and_then(|()| file.sync());
        filled.map_err(failed("write"))?;
        disk.sync_directory(&path).map_err(failed("sync"))?;
    }
    Ok(file)
}

/// Writes zeros from `length` to the log's whole size.
fn fill(file: &dyn DiskFile, length: u64) -> io::Result<()> {
    let zeros = vec![0; PIECE];
    let mut missing = (SIZE as u64).saturating_sub(length);
    while missing > 0 {
        let piece = usize::try_from(missing).map_or(PIECE, |missing| missing.min(PIECE));
        let piece = zeros.get(..piece).unwrap_or_default();
        file.write(SIZE as u64 - missing, piece)?;
        missing = missing.saturating_sub(piece.len() as u64);
    }
    Ok(())
}

/// Opens the log of a journal, if it has one.
pub(in crate::journal) fn open(
    disk: &dyn Disk,
    journal: &Path,
) -> Result<Option<Arc<dyn DiskFile>>, OpenError> {
    let path = path_of(journal);
    let file = disk.open(&path).map_err(OpenError::of("open", &path))?;
    if let Some(file) = &file {
        check_mode(&**file, &path)?;
    }
    Ok(file)
}

impl Log {
    /// Reads what the log holds beyond what the file has.
    pub(in crate::journal) fn read(
        file: Option<Arc<dyn DiskFile>>,
        journal: &Path,
        key: FrameKey,
        TakenIn { commits, frame }: TakenIn,
    ) -> Result<Self, OpenError> {
        let mut log = Self {
            file,
            key,
            path: path_of(journal),
            end: 0,
            commits,
            pending: Vec::new(),
            weight: 0,
            is_behind: false,
            is_older: false,
            suspended: None,
        };
        let bytes = log.bytes().map_err(OpenError::of("read", &log.path))?;
        log.end = log.behind_taken_in(&bytes);
        while let Some((length, clear)) = log.frame(&bytes, log.end, log.commits + 1) {
            if entries(&clear).is_none() {
                return Err(OpenError::Damaged {
                    path: log.path.clone(),
                    what: format!("frame {} has no form that is known", log.commits + 1),
                });
            }
            log.follow(clear, length);
        }
        log.is_behind = (log.end..bytes.len())
            .step_by(PAGE)
            .any(|at| log.is_beyond(&bytes, at));
        log.is_older = log.ends_before(&bytes, frame);
        if let Some(file) = &log.file {
            // A process that was killed may have left a frame in the system's cache alone. Once the file
            // has taken it in, a log without it looks like an older one.
            if !log.is_empty() {
                file.sync().map_err(OpenError::of("sync", &log.path))?;
            }
            file.pass_cache();
        }
        Ok(log)
    }

    fn bytes(&self) -> io::Result<Vec<u8>> {
        let Some(file) = &self.file else {
            return Ok(Vec::new());
        };
        let length = usize::try_from(file.length()?).unwrap_or(SIZE).min(SIZE);
        let mut bytes = vec![0; length];
        file.read(0, &mut bytes)?;
        Ok(bytes)
    }

    /// The frame of this number, if it stands there: how long it is, and what is in it.
    pub(in crate::journal) fn frame(
        &self,
        bytes: &[u8],
        at: usize,
        number: u64,
    ) -> Option<(usize, Vec<u8>)> {
        let (found, sealed) = parts(bytes.get(at..)?)?;
        if found != number {
            return None;
        }
        let clear = self.key.open(number, sealed).ok()?;
        Some((HEADER + sealed.len(), clear))
    }

    /// True if a frame stands there whose number is above that of the next one.
    fn is_beyond(&self, bytes: &[u8], at: usize) -> bool {
        let number = bytes.get(at..).and_then(parts).map(|(number, _)| number);
        number.is_some_and(|number| {
            number > self.commits.saturating_add(1) && self.frame(bytes, at, number).is_some()
        })
    }

    /// The offset of the first frame the file lacks. It is not 0 if the file took frames in but reported
    /// failure, since the log was then not restarted.
    fn behind_taken_in(&self, bytes: &[u8]) -> usize {
        let walked = self.walk(bytes, self.commits);
        let goes_on = |&(_, at, next): &(u64, usize, u64)| {
            next == self.commits.saturating_add(1) && self.frame(bytes, at, next).is_some()
        };
        walked.filter(goes_on).map_or(0, |(_, at, _)| at)
    }

    /// True if the frames from the first one on end before the one of this number.
    fn ends_before(&self, bytes: &[u8], last: u64) -> bool {
        self.walk(bytes, u64::MAX).is_some_and(|(first, at, next)| {
            first < next && next <= last && self.is_end(bytes, at, next)
        })
    }

    /// Walks over the frames that follow each other from the beginning on, up to that of a number: the
    /// first one's number, where they end, and which number is next.
    fn walk(&self, bytes: &[u8], last: u64) -> Option<(u64, usize, u64)> {
        let (first, _) = parts(bytes)?;
        let (mut at, mut next) = (0, first);
        while next <= last
            && let Some((length, _)) = self.frame(bytes, at, next)
        {
            at += pages(length).unwrap_or(SIZE);
            next = next.saturating_add(1);
        }
        Some((first, at, next))
    }

    /// True if nothing stands there, or a frame of an earlier round. What is left of one that was torn
    /// does not tell where the log ends.
    fn is_end(&self, bytes: &[u8], at: usize, next: u64) -> bool {
        match bytes.get(at..).and_then(parts) {
            Some((0, [])) => true,
            Some((number, _)) => number < next && self.frame(bytes, at, number).is_some(),
            None => at >= bytes.len(),
        }
    }

    /// Refuses a journal that lacks commits of which its log tells, and one beside which an older log
    /// stands: what the right one holds is lost, unless the mark says that there was no more.
    pub(in crate::journal) fn check(&self, journal: &Path, is_all: bool) -> Result<(), OpenError> {
        let (journal, log) = (journal.to_owned(), self.path.clone());
        if self.is_behind {
            let witness = log;
            return Err(OpenError::Behind { journal, witness });
        }
        if self.is_older && !is_all {
            return Err(OpenError::LogOlder { journal, log });
        }
        Ok(())
    }

    /// Makes what a frame holds durable. Where there is no room for it, it is given back.
    pub(in crate::journal) fn append(
        &mut self,
        clear: Vec<u8>,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.check_taking()?;
        let Some(file) = &self.file else {
            return Ok(Some(clear));
        };
        let number = self.commits.saturating_add(1);
        let length = HEADER + clear.len() + OVERHEAD;
        let Some(pages) = pages(length).filter(|pages| self.end + pages <= SIZE) else {
            return Ok(Some(clear));
        };
        let sealed = self.key.seal(number, &clear);
        let sealed = sealed.map_err(StoreError::Frame)?;
        let (memory, start) = in_pages(number, &sealed, pages);
        let frame = memory.get(start..).unwrap_or_default();
        file.write(self.end as u64, frame)
            .and_then(|()| file.sync())
            .map_err(StoreError::Log)?;
        self.follow(clear, length);
        Ok(None)
    }

    /// Takes a frame that is durable.
    fn follow(&mut self, clear: Vec<u8>, length: usize) {
        self.end += pages(length).unwrap_or(SIZE);
        self.commits = self.commits.saturating_add(1);
        let weight = |record: &[u8]| weight(record.len() + OVERHEAD);
        self.weight += records(&clear).map(|(_, it)| weight(it)).sum::<u64>();
        self.pending.push(clear);
    }

    /// Nothing is written here until the file has what stands here; why, should it not come to that.
    pub(in crate::journal) fn suspend(&mut self, why: &str) {
        self.suspended = Some(why.into());
    }

    /// An error once the file failed to take in what stands here.
    pub(in crate::journal) fn check_taking(&self) -> Result<(), StoreError> {
        let suspended = self.suspended.as_ref().map(Arc::clone);
        suspended.map_or(Ok(()), |why| Err(StoreError::NotTakenIn(why)))
    }

    /// All is in the file, which has so many commits: the next frame is the first.
    pub(in crate::journal) fn begin_anew(&mut self, commits: u64) {
        (self.end, self.commits, self.weight) = (0, commits, 0);
        self.suspended = None;
        self.pending.clear();
    }

    /// How many commits there are, in the file and here.
    pub(in crate::journal) const fn commits(&self) -> u64 {
        self.commits
    }

    /// True if everything is in the file.
    pub(in crate::journal) const fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// What is not in the file yet, in order.
    pub(in crate::journal) fn records(&self) -> impl Iterator<Item = (Place, &[u8])> {
        self.pending.iter().flat_map(|clear| records(clear))
    }

    /// What this takes in the file.
    pub(in crate::journal) const fn weight(&self) -> u64 {
        self.weight
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::disk::SystemDisk;
    use super::super::frame::clear;
    use super::*;
    use crate::journal::samples::{entry, head};
    use crate::journal::{Change, Entry};

    /// A log over a file of its own, as it is read after so many commits.
    fn log(room: &Path, commits: u64) -> Log {
        log_after(room, TakenIn { commits, frame: 0 })
    }

    fn log_after(room: &Path, taken_in: TakenIn) -> Log {
        let journal = room.join("a.redb");
        let file = make(&SystemDisk, &journal).unwrap();
        let key = FrameKey::new(&[1; 32], 7).unwrap();
        Log::read(Some(file), &journal, key, taken_in).unwrap()
    }

    /// A log with the frames 6, 7 and 8.
    fn log_of_three(room: &Path) -> Log {
        let mut log = log(room, 5);
        for number in 1..4 {
            assert!(takes(&mut log, number..number + 1));
        }
        log
    }

    /// Appends what begins these exchanges; false if there is no room for it.
    fn takes(log: &mut Log, numbers: std::ops::Range<u64>) -> bool {
        let submitted = |number| entry(number, 0, Change::Submitted(Box::new(head(1))));
        let entries: Vec<Entry> = numbers.map(submitted).collect();
        log.append(clear(&entries)).unwrap().is_none()
    }

    fn numbers(log: &Log) -> Vec<u64> {
        log.records().map(|(place, _)| place.number.0).collect()
    }

    #[test]
    fn frames_that_follow_the_file_are_read_and_no_others() {
        let room = tempfile::tempdir().unwrap();
        let mut written = log(room.path(), 5);
        assert!(written.is_empty());
        for first in [1, 2, 30] {
            assert!(takes(&mut written, first..first + 1));
        }
        let read = |commits| log(room.path(), commits);
        let all = read(5);
        assert_eq!((numbers(&all), all.commits()), (vec![1, 2, 30], 8));
        assert_eq!(all.weight(), written.weight());
        let journal = room.path().join("a.redb");
        // The file took some of them in, and was not known to.
        for (commits, left) in [(8, vec![]), (7, vec![30]), (6, vec![2, 30])] {
            let read = read(commits);
            assert_eq!(numbers(&read), left, "{commits}");
            assert!(read.check(&journal, false).is_ok(), "{commits}");
        }
        for commits in [0, 4] {
            let read = read(commits);
            assert_eq!(numbers(&read), [0; 0], "{commits}");
            assert!(read.check(&journal, false).is_err(), "{commits}");
        }
        // What follows them is read with them.
        let mut went_on = log(room.path(), 7);
        assert!(takes(&mut went_on, 31..32));
        assert_eq!(numbers(&read(6)), [2, 30, 31]);
        written = log(room.path(), 5);
        // The file has taken them in: the next one takes the place of the first.
        written.begin_anew(9);
        assert!(takes(&mut written, 40..80));
        assert_eq!(numbers(&read(9)), (40..80).collect::<Vec<_>>());
        assert!(read(9).check(&journal, false).is_ok());
        assert!(read(5).check(&journal, false).is_err());
    }

    #[test]
    fn a_log_that_ends_before_what_the_file_took_in_is_an_older_one() {
        let room = tempfile::tempdir().unwrap();
        let journal = room.path().join("a.redb");
        let mut written = log_of_three(room.path());
        let check = |commits, frame, is_all| {
            let read = log_after(room.path(), TakenIn { commits, frame });
            read.check(&journal, is_all).is_ok()
        };
        assert!(check(8, 8, false), "it holds frames 6 to 8");
        assert!(check(12, 8, false), "the others were too long for it");
        assert!(!check(12, 9, false));
        assert!(check(12, 9, true), "there was no more");
        // The first frame of a new round tells nothing of the one before.
        written.begin_anew(9);
        assert!(takes(&mut written, 40..41));
        assert!(check(9, 9, false));
        let path = path_of(&journal);
        let file = SystemDisk.open(&path).unwrap().unwrap();
        file.write(20, &[1]).unwrap();
        assert!(check(9, 9, false), "nor does one that is torn");
    }

    #[test]
    fn a_frame_of_which_only_the_end_was_written_makes_no_log_an_older_one() {
        let room = tempfile::tempdir().unwrap();
        let journal = room.path().join("a.redb");
        let mut written = log_of_three(room.path());
        let path = path_of(&journal);
        let first = std::fs::read(&path).unwrap()[..PAGE].to_vec();
        written.begin_anew(8);
        assert!(takes(&mut written, 10..30));
        assert!(written.end > PAGE);
        let file = SystemDisk.open(&path).unwrap().unwrap();
        file.write(0, &first).unwrap();
        let (commits, frame) = (8, 8);
        let read = log_after(room.path(), TakenIn { commits, frame });
        assert!(read.is_empty() && read.check(&journal, false).is_ok());
    }

    #[test]
    fn what_there_is_no_room_for_is_not_taken() {
        let room = tempfile::tempdir().unwrap();
        let mut written = log(room.path(), 0);
        assert!(!takes(&mut written, 0..9_000));
        assert!(written.is_empty());
        let mut frames = 0;
        while takes(&mut written, frames..frames + 1) {
            frames += 1;
        }
        assert_eq!(frames, (SIZE / PAGE) as u64);
        assert_eq!(
            numbers(&log(room.path(), 0)),
            (0..frames).collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_log_that_was_not_made_to_its_end_is() {
        let room = tempfile::tempdir().unwrap();
        let mut written = log(room.path(), 0);
        assert!(takes(&mut written, 1..2));
        let path = path_of(&room.path().join("a.redb"));
        let file = SystemDisk.open(&path).unwrap().unwrap();
        file.set_length(PAGE as u64 + 1).unwrap();
        assert_eq!(numbers(&log(room.path(), 0)), [1]);
        assert_eq!(file.length().unwrap(), SIZE as u64);
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_frame(bytes: Vec<u8>, at: prop::sample::Index, number: u64) {
            let key = FrameKey::new(&[1; 32], 7).unwrap();
            let log = Log::read(None, Path::new("a.redb"), key, TakenIn::default()).unwrap();
            let at = at.index(bytes.len() + 1);
            prop_assert!(log.frame(&bytes, at, number).is_none());
        }
    }
}
