//! The journal's file.
//!
//! ```text
//! redb table "meta": text → number             redb table "records": (number, step) → seal
//!   "format"   4                                 (6, 0)  all, but no answer    ─ exchange 6
//!   "key"      id of the key file's key          (7, 1)  Submitted, Accepted   ┐ exchange 7
//!   "next"     no exchange has this number       (7, 3)  Completed, Delivered  ┘
//!              or a higher one                   (8, 3)  all four              ─ exchange 8
//!   "commits"  how many there were               (9, 0)  Submitted             ─ exchange 9
//!   "frame"    the last one taken in
//!   "begun"    when, in seconds since 1970
//! ```
//!
//! All records of an exchange stand together, and exchanges in the order in which they began. What is
//! taken in of one at once is folded into one record, which has the place of its last step
//! (`taking_in.rs`). A step may be missing: a soft answer is removed when another takes its place. What a
//! record is, is told in `codec.rs`; how it is sealed, in `seal.rs`.
//!
//! Where space is short, an exchange that was delivered loses its answer, and what is left of it is folded
//! at the place of its first step: a fact has to be kept for as long as its key counts. redb joins pages
//! only where one is nearly empty; so what goes in one commit goes in one pass over its pages, which packs
//! what stays.
//!
//! What was appended last stands in the log (`log.rs`) and not here yet. Its frames count as commits:
//! "commits" is the number of the last one that is in the file, and "frame" that of the last one that came
//! by way of the log. In format 3 only what lost its answer is folded; format 2 has no folded records,
//! format 1 no log either.
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    TableDefinition, WriteTransaction,
};

use crate::journal::error::OpenError;
use crate::journal::fault::StoreError;
use crate::journal::files::frame::clear;
use crate::journal::files::guard::{Guard, Lost};
use crate::journal::files::log::Log;
use crate::journal::files::mark::Mark;
use crate::journal::files::site::Site;
use crate::journal::records::codec::{fold_entries, unfold};
use crate::journal::records::seal::RecordKey;
use crate::journal::space::{Space, Turnover, weight};
use crate::journal::{Change, Entry, Number, Place};

/// The format of the files; what a record is has its own version (`seal::VERSION`).
pub(in crate::journal) const FORMAT: u64 = 4;

pub(in crate::journal) const RECORDS: TableDefinition<'static, (u64, u32), &[u8]> =
    TableDefinition::new("records");
pub(in crate::journal) const META: TableDefinition<'static, &str, u64> =
    TableDefinition::new("meta");

/// A file that is no longer than this is not compacted, however empty it is.
const WORTH_COMPACTING: u64 = 64 * 1024 * 1024;

/// An open file.
#[derive(Debug)]
pub(in crate::journal) struct Store {
    pub(in crate::journal) database: Database,
    pub(in crate::journal) key: RecordKey,
    pub(in crate::journal) space: Space,
    /// Where there is one; a file that is looked at only may have none.
    pub(in crate::journal) mark: Option<Mark>,
    /// Held by whoever writes.
    pub(in crate::journal) log: Mutex<Log>,
    /// Absent where the file is looked at only.
    pub(in crate::journal) guard: Option<Guard>,
}

/// What makes space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::journal) enum Removal {
    /// The exchange is forgotten.
    Exchange(Number),
    /// The answer is dropped; the fact stays, folded.
    Answer(Number),
}

/// The bytes of the pages in which records stand. Every page is looked at.
pub(in crate::journal) fn taken(read: &ReadTransaction) -> Result<u64, StoreError> {
    let stats = read.open_table(RECORDS)?.stats()?;
    Ok(stats.stored_bytes() + stats.metadata_bytes() + stats.fragmented_bytes())
}

impl Store {
    /// Looks at every page of the file. False if something was wrong and redb mended it.
    pub(in crate::journal) fn check(&mut self) -> Result<bool, StoreError> {
        Ok(self.database.check_integrity()?)
    }

    /// Makes the file smaller, if most of it is free, as was measured; true if it was done. It cannot be
    /// done while the file is in use.
    pub(in crate::journal) fn compact(&mut self) -> Result<bool, StoreError> {
        let (length, taken) = (self.space.length(), self.space.estimate().taken);
        if length <= WORTH_COMPACTING || taken > length / 4 {
            return Ok(false);
        }
        tracing::info!(length, taken, "compacting the journal");
        Ok(self.database.compact()?)
    }

