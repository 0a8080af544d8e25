//! Walks through the open file: exchange by exchange, or record by record.
use redb::{ReadableDatabase, ReadableTable};

use super::book::Book;
use super::fault::StoreError;
use super::room::weight;
use super::store::{RECORDS, Store, place_of};
use super::{Entry, Number, Remembered};

impl Store {
    /// Reads the exchanges from a number on, in their order, until `visit` returns false. Returns
    /// what the records that were read weigh.
    pub(super) fn walk(
        &self,
        from: Number,
        mut visit: impl FnMut(Remembered) -> bool,
    ) -> Result<u64, StoreError> {
        let records = self.database.begin_read()?.open_table(RECORDS)?;
        let mut book: Option<Book> = None;
        let mut weighed = 0;
        for record in records.range((from.0, 0)..)? {
            let (key, value) = record?;
            weighed += weight(value.value().len());
            let entry = self.read(place_of(key.value()), value.value())?;
            match &mut book {
                Some(open) if open.so_far().number == entry.place.number => open.follow(entry)?,
                Some(_) | None => {
                    let next = Book::begin(entry)?;
                    if let Some(full) = book.replace(next)
                        && !visit(full.close())
                    {
                        return Ok(weighed);
                    }
                }
            }
        }
        if let Some(last) = book {
            visit(last.close());
        }
        Ok(weighed)
    }

    /// The entries of one exchange, in their order.
    pub(super) fn entries(&self, number: Number) -> Result<Vec<Entry>, StoreError> {
        let records = self.database.begin_read()?.open_table(RECORDS)?;
        let mut entries = Vec::new();
        for record in records.range((number.0, 0)..=(number.0, u32::MAX))? {
            let (key, value) = record?;
            entries.push(self.read(place_of(key.value()), value.value())?);
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
            match read.and_then(|entry| followed(&mut book, entry, begins)) {
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

fn followed(book: &mut Option<Book>, entry: Entry, begins: bool) -> Result<(), StoreError> {
    match book {
        Some(open) if !begins => Ok(open.follow(entry)?),
        Some(_) | None => {
            *book = Some(Book::begin(entry)?);
            Ok(())
        }
    }
}
