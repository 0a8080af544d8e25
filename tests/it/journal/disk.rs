//! A disk in memory: what is not synced may be lost, kept or torn at a crash, as a seed has it.
//!
//! Every operation is a step and has a number, so that a test can have the power fail, or the disk
//! refuse, at each of them in turn. Nothing here waits for anything: the same calls are the same run.
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastrand::Rng;
use holdline::journal::{Disk, DiskFile, Lock, Named, Work, Working};
use nix::errno::Errno;

use super::content::{Change, Content};

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crash {
    /// The system lives on, and with it all that was written.
    Kill,
    /// The power fails: the seed tells what of the unsynced reached the disk.
    Power(u64),
}

/// What the disk answers instead of doing what it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// EIO, for everything.
    Broken,
    /// ENOSPC, for what needs room.
    Full,
    /// EIO for a sync, which is done all the same.
    DoneAllTheSame,
}

/// A disk in a test's hands. A clone is the same disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct SimulatedDisk {
    state: Arc<Mutex<State>>,
    hung: tokio::sync::watch::Sender<bool>,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a fault of its own")]
#[derive(Debug, Default)]
struct State {
    files: Vec<Content>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    /// Changes of names that no directory sync has made durable, in order.
    pending_names: Vec<BTreeMap<PathBuf, usize>>,
    step: u64,
    dies_at: Option<u64>,
    dead: bool,
    refusals: Vec<(std::ops::Range<u64>, Refusal)>,
    lies_about_files: bool,
    lies_about_names: bool,
    lies_about: Option<PathBuf>,
    refuses_to_write: Option<PathBuf>,
    /// What a failed sync did not write is read from the system's cache for as long as nobody has it
    /// forgotten; else it is forgotten when the file is opened anew.
    keeps_cache: bool,
    /// Handles of an earlier life are dead.
    life: u64,
}

impl SimulatedDisk {
    /// The process dies at the step of this number: it and all later ones are never done.
    pub(crate) fn dies_at(&self, step: u64) {
        self.state().dies_at = Some(step);
    }

    /// The disk refuses the steps of these numbers.
    pub(crate) fn refuses(&self, steps: std::ops::Range<u64>, refusal: Refusal) {
        self.state().refusals.push((steps, refusal));
    }

    /// The disk does nothing that it is asked for until it heals.
    pub(crate) fn hangs(&self) {
        self.hung.send_replace(true);
    }

    /// The disk refuses nothing any more.
    pub(crate) fn heals(&self) {
        let mut state = self.state();
        state.refusals.clear();
        state.refuses_to_write = None;
        drop(state);
        self.hung.send_replace(false);
    }

    /// From now on a file's sync does nothing and says that it did.
    pub(crate) fn lies_about_files(&self) {
        self.state().lies_about_files = true;
    }

    /// From now on the sync of this one file does nothing and says that it did.
    pub(crate) fn lies_about(&self, path: &Path) {
        self.state().lies_about = Some(path.to_owned());
    }

    /// From now on the disk takes nothing that is written to this one file.
    pub(crate) fn refuses_to_write(&self, path: &Path) {
        self.state().refuses_to_write = Some(path.to_owned());
    }

    /// What a failed sync did not write stays in the system's cache.
    pub(crate) fn keeps_cache(&self) {
        self.state().keeps_cache = true;
    }

    /// From now on a directory's sync does nothing and says that it did.
    pub(crate) fn lies_about_names(&self) {
        self.state().lies_about_names = true;
    }

    /// How many steps were taken.
    pub(crate) fn steps(&self) -> u64 {
        self.state().step
    }

    /// True once the process has died.
    pub(crate) fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// The process ends, if it has not yet; what it left is what the next one finds.
    pub(crate) fn crash(&self, crash: Crash) {
        let mut state = self.state();
        if let Crash::Power(seed) = crash {
            state.lose(&mut Rng::with_seed(seed));
        }
        state.life += 1;
        state.dead = false;
        state.dies_at = None;
        state.refusals.clear();
        for file in &mut state.files {
            file.locked = false;
        }
    }

