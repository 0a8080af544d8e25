//! Walks through the open file: exchange by exchange, or record by record.
use redb::{ReadableDatabase, ReadableTable};

use super::book::Book;
use super::fault::StoreError;
use super::store::{RECORDS, Store, place_of};
use super::{Entry, Number, Remembered};

impl Store {
    /// Reads the exchanges from a number on, in their order, until `visit` returns false.
    pub(super) fn walk(
        &self,
        from: Number,
        mut visit: impl FnMut(Remembered) -> bool,
    ) -> Result<(), StoreError> {
        self.walk_records(from, |remembered, _| visit(remembered))
    }

    /// Does the same, and tells of each in how many records it stands.
    pub(super) fn walk_records(
        &self,
        from: Number,
        mut visit: impl FnMut(Remembered, usize) -> bool,
    ) -> Result<(), StoreError> {
        let records = self.database.begin_read()?.open_table(RECORDS)?;
        let mut open: Option<(Book, usize)> = None;
        for record in records.range((from.0, 0)..)? {
            let (key, value) = record?;
            let mut begins = true;
            for entry in self.read(place_of(key.value()), value.value())? {
                let number = entry.place.number;
                match &mut open {
                    Some((book, count)) if book.so_far().number == number => {
                        *count += usize::from(begins);
                        book.follow(entry)?;
                    }
                    Some(_) | None => {
                        let next = (Book::begin(entry)?, 1);
                        if let Some((full, count)) = open.replace(next)
                            && !visit(full.close(), count)
                        {
                            return Ok(());
                        }
                    }
                }
                begins = false;
            }
        }
        if let Some((last, count)) = open {
            visit(last.close(), count);
        }
        Ok(())
    }

    /// The entries of one exchange, in their order.
    pub(super) fn entries(&self, number: Number) -> Result<Vec<Entry>, StoreError> {
        let records = self.database.begin_read()?.open_table(RECORDS)?;
        let mut entries = Vec::new();
        for record in records.range((number.0, 0)..=(number.0, u32::MAX))? {
            let (key, value) = record?;
            entries.extend(self.read(place_of(key.value()), value.value())?);
        }
        Ok(entries)
    }

    /// Reads every record and follows every exchange. A record is told as whether it begins an
    /// exchange, or as what is wrong with it.
    pub(super) fn each(
        &self,
        mut visit: impl FnMut(Result<bool, StoreError>),
    ) -> Result<(), StoreError> {
        let records = self.database.begin_read()?.open_table(RECORDS)?;
        let mut book: Option<Book> = None;
        let mut broken: Option<Number> = None;
        for record in records.iter()? {
            let (key, value) = record?;
            let place = place_of(key.value());
            let begins = broken != Some(place.number)
                && book.as_ref().map(|it| it.so_far().number) != Some(place.number);
            let read = self.read(place, value.value());
            match read.and_then(|entries| followed(&mut book, entries, begins)) {
                Ok(()) => visit(Ok(begins)),
                // The rest of the exchange cannot be followed; its seals are looked at.
                Err(StoreError::Broken(_)) if broken == Some(place.number) => visit(Ok(false)),
                Err(error) => {
                    (broken, book) = (Some(place.number), None);
                    visit(Err(error));
                }
            }
        }
        Ok(())
    }
}

fn followed(book: &mut Option<Book>, entries: Vec<Entry>, begins: bool) -> Result<(), StoreError> {
    let mut begins = begins;
    for entry in entries {
        match book {
            Some(open) if !begins => open.follow(entry)?,
            Some(_) | None => *book = Some(Book::begin(entry)?),
        }
        begins = false;
    }
    Ok(())
}
