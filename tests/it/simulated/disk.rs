//! A disk in memory that keeps what a process wrote in two views: as the process sees it, and as it
//! stands after a loss of power. Between a write and its sync the seed says what becomes of it.
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use holdline::journal::{Disk, DiskFile, Lock, Work, Working};

use super::life::{Death, Life, Step};

/// What a disk writes at once, or not at all.
const SECTOR: usize = 512;

/// How the disk breaks its word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Word {
    /// It does not.
    #[default]
    Kept,
    /// What is synced is not durable.
    SyncsNothing,
    /// The names in a synced directory are not durable.
    SyncsNoNames,
}

/// A disk. Clones are handles on the same one.
#[derive(Clone)]
pub(crate) struct Platter(Arc<Mutex<State>>);

/// How long a piece of work takes, or which error its writes and syncs end with.
type Weather = Box<dyn FnMut(Step) -> Option<io::ErrorKind> + Send>;
type Pace = Box<dyn FnMut() -> Duration + Send>;

struct State {
    rng: Rng,
    word: Word,
    weather: Weather,
    pace: Pace,
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    /// The names after a loss of power, and what was done to them since they were made durable.
    durable_names: BTreeMap<PathBuf, usize>,
    pending_names: Vec<BTreeMap<PathBuf, usize>>,
}

#[derive(Clone, Default)]
struct Inode {
    seen: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
    /// The process that locked it.
    holder: Option<u32>,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Resize(usize),
}

impl Platter {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            rng: Rng::with_seed(seed),
            word: Word::Kept,
            weather: Box::new(|_| None),
            pace: Box::new(|| Duration::ZERO),
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending_names: Vec::new(),
        })))
    }

    /// From now on it breaks its word like this.
    pub(crate) fn breaks(&self, word: Word) {
        self.state().word = word;
    }

    /// Which writes, resizes and syncs fail.
    pub(crate) fn weather(
        &self,
        weather: impl FnMut(Step) -> Option<io::ErrorKind> + Send + 'static,
    ) {
        self.state().weather = Box::new(weather);
    }

    /// How long each piece of work takes.
    pub(crate) fn pace(&self, pace: impl FnMut() -> Duration + Send + 'static) {
        self.state().pace = Box::new(pace);
    }

    /// The disk as a process uses it.
    pub(crate) fn of(&self, life: &Life) -> Arc<dyn Disk> {
        let platter = self.clone();
        life.at_end(move |death| platter.state().lose(death));
        Arc::new(Mounted {
            platter: self.clone(),
            life: life.clone(),
        })
    }

    /// A disk on which is only what a loss of power cannot take.
    pub(crate) fn sure(&self) -> Self {
        let copy = Self::new(0);
        let state = self.state();
        let inodes = state.inodes.iter().map(|inode| Inode {
            seen: inode.durable.clone(),
            durable: inode.durable.clone(),
            ..Inode::default()
        });
        {
            let mut to = copy.state();
            to.inodes = inodes.collect();
            to.names = state.durable_names.clone();
            to.durable_names = state.durable_names.clone();
        }
        copy
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What the end of a process leaves.
    fn lose(&mut self, death: Death) {
        for inode in &mut self.inodes {
            inode.holder = None;
        }
        if death == Death::Killed {
            return;
        }
        // A file system keeps the order in which names were changed.
        let kept = self.rng.usize(..=self.pending_names.len());
        if let Some(names) = kept
            .checked_sub(1)
            .map(|last| self.pending_names.swap_remove(last))
        {
            self.durable_names = names;
        }
        self.pending_names.clear();
        self.names = self.durable_names.clone();
        for inode in &mut self.inodes {
            inode.lose(&mut self.rng);
        }
    }

    fn rename(&mut self, change: impl FnOnce(&mut BTreeMap<PathBuf, usize>)) {
        change(&mut self.names);
        self.pending_names.push(self.names.clone());
    }
}

impl Inode {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.pending.push(change);
    }

    fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    /// Of what was not synced some is kept, some is lost, and some is torn.
    fn lose(&mut self, rng: &mut Rng) {
        for change in std::mem::take(&mut self.pending) {
            match rng.u8(..3) {
                0 => {}
                1 => change.apply(&mut self.durable),
                _ => change.tear(&mut self.durable, rng),
            }
        }
        self.seen.clone_from(&self.durable);
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Resize(len) => bytes.resize(*len, 0),
            Self::Write(offset, from) => put(bytes, *offset, from),
        }
    }

    /// Some sectors of it.
    fn tear(&self, bytes: &mut Vec<u8>, rng: &mut Rng) {
        let Self::Write(offset, from) = self else {
            return;
        };
        let mut start = 0;
        while start < from.len() {
            let end = from.len().min(start + SECTOR - (offset + start) % SECTOR);
            if rng.bool() {
                put(bytes, offset + start, &from[start..end]);
            }
            start = end;
        }
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, from: &[u8]) {
    let end = offset + from.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(from);
}

