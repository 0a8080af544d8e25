//! Where a journal is: its files are made, locked, opened and held against each other.
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use redb::{Database, ReadableDatabase, StorageBackend};

use super::disk::{Disk, DiskFile, fresh};
use super::guard::Guard;
use super::key::{KeyFile, check_mode, lock};
use super::log::{self, Log, TakenIn};
use super::mark::{self, Mark};
use super::storage::Bounded;
use crate::journal::Metrics;
use crate::journal::error::OpenError;
use crate::journal::fault::StoreError;
use crate::journal::keeping::store::{FORMAT, META, RECORDS, Store};
use crate::journal::space::Space;
use crate::timing::Stamp;

/// What redb may keep in memory. The part of the file in use is small, and Linux caches the rest.
const CACHE_BYTES: usize = 2 * 1024 * 1024;

/// The oldest format that is read: one without a log.
const OLDEST_FORMAT: u64 = 1;

/// The file of a journal: where it is, and under which limits it is opened.
#[derive(Clone, Debug)]
pub(in crate::journal) struct Site {
    pub(in crate::journal) disk: Arc<dyn Disk>,
    pub(in crate::journal) path: std::path::PathBuf,
    pub(in crate::journal) space: Space,
    pub(in crate::journal) metrics: Metrics,
}

/// What stands beside an open file. Beside one that is looked at only there may be nothing.
#[derive(Debug)]
pub(in crate::journal) struct Beside {
    pub(in crate::journal) mark: Option<Mark>,
    pub(in crate::journal) log: Option<Arc<dyn DiskFile>>,
    pub(in crate::journal) guard: Option<Guard>,
}

/// What is done where there is no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::journal) enum Gone {
    /// It is made, and tells from then on that it was begun at this time: nothing was ever written.
    Make(Stamp),
    /// It was there before.
    Fail,
}

impl Site {
    /// Opens the file; `gone` says what is done where there is none.
    pub(in crate::journal) fn open(&self, key: &KeyFile, gone: Gone) -> Result<Store, OpenError> {
        let failed = |step| OpenError::of(step, &self.path);
        let file = match self.disk.open(&self.path).map_err(failed("open"))? {
            Some(file) => file,
            None => match gone {
                Gone::Make(now) => {
                    let made = self.create(key, now)?;
                    warn_of_beginning(&self.path, key);
                    made
                }
                Gone::Fail => return Err(failed("open")(std::io::ErrorKind::NotFound.into())),
            },
        };
        check_mode(&*file, &self.path)?;
        // The key file is locked already, but it may have been replaced under the same name.
        lock(&*file, &self.path)?;
        file.forget_cache();
        let length = self.stretch(&*file).map_err(failed("lengthen"))?;
        self.space.has_length(length);
        self.metrics.length(length);
        // At each start: the one before may have died between the file and its name.
        self.disk
            .sync_directory(&self.path)
            .map_err(failed("sync"))?;
        let mark = Mark::open(self, key)?;
        let log = log::make(&*self.disk, &self.path)?;
        log.forget_cache();
        let guard = Guard::new(
            key.content(),
            [
                (log::path_of(&self.path), Arc::clone(&log)),
                (self.path.clone(), Arc::clone(&file)),
            ],
            (mark::path_of(&self.path), mark.file()),
        );
        let beside = Beside {
            mark: Some(mark),
            log: Some(log),
            guard: Some(guard),
        };
        let store = self.opened(self.bounded(file), key, beside)?;
        store.check_newest(self)?;
        Ok(store)
    }

    /// Makes the file as long as it may be where redb cannot do so by itself: it takes a file for as long
    /// as it finds it. Returns how long it is.
    fn stretch(&self, file: &dyn DiskFile) -> io::Result<u64> {
        let length = file.length()?;
        let Some(stretched) = self.space.stretched(length) else {
            return Ok(length);
        };
        file.set_length(stretched)?;
        // Before redb's header tells of it.
        file.sync()?;
        Ok(stretched)
    }

    /// A file comes under its name when it is whole, so that no start ever sees half of one.
    fn create(&self, key: &KeyFile, now: Stamp) -> Result<Arc<dyn DiskFile>, OpenError> {
        let failed = |step| OpenError::of(step, &self.path);
        let (fresh, file) = fresh(&*self.disk, &self.path).map_err(failed("make"))?;
        let filled = fill(self.bounded(file), key.id(), now);
        filled.map_err(|error| self.open_error(&error))?;
        self.disk
            .rename(&fresh, &self.path)
            .map_err(failed("rename"))?;
        self.disk
            .sync_directory(&self.path)
            .map_err(failed("sync"))?;
        let made = self.disk.open(&self.path).map_err(failed("open"))?;
        made.ok_or_else(|| failed("open")(std::io::ErrorKind::NotFound.into()))
    }

