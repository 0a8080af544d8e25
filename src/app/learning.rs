//! What polling has learned, kept in a file beside the journal so that a restart starts warm. Nothing
//! depends on it: a file that cannot be read or written is told, and the laws are learned anew.
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::drain::Drain;
use crate::journal::{Disk, beside, fresh};
use crate::polling::{self, KeptError, Schedules};
use crate::protocol::Operation;
use crate::telemetry::with_causes;
use crate::timing::Clock;

/// How often it is written, if anything was learned.
const PERIOD: Duration = Duration::from_mins(1);

/// How long the disk may take for the last of it.
const PATIENCE: Duration = Duration::from_secs(2);

/// A longer file is not read: what a thousand routes have learned is shorter.
const LONGEST: u64 = 16 * 1024 * 1024;

/// Why a file's laws are not taken; the text follows the path.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("cannot be read")]
    File(#[from] io::Error),
    #[error(transparent)]
    Content(#[from] KeptError),
}

/// The file, and whose laws are in it.
#[derive(Clone)]
pub(super) struct Learning {
    schedules: Schedules,
    disk: Arc<dyn Disk>,
    path: Arc<Path>,
    /// One writes at a time: the last one may come while another is under way. True while the disk
    /// does not take it and that was told: it is told once until it goes well again.
    is_told: Arc<Mutex<bool>>,
}

impl Learning {
    /// The file beside a journal, on the same disk.
    pub(super) fn beside(disk: Arc<dyn Disk>, journal: &Path, schedules: Schedules) -> Self {
        Self {
            schedules,
            disk,
            path: beside(journal, polling::SUFFIX).into(),
            is_told: Arc::default(),
        }
    }

    /// Takes what an earlier process learned of the gateways that are `known`.
    pub(super) fn restore(&self, known: impl Fn(&str) -> bool) {
        let read = read(&*self.disk, &self.path).map_err(Unusable::from);
        let taken = read.and_then(|bytes| match bytes {
            Some(bytes) => {
                let known = |gateway: &str, route: &str| known(gateway) && is_operation(route);
                Ok(self.schedules.restore(&bytes, known)?)
            }
            None => Ok(0),
        });
        let path = self.path.display();
        match taken {
            Ok(0) => {}
            Ok(routes) => tracing::info!(%path, routes, "polling starts with what was learned"),
            Err(why) => {
                let error = with_causes(&why);
                tracing::warn!(%path, error, "the file of learned laws is not used: polling starts anew");
            }
        }
    }

    /// Writes it now and then, until the end.
    pub(super) async fn run(self, clock: Clock, drain: Drain) {
        loop {
            tokio::select! {
                () = drain.ended() => return,
                () = clock.sleep_until(clock.now() + PERIOD) => {}
            }
            self.write().await;
        }
    }

    /// Writes what was learned last, unless the disk hangs.
    pub(super) async fn close(&self, clock: Clock) {
        let patience = clock.now() + PATIENCE;
        tokio::select! {
            () = self.write() => {}
            () = clock.sleep_until(patience) => {
                tracing::warn!("the disk does not take what polling learned last");
            }
        }
    }

    /// Writes what was learned, if anything was.
    async fn write(&self) {
        let mut is_told = self.is_told.lock().await;
        let Some(bytes) = self.schedules.learned() else {
            return;
        };
        let (disk, path) = (Arc::clone(&self.disk), Arc::clone(&self.path));
        let writing = tokio::task::spawn_blocking(move || replace(&*disk, &path, &bytes));
        let written = writing
            .await
            .unwrap_or_else(|lost| Err(io::Error::other(lost)));
        let Err(error) = written else {
            *is_told = false;
            return;
        };
        self.schedules.not_kept();
        if !std::mem::replace(&mut is_told, true) {
            let path = self.path.display();
            tracing::warn!(%path, %error, "failed to keep what polling has learned");
        }
    }
}

fn is_operation(route: &str) -> bool {
    Operation::ALL.iter().any(|it| it.name() == route)
}

/// The file's bytes; `None` if there is none.
fn read(disk: &dyn Disk, path: &Path) -> io::Result<Option<Vec<u8>>> {
    let Some(file) = disk.open(path)? else {
        return Ok(None);
    };
    let length = file.length()?;
    if length > LONGEST {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "it is too long",
        ));
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    file.read(0, &mut bytes)?;
    Ok(Some(bytes))
}