/// A disk in the hands of a process.
#[derive(Clone)]
struct Mounted {
    platter: Platter,
    life: Life,
}

impl fmt::Debug for Mounted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Mounted").finish_non_exhaustive()
    }
}

impl Mounted {
    /// The disk, if the process lives to take the step and the disk does not refuse it.
    fn take(&self, step: Step) -> io::Result<MutexGuard<'_, State>> {
        if !self.life.step(step) {
            return Err(io::Error::other("the process has ended"));
        }
        let mut state = self.platter.state();
        match (state.weather)(step) {
            Some(kind) => Err(kind.into()),
            None => Ok(state),
        }
    }

    fn file(&self, inode: usize) -> Arc<dyn DiskFile> {
        Arc::new(Handle {
            disk: self.clone(),
            inode,
        })
    }
}

impl Disk for Mounted {
    fn open(&self, path: &Path) -> io::Result<Option<Arc<dyn DiskFile>>> {
        let found = self.take(Step::DiskRead)?.names.get(path).copied();
        Ok(found.map(|inode| self.file(inode)))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.take(Step::DiskName)?;
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = state.inodes.len();
        state.inodes.push(Inode::default());
        state.rename(|names| {
            names.insert(path.to_owned(), inode);
        });
        drop(state);
        Ok(self.file(inode))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.take(Step::DiskName)?;
        let Some(inode) = state.names.get(from).copied() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        state.rename(|names| {
            names.remove(from);
            names.insert(to.to_owned(), inode);
        });
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.take(Step::DiskName)?;
        state.rename(|names| {
            names.remove(path);
        });
        Ok(())
    }

    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        let mut state = self.take(Step::DirectorySync)?;
        if state.word != Word::SyncsNoNames {
            state.durable_names = state.names.clone();
            state.pending_names.clear();
        }
        Ok(())
    }

    /// The work is done here and now, so that a seed plays the same run every time.
    fn run(&self, work: Work) -> Working {
        let (life, pace) = (self.life.clone(), (self.platter.state().pace)());
        Box::pin(async move {
            if !pace.is_zero() {
                tokio::time::sleep(pace).await;
            }
            if !life.has_ended() {
                work();
            }
            if life.has_ended() {
                std::future::pending::<()>().await;
            }
        })
    }
}

/// An open file.
struct Handle {
    disk: Mounted,
    inode: usize,
}

impl fmt::Debug for Handle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl Handle {
    fn change(&self, step: Step, change: Change) -> io::Result<()> {
        let mut state = self.disk.take(step)?;
        state.inodes[self.inode].change(change);
        Ok(())
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

impl DiskFile for Handle {
    fn length(&self) -> io::Result<u64> {
        let state = self.disk.take(Step::DiskRead)?;
        Ok(state.inodes[self.inode].seen.len() as u64)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.change(Step::DiskResize, Change::Resize(place(length)))
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let state = self.disk.take(Step::DiskRead)?;
        let start = place(offset);
        let seen = &state.inodes[self.inode].seen;
        match seen.get(start..start + into.len()) {
            Some(bytes) => into.copy_from_slice(bytes),
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        Ok(())
    }

    fn write(&self, offset: u64, from: &[u8]) -> io::Result<()> {
        let change = Change::Write(place(offset), from.to_vec());
        self.change(Step::DiskWrite, change)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.take(Step::DiskSync)?;
        if state.word != Word::SyncsNothing {
            state.inodes[self.inode].sync();
        }
        Ok(())
    }

    fn mode(&self) -> io::Result<u32> {
        Ok(0o600)
    }

    fn lock(&self) -> io::Result<Lock> {
        let number = self.disk.life.number();
        let mut state = self.disk.take(Step::DiskRead)?;
        let holder = &mut state.inodes[self.inode].holder;
        match *holder {
            Some(other) if other != number => Ok(Lock::Held(Some(other))),
            _ => {
                *holder = Some(number);
                Ok(Lock::Ours)
            }
        }
    }
}
