//! The journal's file.
//!
//! ```text
//! redb table "meta": text → number             redb table "records": (number, step) → seal
//!   "format"   1                                 (7, 0)  Submitted   ┐
//!   "key"      id of the key file's key          (7, 1)  Accepted    │ exchange 7
//!   "next"     no exchange has this number       (7, 2)  Completed   │
//!              or a higher one                   (7, 3)  Delivered   ┘
//!   "commits"  how many there were               (8, 0)  Submitted   ─ exchange 8
//! ```
//!
//! All records of an exchange stand together, and exchanges in the order in which they began. A step
//! may be missing: a soft answer is removed when another takes its place. What a record is, is told
//! in `codec.rs`; how it is sealed, in `seal.rs`.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use redb::{Database, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition};

use super::codec::{decode, encode};
use super::disk::{Disk, Lock, beside};
use super::error::OpenError;
use super::fault::StoreError;
use super::key::{KeyFile, check_mode};
use super::mark::Mark;
use super::room::{Room, weight};
use super::seal::RecordKey;
use super::storage::Bounded;
use super::{Change, Entry, Metrics, Number, Place};

/// The format of the tables; what a record is has its own version (`seal::VERSION`).
const FORMAT: u64 = 1;

pub(super) const RECORDS: TableDefinition<'static, (u64, u32), &[u8]> =
    TableDefinition::new("records");
const META: TableDefinition<'static, &str, u64> = TableDefinition::new("meta");

/// What redb may keep in memory. The part of the file in use is small, and Linux caches the rest.
const CACHE_BYTES: usize = 8 * 1024 * 1024;

/// A file that is no longer than this is not compacted, however empty it is.
const WORTH_COMPACTING: u64 = 64 * 1024 * 1024;

/// An open file.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) database: Database,
    key: RecordKey,
    room: Room,
    /// Where there is one; a file that is looked at only may have none.
    mark: Option<Mark>,
}

/// What is written in one transaction.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) entries: Vec<Entry>,
    pub(super) removals: Vec<Removal>,
}

impl Batch {
    pub(super) const fn of(entries: Vec<Entry>) -> Self {
        Self {
            entries,
            removals: Vec::new(),
        }
    }

    pub(super) const fn removing(removals: Vec<Removal>) -> Self {
        Self {
            entries: Vec::new(),
            removals,
        }
    }
}

/// What makes room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removal {
    /// The exchange is forgotten.
    Exchange(Number),
    /// The answer is dropped, the fact stays.
    Answer(Place),
}

/// The file of a journal: where it is, and under which limits it is opened.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) path: std::path::PathBuf,
    pub(super) max_bytes: u64,
    pub(super) metrics: Metrics,
    /// Set when the file would have grown beyond its limit.
    pub(super) refused: Arc<AtomicBool>,
    /// What the records in the file weigh.
    pub(super) taken: Arc<AtomicU64>,
}

/// What is done where there is no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// It is made: nothing was ever written.
    Make,
    /// It was there before.
    Fail,
}

impl Site {
    /// Opens the file; `gone` says what is done where there is none.
    pub(super) fn open(&self, key: &KeyFile, gone: Gone) -> Result<Store, OpenError> {
        let failed = |source| OpenError::File {
            path: self.path.clone(),
            source,
        };
        let file = match self.disk.open(&self.path).map_err(failed)? {
            Some(file) => file,
            None => match gone {
                Gone::Make => self.create(key)?,
                Gone::Fail => return Err(failed(std::io::ErrorKind::NotFound.into())),
            },
        };
        check_mode(&*file, &self.path)?;
        self.lock(&*file)?;
        let length = file.length().map_err(failed)?;
        self.metrics.length(length);
        let room = Room::new(length, self.max_bytes, Arc::clone(&self.taken));
        // At each start: the one before may have died between the file and its name.
        self.disk.sync_directory(&self.path).map_err(failed)?;
        let mark = Mark::open(&*self.disk, &self.path, key)?;
        let store = self.opened(self.bounded(file), key, room, Some(mark))?;
        store.check_mark(self)?;
        Ok(store)
    }

    /// The key file is locked already, but it may have been replaced under the same name.
    fn lock(&self, file: &dyn super::DiskFile) -> Result<(), OpenError> {
        let path = || self.path.clone();
        match file.lock() {
            Ok(Lock::Ours) => Ok(()),
            Ok(Lock::Held(by)) => Err(OpenError::Held { path: path(), by }),
            Err(source) => Err(OpenError::File {
                path: path(),
                source,
            }),
        }
    }

