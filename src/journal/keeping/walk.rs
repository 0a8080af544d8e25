//! Walks through the open file: exchange by exchange, or record by record.
use redb::ReadableDatabase;

use super::store::{RECORDS, Store, place_of};
use crate::journal::fault::StoreError;
use crate::journal::records::book::Book;
use crate::journal::{Entry, Number, Remembered};

/// How an exchange stands in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::journal) struct Extent {
    /// In so many records.
    pub(in crate::journal) records: usize,
    /// Which have so many bytes.
    pub(in crate::journal) bytes: usize,
}

impl Store {
    /// Reads the exchanges from a number on, in their order, until `visit` returns false. Where a record is
    /// damaged every exchange before that one's was visited.
    pub(in crate::journal) fn walk(
        &self,
        from: Number,
        mut visit: impl FnMut(Remembered) -> bool,
    ) -> Result<(), StoreError> {
        self.walk_records(from, |remembered, _| visit(remembered))
    }

    /// Reads the exchanges as [`walk`](Self::walk) does, and gives `visit` how each stands in the file.
    pub(in crate::journal) fn walk_records(
        &self,
        from: Number,
        mut visit: impl FnMut(Remembered, Extent) -> bool,
    ) -> Result<(), StoreError> {
        let records = self.database.begin_read()?.open_table(RECORDS)?;
        let mut open: Option<(Book, Extent)> = None;
        for record in records.range((from.0, 0)..)? {
            let (key, value) = record?;
            let place = place_of(key.value());
            // It is whole, whatever is wrong with the one behind it.
            if let Some((full, extent)) =
                open.take_if(|(book, _)| book.so_far().number != place.number)
                && !visit(full.close(), extent)
            {
                return Ok(());
            }
            for entry in self.read(place, value.value())? {
                match &mut open {
                    Some((book, _)) => book.follow(entry)?,
                    None => open = Some((Book::begin(entry)?, Extent::default())),
                }
            }
            if let Some((_, extent)) = &mut open {
                extent.records += 1;
                extent.bytes += value.value().len();
            }
        }
        if let Some((last, extent)) = open {
            visit(last.close(), extent);
        }
        Ok(())
    }

    /// The entries of one exchange, in their order.
    pub(in crate::journal) fn entries(&self, number: Number) -> Result<Vec<Entry>, StoreError> {
        self.checkpoint()?;
        let records = self.database.begin_read()?.open_table(RECORDS)?;
        self.all_of(&records, number)
    }

    /// Reads the records from an exchange on, about so many bytes of them, and follows each exchange. A
    /// record is told as whether it begins an exchange, or as what is wrong with it. Returns the exchange
    /// that comes next.
    pub(in crate::journal) fn each(
        &self,
        from: Number,
        bytes: usize,
        mut visit: impl FnMut(Result<bool, StoreError>),
    ) -> Result<Option<Number>, StoreError> {
        let records = self.database.begin_read()?.open_table(RECORDS)?;
        let mut book: Option<Book> = None;
        let mut broken: Option<Number> = None;
        let mut read_bytes = 0;
        for record in records.range((from.0, 0)..)? {
            let (key, value) = record?;
            let place = place_of(key.value());
            let begins = broken != Some(place.number)
                && book.as_ref().map(|it| it.so_far().number) != Some(place.number);
            if begins && read_bytes >= bytes {
                return Ok(Some(place.number));
            }
            read_bytes += value.value().len();
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
        Ok(None)
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