    /// Another disk, on which is only what no end of the power can take.
    pub(crate) fn sure(&self) -> Self {
        let state = self.state();
        let files = state.files.iter().map(|file| Content {
            seen: file.durable.clone(),
            durable: file.durable.clone(),
            ..Content::default()
        });
        let sure = State {
            files: files.collect(),
            names: state.durable_names.clone(),
            durable_names: state.durable_names.clone(),
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(sure)),
            hung: tokio::sync::watch::Sender::default(),
        }
    }

    /// A file's bytes as a process sees them.
    pub(crate) fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        let file = *state.names.get(path)?;
        Some(state.files[file].seen.clone())
    }

    /// Changes a file behind everybody's back, durably.
    pub(crate) fn alter(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let file = state.names[path];
        let content = &mut state.files[file];
        change(&mut content.seen);
        content.durable = content.seen.clone();
        content.pending.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self, file: usize, life: u64) -> Arc<dyn DiskFile> {
        Arc::new(SimulatedFile {
            disk: self.clone(),
            file,
            life,
            locked: AtomicBool::new(false),
        })
    }
}

impl State {
    /// Counts a step, and dies or refuses where that is planned.
    fn step(&mut self, needs_room: bool) -> io::Result<()> {
        if self.dead {
            return Err(io::Error::other("the process has died"));
        }
        let step = self.step;
        self.step += 1;
        if self.dies_at == Some(step) {
            self.dead = true;
            return Err(io::Error::other("the process dies"));
        }
        match self.planned(step) {
            Some(Refusal::Broken) => Err(Errno::EIO.into()),
            Some(Refusal::Full) if needs_room => Err(Errno::ENOSPC.into()),
            Some(Refusal::Full | Refusal::DoneAllTheSame) | None => Ok(()),
        }
    }

    fn planned(&self, step: u64) -> Option<Refusal> {
        let mut refusals = self.refusals.iter();
        refusals.find_map(|(steps, refusal)| steps.contains(&step).then_some(*refusal))
    }

    fn lose(&mut self, random: &mut Rng) {
        for file in &mut self.files {
            let mut left = std::mem::take(&mut file.durable);
            for change in file.pending.drain(..) {
                if let Some(change) = change.left(random) {
                    change.apply(&mut left);
                }
            }
            file.seen.clone_from(&left);
            file.durable = left;
        }
        // A file system keeps the order of its names.
        let kept = random.usize(0..=self.pending_names.len());
        if let Some(names) = kept.checked_sub(1).map(|last| &self.pending_names[last]) {
            self.durable_names.clone_from(names);
        }
        self.pending_names.clear();
        self.names.clone_from(&self.durable_names);
    }

    fn renamed(&mut self) {
        self.pending_names.push(self.names.clone());
    }
}

impl Disk for SimulatedDisk {
    fn open(&self, path: &Path) -> io::Result<Option<Arc<dyn DiskFile>>> {
        let mut state = self.state();
        state.step(false)?;
        let Some(file) = state.names.get(path).copied() else {
            return Ok(None);
        };
        if !state.keeps_cache {
            state.files[file].forget();
        }
        Ok(Some(self.handle(file, state.life)))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        state.step(true)?;
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = state.files.len();
        state.files.push(Content::default());
        state.names.insert(path.to_owned(), file);
        state.renamed();
        Ok(self.handle(file, state.life))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step(true)?;
        let file = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), file);
        state.renamed();
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step(false)?;
        state.names.remove(path).ok_or(io::ErrorKind::NotFound)?;
        state.renamed();
        Ok(())
    }

    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step(false)?;
        if !state.lies_about_names {
            state.durable_names = state.names.clone();
            state.pending_names.clear();
        }
        Ok(())
    }

    fn run(&self, work: Work) -> Working {
        if !*self.hung.borrow() {
            work();
            return Box::pin(std::future::ready(()));
        }
        let mut hung = self.hung.subscribe();
        Box::pin(async move {
            let _healed = hung.wait_for(|hung| !hung).await;
            work();
        })
    }
}

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    file: usize,
    life: u64,
    locked: AtomicBool,
}