    /// A file comes under its name when it is whole, so that no start ever sees half of one.
    fn create(&self, key: &KeyFile) -> Result<Arc<dyn super::DiskFile>, OpenError> {
        let fresh = beside(&self.path, ".new");
        let failed = |source| OpenError::File {
            path: self.path.clone(),
            source,
        };
        if self.disk.open(&fresh).map_err(failed)?.is_some() {
            self.disk.remove(&fresh).map_err(failed)?;
        }
        let file = self.disk.create(&fresh).map_err(failed)?;
        let filled = fill(self.bounded(file), key.id());
        filled.map_err(|error| self.told(&error))?;
        self.disk.rename(&fresh, &self.path).map_err(failed)?;
        self.disk.sync_directory(&self.path).map_err(failed)?;
        let made = self.disk.open(&self.path).map_err(failed)?;
        made.ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))
    }

    fn bounded(&self, file: Arc<dyn super::DiskFile>) -> Bounded {
        Bounded {
            file,
            max_bytes: self.max_bytes,
            metrics: self.metrics.clone(),
            refused: Arc::clone(&self.refused),
        }
    }

    /// The database in `storage`, if it is of this format and under this key.
    pub(super) fn opened(
        &self,
        storage: impl StorageBackend,
        key: &KeyFile,
        room: Room,
        mark: Option<Mark>,
    ) -> Result<Store, OpenError> {
        let opened = database(storage).and_then(|database| {
            let read = database.begin_read()?;
            let meta = read.open_table(META)?;
            let value = |name| Ok::<_, StoreError>(meta.get(name)?.map(|it| it.value()));
            let (format, id) = (value("format")?, value("key")?);
            drop((meta, read));
            Ok((database, format.unwrap_or_default(), id.unwrap_or_default()))
        });
        let (database, format, id) = opened.map_err(|error| self.told(&error))?;
        if format != FORMAT {
            return Err(OpenError::Format {
                path: self.path.clone(),
                found: format,
                known: FORMAT,
            });
        }
        if id != key.id() {
            return Err(OpenError::KeyForeign {
                path: key.path().to_owned(),
            });
        }
        Ok(Store {
            database,
            key: key.record_key()?,
            room,
            mark,
        })
    }

    /// A fault of the file in the operator's words: what the disk refuses is not damage.
    pub(super) fn told(&self, error: &StoreError) -> OpenError {
        let path = self.path.clone();
        match error {
            StoreError::File(cause) => match &**cause {
                redb::Error::Io(source) if source.kind() != std::io::ErrorKind::InvalidData => {
                    let source = std::io::Error::new(source.kind(), source.to_string());
                    OpenError::File { path, source }
                }
                other => OpenError::Damaged {
                    path,
                    what: other.to_string(),
                },
            },
            StoreError::Seal { .. } | StoreError::Malformed(_) | StoreError::Broken(_) => {
                OpenError::Damaged {
                    path,
                    what: error.to_string(),
                }
            }
        }
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

/// Writes into the table of the format what a batch changes there: how many commits there are now,
/// which is returned, and which number is free.
fn count(write: &redb::WriteTransaction, batch: &Batch) -> Result<u64, StoreError> {
    let mut meta = write.open_table(META)?;
    let commits = meta.get("commits")?.map_or(0, |commits| commits.value());
    let commits = commits.saturating_add(1);
    meta.insert("commits", commits)?;
    let highest = batch.entries.iter().map(|entry| entry.place.number.0).max();
    if let Some(highest) = highest {
        let next = meta.get("next")?.map_or(0, |next| next.value());
        if highest >= next {
            meta.insert("next", highest.saturating_add(1))?;
        }
    }
    Ok(commits)
}

/// Makes the tables of an empty journal.
fn fill(storage: impl StorageBackend, key: u64) -> Result<(), StoreError> {
    let write = database(storage)?.begin_write()?;
    {
        let mut meta = write.open_table(META)?;
        meta.insert("format", FORMAT)?;
        meta.insert("key", key)?;
        meta.insert("next", 1)?;
        write.open_table(RECORDS)?;
    }
    write.commit()?;
    Ok(())
}

impl Store {
    /// Looks at every page of the file. False if something was wrong and redb mended it.
    pub(super) fn check(&mut self) -> Result<bool, StoreError> {
        Ok(self.database.check_integrity()?)
    }

    /// Makes the file smaller, if most of it is free; true if it was done. It cannot be done while
    /// the file is in use.
    pub(super) fn compact(&mut self) -> Result<bool, StoreError> {
        let (length, taken) = (self.room.length(), self.allocated()?);
        if length <= WORTH_COMPACTING || taken > length / 4 {
            return Ok(false);
        }
        tracing::info!(length, taken, "compacting the journal");
        Ok(self.database.compact()?)
    }

    /// Counts what is taken anew.
    pub(super) fn measure(&self) -> Result<(), StoreError> {
        self.room.measured(self.allocated()?);
        Ok(())
    }

    /// The bytes of all pages that are in use. Every page is looked at.
    pub(super) fn allocated(&self) -> Result<u64, StoreError> {
        let write = self.database.begin_write()?;
        let stats = write.stats()?;
        write.abort()?;
        Ok(stats.allocated_pages() * stats.page_size() as u64)
    }

    /// The number that the next exchange has.
    pub(super) fn next_number(&self) -> Result<u64, StoreError> {
        let meta = self.database.begin_read()?.open_table(META)?;
        Ok(meta.get("next")?.map_or(1, |next| next.value()))
    }

    /// Refuses a file that lacks commits of which its mark tells.
    pub(super) fn check_mark(&self, site: &Site) -> Result<(), OpenError> {
        let Some(mark) = &self.mark else {
            return Ok(());
        };
        let commits = self.commits().map_err(|error| site.told(&error))?;
        mark.check(&site.path, commits)
    }

    /// How many commits there were. Those of before they were counted are none.
    fn commits(&self) -> Result<u64, StoreError> {
        let meta = self.database.begin_read()?.open_table(META)?;
        Ok(meta.get("commits")?.map_or(0, |commits| commits.value()))
    }

    /// Writes a batch; it is durable, and the mark tells of it, when this returns.
    pub(super) fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let write = self.database.begin_write()?;
        {
            let mut records = write.open_table(RECORDS)?;
            for entry in &batch.entries {
                self.put(&mut records, entry)?;
            }
            for removal in &batch.removals {
                self.remove(&mut records, *removal)?;
            }
        }
        let commits = count(&write, batch)?;
        write.commit()?;
        if let Some(mark) = &self.mark {
            mark.set(commits);
        }
        Ok(())
    }

    fn put(&self, records: &mut Records<'_>, entry: &Entry) -> Result<(), StoreError> {
        let place = entry.place;
        let begins = matches!(entry.change, Change::Submitted(_));
        // What is forgotten stays so: its late entries would have no head.
        if !begins && records.get((place.number.0, 0))?.is_none() {
            return Ok(());
        }
        if matches!(entry.change, Change::Candidate(_) | Change::Completed(_)) {
            self.remove_candidates(records, place)?;
        }
        let clear = encode(entry.stamp, &entry.change);
        let sealed = self.key.seal(place, &clear);
        let sealed = sealed.map_err(|cause| StoreError::Seal { place, cause })?;
        let replaced = records.insert((place.number.0, place.step), sealed.as_slice())?;
        self.room.take(weight(sealed.len()));
        if let Some(replaced) = replaced {
            self.room.free(weight(replaced.value().len()));
        }
        Ok(())
    }

    /// Removes the soft answers before `place`: another took their place.
    fn remove_candidates(&self, records: &mut Records<'_>, place: Place) -> Result<(), StoreError> {
        let mut replaced = Vec::new();
        for record in records.range((place.number.0, 1)..(place.number.0, place.step))? {
            let (key, value) = record?;
            let earlier = place_of(key.value());
            if let Change::Candidate(_) = self.read(earlier, value.value())?.change {
                replaced.push(key.value());
            }
        }
        for key in replaced {
            if let Some(removed) = records.remove(key)? {
                self.room.free(weight(removed.value().len()));
            }
        }
        Ok(())
    }

    fn remove(&self, records: &mut Records<'_>, removal: Removal) -> Result<(), StoreError> {
        match removal {
            Removal::Exchange(number) => {
                records.retain_in((number.0, 0)..=(number.0, u32::MAX), |_, sealed| {
                    self.room.free(weight(sealed.len()));
                    false
                })?;
            }
            Removal::Answer(place) => {
                let Some(entry) = self.find_in(records, place)? else {
                    return Ok(());
                };
                if let Change::Completed(Some(answer)) = entry.change {
                    let change = Change::Completed(None);
                    self.put(records, &Entry { change, ..entry })?;
                    let dropped = weight(answer.0.len());
                    self.room.take(dropped);
                    self.room.loosen(dropped);
                }
            }
        }
        Ok(())
    }

    /// How much of the file is taken.
    pub(super) const fn room(&self) -> &Room {
        &self.room
    }

    /// The entry at a place.
    pub(super) fn find(&self, place: Place) -> Result<Option<Entry>, StoreError> {
        let records = self.database.begin_read()?.open_table(RECORDS)?;
        self.find_in(&records, place)
    }

    fn find_in(
        &self,
        records: &impl ReadableTable<(u64, u32), &'static [u8]>,
        place: Place,
    ) -> Result<Option<Entry>, StoreError> {
        let found = records.get((place.number.0, place.step))?;
        found.map(|it| self.read(place, it.value())).transpose()
    }

    pub(super) fn read(&self, place: Place, sealed: &[u8]) -> Result<Entry, StoreError> {
        let clear = self.key.open(place, sealed);
        let clear = clear.map_err(|cause| StoreError::Seal { place, cause })?;
        let (stamp, change) = decode(&clear).map_err(|_| StoreError::Malformed(place))?;
        Ok(Entry {
            place,
            stamp,
            change,
        })
    }
}

pub(super) type Records<'a> = redb::Table<'a, (u64, u32), &'static [u8]>;

pub(super) const fn place_of(key: (u64, u32)) -> Place {
    Place {
        number: Number(key.0),
        step: key.1,
    }
}
