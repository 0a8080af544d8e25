//! How the file takes in what stands in the log: exchange by exchange.
//!
//! What has come of an exchange since the last time is folded into one record, at the place of its last
//! step: to find a place for a record costs more than to seal it. So the last record of an exchange tells
//! how far the file has it, and what comes once more is passed over: a disk may take a batch and say that
//! it did not.
//!
//! A soft answer has a record to itself, since it is removed when another answer comes.
use redb::{ReadableTable, WriteTransaction};

use super::store::{META, Records, Store, place_of};
use crate::journal::fault::StoreError;
use crate::journal::files::frame;
use crate::journal::files::log::{Log, TakenIn};
use crate::journal::records::codec::{Role, fold, role};
use crate::journal::space::weight;
use crate::journal::{Change, Number, Place};
use crate::telemetry::with_causes;

/// A record, not sealed, and its place.
type Placed<'a> = (Place, &'a [u8]);

impl Store {
    /// Writes what the log holds, and the records of another frame, into the file; it is durable when
    /// this returns.
    pub(in crate::journal) fn take_in(&self, log: &mut Log, more: &[u8]) -> Result<(), StoreError> {
        // Before it is done, since redb may unwind out of it.
        log.suspend("redb panicked over it");
        let written = self.write_in(log, more);
        if let Err(error) = &written {
            log.suspend(&with_causes(error));
        }
        written
    }

    fn write_in(&self, log: &mut Log, more: &[u8]) -> Result<(), StoreError> {
        let taken_in = TakenIn {
            commits: log.commits().saturating_add(u64::from(!more.is_empty())),
            frame: if log.is_empty() { 0 } else { log.commits() },
        };
        let mut batch: Vec<Placed<'_>> = log.records().chain(frame::records(more)).collect();
        batch.sort_by_key(|(place, _)| *place);
        batch.dedup_by_key(|(place, _)| *place);
        let write = self.database.begin_write()?;
        let free = count(
            &write,
            taken_in,
            batch.last().map(|(place, _)| place.number),
        )?;
        let mut records = Records::open(&write)?;
        for exchange in batch.chunk_by(|(one, _), (next, _)| one.number == next.number) {
            self.put(&mut records, exchange, free)?;
        }
        let turned = records.close();
        write.commit()?;
        self.space.turns(turned);
        log.begin_anew(taken_in.commits);
        self.space.pends(0);
        Ok(())
    }

    /// Takes in what has come of one exchange. From `free` on no number is in the file.
    fn put(
        &self,
        records: &mut Records<'_>,
        came: &[Placed<'_>],
        free: Number,
    ) -> Result<(), StoreError> {
        let Some((first, record)) = came.first() else {
            return Ok(());
        };
        let taken = if first.number < free {
            self.last_step(records, first.number)?
        } else {
            None
        };
        // What is forgotten stays so: its late entries would have no head.
        if taken.is_none() && role(record) != Role::Head {
            return Ok(());
        }
        let is_new = |(place, _): &&Placed<'_>| taken.is_none_or(|taken| place.step > taken);
        let mut came: Vec<Placed<'_>> = came.iter().filter(is_new).copied().collect();
        if let Some(answer) = last_answer(&came) {
            came.retain(|it| !is_soft(it) || it.0 == answer);
            if taken.is_some() {
                self.remove_soft(records, answer.number)?;
            }
        }
        for together in came.chunk_by(|one, next| !is_soft(one) && !is_soft(next)) {
            match together {
                [] => {}
                [(place, alone)] => self.write(records, *place, alone)?,
                [.., (last, _)] => self.write(records, *last, &fold(together))?,
            }
        }
        Ok(())
    }

    /// Up to which step the file has an exchange.
    fn last_step(&self, records: &Records<'_>, number: Number) -> Result<Option<u32>, StoreError> {
        let all = (number.0, 0)..=(number.0, u32::MAX);
        let Some((key, sealed)) = records.table.range(all)?.next_back().transpose()? else {
            return Ok(None);
        };
        let place = place_of(key.value());
        if place.step > 0 {
            return Ok(Some(place.step));
        }
        // All of it may be folded there.
        let read = self.read(place, sealed.value())?;
        Ok(read.last().map(|entry| entry.place.step))
    }

    /// Removes the soft answer of an exchange: another takes its place.
    fn remove_soft(&self, records: &mut Records<'_>, number: Number) -> Result<(), StoreError> {
        let mut soft = Vec::new();
        let Records { table, turned } = records;
        for record in table.range((number.0, 1)..=(number.0, u32::MAX))? {
            let (key, value) = record?;
            let read = self.read(place_of(key.value()), value.value())?;
            if read
                .iter()
                .any(|entry| matches!(entry.change, Change::Candidate(_)))
            {
                soft.push(key.value());
            }
        }
        for key in soft {
            if let Some(removed) = table.remove(key)? {
                turned.freed += weight(removed.value().len());
            }
        }
        Ok(())
    }
}

fn is_soft((_, record): &Placed<'_>) -> bool {
    role(record) == Role::Soft
}

/// Where the answer is that took the place of every soft one before it.
fn last_answer(came: &[Placed<'_>]) -> Option<Place> {
    let is_answer = |(_, record): &&Placed<'_>| matches!(role(record), Role::Soft | Role::Result);
    came.iter().rfind(is_answer).map(|(place, _)| *place)
}

/// Writes into the table of the format what the file has of its log now, and which numbers are free after
/// the highest one that came. Returns from which on they were free before.
fn count(
    write: &WriteTransaction,
    taken_in: TakenIn,
    highest: Option<Number>,
) -> Result<Number, StoreError> {
    let mut meta = write.open_table(META)?;
    meta.insert("commits", taken_in.commits)?;
    if taken_in.frame > 0 {
        meta.insert("frame", taken_in.frame)?;
    }
    let free = meta.get("next")?.map_or(0, |next| next.value());
    if let Some(highest) = highest.filter(|highest| highest.0 >= free) {
        meta.insert("next", highest.0.saturating_add(1))?;
    }
    Ok(Number(free))
}