impl SimulatedFile {
    fn with<T>(
        &self,
        needs_room: bool,
        work: impl FnOnce(&mut Content, bool) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.disk.state();
        if state.life != self.life {
            return Err(io::Error::other("the process has died"));
        }
        state.step(needs_room)?;
        let lied_about = state.lies_about.as_ref();
        let lied_about = lied_about.and_then(|path| state.names.get(path).copied());
        let lies = state.lies_about_files || lied_about == Some(self.file);
        work(&mut state.files[self.file], lies)
    }

    fn change(&self, needs_room: bool, change: Change) -> io::Result<()> {
        let state = self.disk.state();
        let refused = state.refuses_to_write.as_ref();
        if refused.is_some_and(|path| state.names.get(path) == Some(&self.file)) {
            return Err(Errno::EIO.into());
        }
        drop(state);
        self.with(needs_room, |content, _| {
            change.apply(&mut content.seen);
            content.pending.push(change);
            Ok(())
        })
    }
}

impl DiskFile for SimulatedFile {
    fn length(&self) -> io::Result<u64> {
        self.with(false, |content, _| Ok(content.seen.len() as u64))
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.change(true, Change::Length(usize::try_from(length).unwrap()))
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        self.with(false, |content, _| {
            let bytes = content.seen.get(offset..offset + into.len());
            into.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    /// A write that the end of the process cuts leaves its first half.
    fn write(&self, offset: u64, from: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        let written = self.change(true, Change::Bytes(offset, from.to_vec()));
        let mut state = self.disk.state();
        if written.is_err() && state.dead && state.life == self.life && !from.is_empty() {
            let half = Change::Bytes(offset, from[..from.len() / 2].to_vec());
            let content = &mut state.files[self.file];
            half.apply(&mut content.seen);
            content.pending.push(half);
        }
        written
    }

    fn sync(&self) -> io::Result<()> {
        let step = self.disk.steps();
        let synced = self.with(false, |content, lies| {
            if !lies {
                for change in content.pending.drain(..) {
                    change.apply(&mut content.durable);
                }
            }
            Ok(())
        });
        let mut state = self.disk.state();
        if synced.is_err() && !state.dead && state.life == self.life {
            let content = &mut state.files[self.file];
            content.pending.clear();
            content.forgotten = true;
        }
        match state.planned(step) {
            Some(Refusal::DoneAllTheSame) => synced.and(Err(Errno::EIO.into())),
            Some(Refusal::Broken | Refusal::Full) | None => synced,
        }
    }

    fn mode(&self) -> io::Result<u32> {
        Ok(0o600)
    }

    /// No step: it changes nothing.
    fn forget_cache(&self) {
        let mut state = self.disk.state();
        if state.life == self.life {
            state.files[self.file].forget();
        }
    }

    /// No step: it changes nothing, and is asked every second.
    fn named(&self, path: &Path) -> io::Result<Named> {
        let state = self.disk.state();
        if state.dead || state.life != self.life {
            return Err(io::Error::other("the process has died"));
        }
        let names = &state.names;
        Ok(match names.get(path) {
            Some(file) if *file == self.file => Named::Still,
            Some(_) => Named::Taken,
            None if names.values().any(|file| *file == self.file) => Named::Moved,
            None => Named::Removed,
        })
    }

    fn lock(&self) -> io::Result<Lock> {
        let mut state = self.disk.state();
        let content = &mut state.files[self.file];
        if content.locked {
            return Ok(Lock::Held(None));
        }
        content.locked = true;
        self.locked.store(true, Ordering::Relaxed);
        Ok(Lock::Ours)
    }
}

impl Drop for SimulatedFile {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if self.locked.load(Ordering::Relaxed) && state.life == self.life {
            state.files[self.file].locked = false;
        }
    }
}