    fn bounded(&self, file: Arc<dyn DiskFile>) -> Bounded {
        Bounded {
            file,
            space: self.space.clone(),
            metrics: self.metrics.clone(),
        }
    }

    /// The database in `storage`, if it is of this format and under this key.
    pub(in crate::journal) fn opened(
        &self,
        storage: impl StorageBackend,
        key: &KeyFile,
        beside: Beside,
    ) -> Result<Store, OpenError> {
        let opened =
            database(storage).and_then(|database| Ok((Header::read(&database)?, database)));
        let (header, database) = opened.map_err(|error| self.open_error(&error))?;
        if !(OLDEST_FORMAT..=FORMAT).contains(&header.format) {
            return Err(OpenError::Format {
                path: self.path.clone(),
                found: header.format,
                known: FORMAT,
            });
        }
        if header.key != key.id() {
            return Err(OpenError::KeyForeign {
                path: key.path().to_owned(),
            });
        }
        self.metrics.begun(header.begun);
        let log = Log::read(beside.log, &self.path, key.log_key()?, header.taken_in)?;
        self.space.pends(log.weight());
        Ok(Store {
            database,
            key: key.record_key()?,
            space: self.space.clone(),
            mark: beside.mark,
            log: Mutex::new(log),
            guard: beside.guard,
        })
    }

    /// A fault of the file in the operator's words: what the disk refuses is not damage.
    pub(in crate::journal) fn open_error(&self, error: &StoreError) -> OpenError {
        let path = self.path.clone();
        match error {
            StoreError::File(cause) => match &**cause {
                redb::Error::Io(source) if !tells_of_damage(source.kind()) => {
                    OpenError::of("use", &path)(same(source))
                }
                other => OpenError::Damaged {
                    path,
                    what: other.to_string(),
                },
            },
            StoreError::Log(source) => OpenError::of("write", &log::path_of(&path))(same(source)),
            StoreError::Frame(_) => OpenError::Random,
            StoreError::NotTakenIn(_)
            | StoreError::Seal { .. }
            | StoreError::Malformed(_)
            | StoreError::Shared
            | StoreError::Broken(_) => OpenError::Damaged {
                path,
                what: error.to_string(),
            },
        }
    }
}

/// The error once more: the system's cannot be copied.
fn same(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}

/// redb finds the file damaged, or is led by it to a page that is not there.
const fn tells_of_damage(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof
    )
}

/// What the file tells of itself. A number that is not there is 0: commits were not always counted, frames
/// neither, and when it was begun was not always told.
struct Header {
    format: u64,
    key: u64,
    begun: u64,
    taken_in: TakenIn,
}

impl Header {
    fn read(database: &Database) -> Result<Self, StoreError> {
        let meta = database.begin_read()?.open_table(META)?;
        let number = |name| {
            let found = meta.get(name)?;
            Ok::<_, StoreError>(found.map_or(0, |it| it.value()))
        };
        Ok(Self {
            format: number("format")?,
            key: number("key")?,
            begun: number("begun")?,
            taken_in: TakenIn {
                commits: number("commits")?,
                frame: number("frame")?,
            },
        })
    }
}

fn database(storage: impl StorageBackend) -> Result<Database, StoreError> {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder.set_repair_callback(|session| {
        // redb tells 0.3 when the newest commit was not whole (its `do_repair`).
        if (session.progress() - 0.3).abs() < 0.01 {
            tracing::warn!("the journal's last commit was not whole, and is not used");
        }
    });
    Ok(builder.create_with_backend(storage)?)
}

/// A journal is begun once in the life of an installation. Where it is not the first, its volume is not
/// there, and repeats of what that one knows are sent again.
fn warn_of_beginning(path: &Path, key: &KeyFile) {
    let path = path.display();
    if key.is_new() {
        tracing::warn!(
            %path,
            "a new journal is begun: what was paid before, if anything, is not known here"
        );
    } else {
        tracing::warn!(
            %path,
            "an empty journal is begun under a key that is older: what was recorded under it, if \
             anything, is not known"
        );
    }
}

/// Makes the tables of an empty journal.
fn fill(storage: impl StorageBackend, key: u64, now: Stamp) -> Result<(), StoreError> {
    let write = database(storage)?.begin_write()?;
    {
        let mut meta = write.open_table(META)?;
        meta.insert("format", FORMAT)?;
        meta.insert("key", key)?;
        meta.insert("begun", now.wall / 1000)?;
        meta.insert("next", 1)?;
        write.open_table(RECORDS)?;
    }
    write.commit()?;
    Ok(())
}