    /// Counts anew what is taken. Nobody waits for it who writes.
    pub(in crate::journal) fn measure(&self) -> Result<(), StoreError> {
        let (before, read) = {
            let _alone = self.log();
            (self.space.estimate(), self.database.begin_read()?)
        };
        self.space.measured(before, taken(&read)?);
        Ok(())
    }

    /// The number that the next exchange has.
    pub(in crate::journal) fn next_number(&self) -> Result<u64, StoreError> {
        let meta = self.database.begin_read()?.open_table(META)?;
        Ok(meta.get("next")?.map_or(1, |next| next.value()))
    }

    /// Refuses a journal that lacks commits of which its mark or its log tells, or whose log is older than
    /// it.
    pub(in crate::journal) fn check_newest(&self, site: &Site) -> Result<(), OpenError> {
        let log = self.log();
        let is_all = match &self.mark {
            Some(mark) => mark.check(&site.path, log.commits())?,
            None => false,
        };
        log.check(&site.path, is_all)
    }

    /// How many commits there are, in the file and in the log.
    pub(in crate::journal) fn commits(&self) -> u64 {
        self.log().commits()
    }

    /// Takes a file of an older format for one of this: a program that knows no log would pass over what
    /// is in it, and one that looks for each record at its own place would not find those that are folded.
    pub(in crate::journal) fn upgrade(&self) -> Result<(), StoreError> {
        let read = self.database.begin_read()?.open_table(META)?;
        if read
            .get("format")?
            .is_some_and(|format| format.value() == FORMAT)
        {
            return Ok(());
        }
        let write = self.database.begin_write()?;
        write.open_table(META)?.insert("format", FORMAT)?;
        Ok(write.commit()?)
    }

    /// Makes entries durable: in the log, or in the file itself where the log has no room for them.
    /// The mark tells of them when this returns.
    pub(in crate::journal) fn append(&self, entries: &[Entry]) -> Result<(), StoreError> {
        self.space.follow(entries);
        let mut log = self.log();
        match log.append(clear(entries))? {
            None => self.space.pends(log.weight()),
            Some(left) => self.take_in(&mut log, &left)?,
        }
        if let Some(mark) = &self.mark {
            mark.set(log.commits());
        }
        Ok(())
    }

    /// Which files do not stand where they stood; an error where nothing can be written any more.
    pub(in crate::journal) fn look(&self) -> Result<Option<Lost>, StoreError> {
        self.log().check_taking()?;
        self.check_alone()?;
        Ok(self.guard.as_ref().and_then(Guard::look))
    }

    /// An error once another process has written the mark.
    pub(in crate::journal) fn check_alone(&self) -> Result<(), StoreError> {
        self.alone(&self.log())
    }

    /// The same, while the log is held, so that no count of our own is written meanwhile.
    fn alone(&self, log: &Log) -> Result<(), StoreError> {
        match &self.mark {
            Some(mark) if mark.is_written_by_others(log.commits()) => Err(StoreError::Shared),
            Some(_) | None => Ok(()),
        }
    }

    /// Lets go of the file. redb writes to it once more as it is closed, by what it knows of it: where another
    /// process writes it too it stays open until this one has ended.
    pub(in crate::journal) fn let_go(self) {
        if self.check_alone().is_err() {
            std::mem::forget(self);
        }
    }

    /// Takes in what the log holds, which begins anew.
    pub(in crate::journal) fn checkpoint(&self) -> Result<(), StoreError> {
        let mut log = self.log();
        log.check_taking()?;
        if log.is_empty() {
            return Ok(());
        }
        self.alone(&log)?;
        self.take_in(&mut log, &[])
    }

    /// Forgets. It is no commit that the mark counts: where it is lost, it is only done again.
    pub(in crate::journal) fn forget(&self, removals: &[Removal]) -> Result<(), StoreError> {
        let _alone = self.log();
        let write = self.database.begin_write()?;
        let mut records = Records::open(&write)?;
        self.remove(&mut records, removals)?;
        let turned = records.close();
        write.commit()?;
        self.space.turns(turned);
        Ok(())
    }

