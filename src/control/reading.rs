//! Answers from a file that nobody holds: read as it is, damaged or not, and never changed.
use std::io;

use super::desk::{is_named, unknown};
use super::doubts::Doubts;
use super::{Only, Reply, Row, Soundness};
use crate::journal::{Number, ReadError, Reader, Remembered, Report};
use crate::timing::Stamp;

/// Exchanges that are read at a time.
const PAGE: usize = 500;

/// Takes one line of an answer.
pub type Print<'a> = dyn FnMut(Reply) -> io::Result<()> + 'a;

/// Lists exchanges, the oldest first.
pub fn list(
    reader: &Reader,
    only: Only,
    now: Stamp,
    print: &mut Print<'_>,
) -> io::Result<Result<(), ReadError>> {
    each(reader, &mut |exchange| {
        let beside = Doubts::Unattended.beside(exchange);
        if only.takes(exchange, beside) {
            print(Reply::Exchange(Box::new(Row::of(exchange, beside, now))))?;
        }
        Ok(())
    })
}

/// Shows the exchanges that an id names.
pub fn show(
    reader: &Reader,
    id: &str,
    now: Stamp,
    print: &mut Print<'_>,
) -> io::Result<Result<(), String>> {
    let mut found = false;
    let read = each(reader, &mut |exchange| {
        if is_named(exchange, id) {
            found = true;
            let beside = Doubts::Unattended.beside(exchange);
            print(Reply::Exchange(Box::new(Row::of(exchange, beside, now))))?;
        }
        Ok(())
    })?;
    Ok(match read {
        Ok(()) if found => Ok(()),
        Ok(()) => Err(unknown(id)),
        Err(error) => Err(error.to_string()),
    })
}

fn each(
    reader: &Reader,
    take: &mut dyn FnMut(&Remembered) -> io::Result<()>,
) -> io::Result<Result<(), ReadError>> {
    let mut from = Some(Number(0));
    while let Some(number) = from {
        let page = match reader.remembered(number, PAGE) {
            Ok(page) => page,
            Err(error) => return Ok(Err(error)),
        };
        page.exchanges.iter().try_for_each(&mut *take)?;
        from = page.next;
    }
    Ok(Ok(()))
}

impl From<Report> for Soundness {
    fn from(report: Report) -> Self {
        let mut damage = report.faults;
        if report.more_faults > 0 {
            damage.push(format!("{} more faults are not told", report.more_faults));
        }
        Self {
            exchanges: report.exchanges,
            records: report.records,
            damage,
        }
    }
}
