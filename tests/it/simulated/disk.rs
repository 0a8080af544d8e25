//! The simulated disk in the hands of a process: each operation is a step of its life.
use std::io;
use std::path::Path;
use std::sync::Arc;

use holdline::journal::{Disk, DiskFile, Lock, Named, Work, Working};

use super::life::{Death, Life, Step};
use crate::journal::disk::{Crash, SimulatedDisk};

/// A disk that one process has mounted, and that is left as its end leaves it.
#[derive(Clone, Debug)]
pub(crate) struct Mounted {
    disk: SimulatedDisk,
    life: Life,
}

impl Mounted {
    /// `seed` says what a loss of power leaves.
    pub(crate) fn new(disk: &SimulatedDisk, life: &Life, seed: u64) -> Self {
        let left = disk.clone();
        life.at_end(move |_, death| {
            left.crash(match death {
                Death::Killed => Crash::Kill,
                Death::PowerLost => Crash::Power(seed),
            });
        });
        Self {
            disk: disk.clone(),
            life: life.clone(),
        }
    }

    fn take(&self, step: Step) -> io::Result<&SimulatedDisk> {
        if self.life.step(step) {
            Ok(&self.disk)
        } else {
            Err(io::Error::other("the process has ended"))
        }
    }

    fn file(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(Handle {
            disk: self.clone(),
            file,
        })
    }
}

impl Disk for Mounted {
    fn open(&self, path: &Path) -> io::Result<Option<Arc<dyn DiskFile>>> {
        let file = self.take(Step::DiskRead)?.open(path)?;
        Ok(file.map(|file| self.file(file)))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.take(Step::DiskName)?.create(path)?;
        Ok(self.file(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.take(Step::DiskName)?.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.take(Step::DiskName)?.remove(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.take(Step::DirectorySync)?.sync_directory(path)
    }

    /// The work is done here and now, so that a seed plays the same run every time. The dead learn
    /// nothing of it.
    fn run(&self, work: Work) -> Working {
        if self.life.has_ended() {
            return Box::pin(std::future::pending());
        }
        let working = self.disk.run(work);
        if self.life.has_ended() {
            return Box::pin(std::future::pending());
        }
        working
    }
}

/// An open file.
#[derive(Debug)]
struct Handle {
    disk: Mounted,
    file: Arc<dyn DiskFile>,
}

impl Handle {
    fn take(&self, step: Step) -> io::Result<&dyn DiskFile> {
        self.disk.take(step).map(|_| &*self.file)
    }
}

impl DiskFile for Handle {
    fn length(&self) -> io::Result<u64> {
        self.take(Step::DiskRead)?.length()
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.take(Step::DiskResize)?.set_length(length)
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.take(Step::DiskRead)?.read(offset, into)
    }

    fn write(&self, offset: u64, from: &[u8]) -> io::Result<()> {
        self.take(Step::DiskWrite)?.write(offset, from)
    }

    fn sync(&self) -> io::Result<()> {
        self.take(Step::DiskSync)?.sync()
    }

    fn mode(&self) -> io::Result<u32> {
        self.take(Step::DiskRead)?.mode()
    }

    fn lock(&self) -> io::Result<Lock> {
        self.take(Step::DiskRead)?.lock()
    }

    fn forget_cache(&self) {
        self.file.forget_cache();
    }

    fn named(&self, path: &Path) -> io::Result<Named> {
        self.take(Step::DiskRead)?.named(path)
    }
}