    pub(in crate::journal) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes in one pass over the pages, so that those that stay are packed.
    fn remove(&self, records: &mut Records<'_>, removals: &[Removal]) -> Result<(), StoreError> {
        // From which step on the records of an exchange go.
        let mut gone = BTreeMap::new();
        for removal in removals {
            match removal {
                Removal::Exchange(number) => {
                    gone.insert(number.0, 0);
                }
                Removal::Answer(number) => {
                    if self.fold(records, *number)? {
                        gone.insert(number.0, 1);
                    }
                }
            }
        }
        let (Some((first, _)), Some((last, _))) = (gone.first_key_value(), gone.last_key_value())
        else {
            return Ok(());
        };
        let Records { table, turned } = records;
        table.retain_in((*first, 0)..=(*last, u32::MAX), |(number, step), sealed| {
            let stays = gone.get(&number).is_none_or(|from| step < *from);
            if !stays {
                turned.freed += weight(sealed.len());
            }
            stays
        })?;
        Ok(())
    }

    /// Puts all that stays of a delivered exchange in the place of its first entry; false if there is
    /// nothing to fold.
    fn fold(&self, records: &mut Records<'_>, number: Number) -> Result<bool, StoreError> {
        let mut entries = self.all_of(&records.table, number)?;
        for entry in &mut entries {
            if let Change::Completed(answer) = &mut entry.change {
                *answer = None;
            }
        }
        let Some(first) = entries.first().filter(|_| entries.len() > 1) else {
            return Ok(false);
        };
        self.write(records, first.place, &fold_entries(&entries))?;
        Ok(true)
    }

    /// The entries of one exchange, in their order.
    pub(in crate::journal) fn all_of(
        &self,
        records: &impl ReadableTable<(u64, u32), &'static [u8]>,
        number: Number,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::new();
        for record in records.range((number.0, 0)..=(number.0, u32::MAX))? {
            let (key, value) = record?;
            entries.extend(self.read(place_of(key.value()), value.value())?);
        }
        Ok(entries)
    }

    /// Seals a record and writes it.
    pub(in crate::journal) fn write(
        &self,
        records: &mut Records<'_>,
        place: Place,
        clear: &[u8],
    ) -> Result<(), StoreError> {
        let sealed = self.key.seal(place, clear);
        let sealed = sealed.map_err(|cause| StoreError::Seal { place, cause })?;
        let Records { table, turned } = records;
        let replaced = table.insert((place.number.0, place.step), sealed.as_slice())?;
        turned.taken += weight(sealed.len());
        if let Some(replaced) = replaced {
            turned.freed += weight(replaced.value().len());
        }
        Ok(())
    }

    /// How much of the file is taken.
    pub(in crate::journal) const fn space(&self) -> &Space {
        &self.space
    }

    /// The entry at a place. What the log holds of its exchange is taken in before.
    pub(in crate::journal) fn find(&self, place: Place) -> Result<Option<Entry>, StoreError> {
        let is_pending = self
            .log()
            .records()
            .any(|(pending, _)| pending.number == place.number);
        if is_pending {
            self.checkpoint()?;
        }
        let records = self.database.begin_read()?.open_table(RECORDS)?;
        let end = (place.number.0, u32::MAX);
        let Some(found) = records.range((place.number.0, place.step)..=end)?.next() else {
            return Ok(None);
        };
        let (key, sealed) = found?;
        let mut read = self
            .read(place_of(key.value()), sealed.value())?
            .into_iter();
        Ok(read.find(|entry| entry.place == place))
    }

    /// The entry of a record, or all that are folded into it, in their order.
    pub(in crate::journal) fn read(
        &self,
        place: Place,
        sealed: &[u8],
    ) -> Result<Vec<Entry>, StoreError> {
        let clear = self.key.open(place, sealed);
        let clear = clear.map_err(|cause| StoreError::Seal { place, cause })?;
        unfold(place, &clear).map_err(|_| StoreError::Malformed(place))
    }
}

/// The table of the records while it is written, and what that takes and frees, which counts once it is
/// durable.
pub(in crate::journal) struct Records<'a> {
    pub(in crate::journal) table: redb::Table<'a, (u64, u32), &'static [u8]>,
    pub(in crate::journal) turned: Turnover,
}

impl<'a> Records<'a> {
    pub(in crate::journal) fn open(write: &'a WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            table: write.open_table(RECORDS)?,
            turned: Turnover::default(),
        })
    }

    /// Lets go of the table, so that it can be committed.
    pub(in crate::journal) fn close(self) -> Turnover {
        self.turned
    }
}

pub(in crate::journal) const fn place_of(key: (u64, u32)) -> Place {
    Place {
        number: Number(key.0),
        step: key.1,
    }
}