/// Puts a whole file in the place of the one before.
fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (fresh, file) = fresh(disk, path)?;
    file.write(0, bytes)?;
    file.sync()?;
    disk.rename(&fresh, path)?;
    disk.sync_directory(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::journal::{DiskFile, Lock, Named, SystemDisk, Work, Working};
    use crate::polling::{Config, Mark, Metrics, Schedule, ScheduleKind, Took};
    use crate::timing::Moment;

    fn beside_journal(journal: &Path, schedules: Schedules) -> Learning {
        Learning::beside(Arc::new(SystemDisk), journal, schedules)
    }

    fn schedules() -> Schedules {
        let hold = Duration::from_mins(5);
        Schedules::new(Config::default(), hold, Metrics::default())
    }

    fn first(schedules: &Schedules) -> Duration {
        // One in some tens scouts, and the first ones do not.
        match schedules.of("one", "payments", Moment::START) {
            Schedule::Planned { steps, .. } => steps[0].at,
            Schedule::Fixed { .. } | Schedule::Exponential { .. } => panic!("no plan"),
        }
    }

    fn learn(schedules: &Schedules) {
        for millis in 0..60 {
            let took = Took {
                after: Duration::from_millis(2800 + millis),
                by: Some(Duration::from_millis(3100 + millis)),
                pending: 1,
                mark: Mark::NONE,
            };
            schedules.learn("one", "payments", took);
        }
    }

    #[tokio::test]
    async fn what_was_learned_is_there_after_a_restart_for_gateways_that_still_are() {
        let room = tempfile::tempdir().unwrap();
        let journal = room.path().join("holdline.redb");
        let before = beside_journal(&journal, schedules());
        learn(&before.schedules);
        before.close(Clock::start()).await;
        let mode = std::fs::metadata(&before.path).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);

        let after = beside_journal(&journal, schedules());
        after.restore(|gateway| gateway == "one");
        assert!(first(&after.schedules) > Duration::from_secs(2));
        let gone = beside_journal(&journal, schedules());
        gone.restore(|gateway| gateway == "another");
        assert_eq!(first(&gone.schedules), Duration::from_millis(400));
    }

    /// Nobody holds the two intervals against each other unless both are gone by.
    #[tokio::test]
    async fn what_was_learned_waits_out_a_process_with_another_schedule_whatever_its_intervals_are()
    {
        let room = tempfile::tempdir().unwrap();
        let journal = room.path().join("holdline.redb");
        let before = beside_journal(&journal, schedules());
        learn(&before.schedules);
        before.close(Clock::start()).await;

        let hold = Duration::from_mins(5);
        let fixed = Config {
            schedule: ScheduleKind::Fixed,
            min_interval: Duration::from_secs(1),
            max_interval: Duration::from_millis(900),
            ..Config::default()
        };
        let fixed = Schedules::new(fixed, hold, Metrics::default());
        let after = beside_journal(&journal, fixed);
        after.restore(|_| true);
        after.schedules.reconfigure(Config::default(), hold);
        assert!(first(&after.schedules) > Duration::from_secs(2));
    }

    #[tokio::test]
    async fn nothing_is_written_where_nothing_was_learned_and_what_failed_is_written_later() {
        let room = tempfile::tempdir().unwrap();
        let directory = room.path().join("later");
        let learning = beside_journal(&directory.join("holdline.redb"), schedules());
        let is_told = async || *learning.is_told.lock().await;
        learning.write().await;
        assert!(!is_told().await);
        learn(&learning.schedules);
        learning.write().await;
        assert!(is_told().await, "there is no directory");
        std::fs::create_dir(&directory).unwrap();
        learning.write().await;
        assert!(!is_told().await);
        let names = std::fs::read_dir(&directory).unwrap();
        let names: Vec<_> = names.map(|name| name.unwrap().file_name()).collect();
        assert_eq!(names, ["holdline.redb.law"]);
        std::fs::remove_file(&learning.path).unwrap();
        learning.write().await;
        assert!(
            !learning.path.exists(),
            "it was written, and nothing came since"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_is_killed_loses_no_more_than_the_last_minute() {
        let room = tempfile::tempdir().unwrap();
        let journal = room.path().join("holdline.redb");
        let learning = beside_journal(&journal, schedules());
        learn(&learning.schedules);
        tokio::select! {
            () = learning.run(Clock::start(), Drain::new()) => unreachable!("nothing drains"),
            () = tokio::time::sleep(PERIOD + Duration::from_millis(1)) => {}
        }
        let after = beside_journal(&journal, schedules());
        after.restore(|_| true);
        assert!(first(&after.schedules) > Duration::from_secs(2));
    }

    #[tokio::test]
    async fn a_file_that_is_damaged_or_none_of_ours_starts_cold() {
        let room = tempfile::tempdir().unwrap();
        let learning = beside_journal(&room.path().join("holdline.redb"), schedules());
        learn(&learning.schedules);
        learning.write().await;
        let whole = std::fs::read(&learning.path).unwrap();
        for bytes in [&whole[..whole.len() - 1], b"not a law", b""] {
            std::fs::write(&learning.path, bytes).unwrap();
            let cold = beside_journal(&room.path().join("holdline.redb"), schedules());
            cold.restore(|_| true);
            assert_eq!(first(&cold.schedules), Duration::from_millis(400));
        }
    }

    /// A disk that fails from a step on, as one does whose process has ended.
    #[derive(Clone, Debug)]
    struct Ending {
        left: Arc<AtomicUsize>,
    }

    impl Ending {
        fn step(&self) -> io::Result<SystemDisk> {
            let less = |left: usize| left.checked_sub(1);
            let step = self
                .left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
            step.map(|_| SystemDisk)
                .map_err(|_| io::Error::other("the end"))
        }

        fn file(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
            let ending = self.clone();
            Arc::new(EndingFile { file, ending })
        }
    }

    impl Disk for Ending {
        fn open(&self, path: &Path) -> io::Result<Option<Arc<dyn DiskFile>>> {
            Ok(self.step()?.open(path)?.map(|file| self.file(file)))
        }

        fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
            Ok(self.file(self.step()?.create(path)?))
        }

        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            self.step()?.rename(from, to)
        }

        fn remove(&self, path: &Path) -> io::Result<()> {
            self.step()?.remove(path)
        }

        fn sync_directory(&self, path: &Path) -> io::Result<()> {
            self.step()?.sync_directory(path)
        }

        fn run(&self, work: Work) -> Working {
            SystemDisk.run(work)
        }
    }

    #[derive(Debug)]
    struct EndingFile {
        file: Arc<dyn DiskFile>,
        ending: Ending,
    }

    impl DiskFile for EndingFile {
        fn length(&self) -> io::Result<u64> {
            self.ending.step()?;
            self.file.length()
        }

        fn set_length(&self, length: u64) -> io::Result<()> {
            self.ending.step()?;
            self.file.set_length(length)
        }

        fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
            self.ending.step()?;
            self.file.read(offset, into)
        }

        /// Only half of it, where it is the last.
        fn write(&self, offset: u64, from: &[u8]) -> io::Result<()> {
            self.ending.step()?;
            if self.ending.left.load(Ordering::Relaxed) == 0 {
                return self.file.write(offset, &from[..from.len() / 2]);
            }
            self.file.write(offset, from)
        }

        fn sync(&self) -> io::Result<()> {
            self.ending.step()?;
            self.file.sync()
        }

        fn mode(&self) -> io::Result<u32> {
            self.file.mode()
        }

        fn lock(&self) -> io::Result<Lock> {
            self.file.lock()
        }

        fn named(&self, path: &Path) -> io::Result<Named> {
            self.file.named(path)
        }
    }

    #[test]
    fn at_whatever_step_a_process_ends_one_whole_file_is_there() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("holdline.redb.law");
        let (old, new) = (vec![1; 4000], vec![2; 5000]);
        replace(&SystemDisk, &path, &old).unwrap();
        let mut steps = 0;
        loop {
            let left = Arc::new(AtomicUsize::new(steps));
            let is_through = replace(&Ending { left }, &path, &new).is_ok();
            let there = read(&SystemDisk, &path).unwrap().unwrap();
            assert!(there == old || there == new, "after {steps} steps");
            if is_through {
                assert_eq!(there, new);
                break;
            }
            steps += 1;
        }
        assert_eq!(steps, 7, "each step was the last once");
    }
}
