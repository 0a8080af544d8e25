//! The exchanges of a journal told line by line: of the running holdline, or of a file that nobody
//! holds.
use tokio::sync::mpsc::Sender;

use super::stands::{Stand, Stands};
use super::why::Why;
use super::{Line, Only, Row, Soundness};
use crate::exchange::Picked;
use crate::journal::{Entry, Journal, Number, Page, ReadError, Reader, Remembered, Report};
use crate::telemetry::{Capped, with_causes};
use crate::timing::Stamp;

/// Exchanges that are read at a time: a few hundred kilobytes.
const PAGE: usize = 500;

/// Where exchanges are read.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// In the journal that this process writes.
    Running(&'a Journal),
    /// In a file that nobody writes.
    File(&'a Reader),
}

impl<'a> Source<'a> {
    /// All of it, the oldest first.
    pub(super) const fn pages(self) -> Pages<'a> {
        Pages {
            source: self,
            from: Some(Number(0)),
        }
    }

    /// Every entry of one exchange.
    pub(super) async fn entries(self, number: Number) -> Result<Vec<Entry>, ReadError> {
        match self {
            Self::Running(journal) => journal.entries(number).await,
            Self::File(reader) => reader.entries(number),
        }
    }

    /// The exchanges that an id names, of those that count.
    pub(super) async fn named(
        self,
        id: &str,
        counts: impl Fn(&Remembered) -> bool,
    ) -> Result<Picked<'_, Remembered>, Why> {
        let (mut pages, mut named) = (self.pages(), Picked::among(id, []));
        while let Some(page) = pages.next().await? {
            named.extend(page.into_iter().filter(&counts));
        }
        Ok(named)
    }

    async fn page(self, from: Number) -> Result<Page, ReadError> {
        match self {
            Self::Running(journal) => journal.remembered(from, PAGE).await,
            Self::File(reader) => reader.remembered(from, PAGE),
        }
    }
}

/// A walk over every exchange, page by page.
pub(super) struct Pages<'a> {
    source: Source<'a>,
    from: Option<Number>,
}

impl Pages<'_> {
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Remembered>>, Why> {
        let Some(number) = self.from else {
            return Ok(None);
        };
        let page = self.source.page(number).await;
        let page = page.map_err(|error| with_causes(&error))?;
        self.from = page.next;
        Ok(Some(page.exchanges))
    }
}

/// What is told of exchanges, at one moment.
pub(super) struct Listing<'a> {
    pub(super) source: Source<'a>,
    pub(super) stands: Stands,
    pub(super) now: Stamp,
}

impl Listing<'_> {
    pub(super) async fn list(&self, only: Only, lines: &Sender<Line>) -> Result<(), Why> {
        let mut pages = self.source.pages();
        while let Some(page) = pages.next().await? {
            for exchange in &page {
                let stand = self.stands.find(exchange);
                if only.takes(stand.0) && !self.tell(exchange, stand, lines).await {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    pub(super) async fn show(&self, id: &str, lines: &Sender<Line>) -> Result<(), Why> {
        let named = self.source.named(id, |_| true).await?.all();
        if named.is_empty() {
            return Err(unknown(id));
        }
        for exchange in &named {
            self.tell(exchange, self.stands.find(exchange), lines).await;
        }
        Ok(())
    }

    /// False if nobody listens any more.
    async fn tell(&self, exchange: &Remembered, stand: Stand, lines: &Sender<Line>) -> bool {
        let row = Row::of(exchange, stand, self.now);
        lines.send(Line::Exchange(Box::new(row))).await.is_ok()
    }
}

pub(super) fn unknown(id: &str) -> Why {
    format!("no exchange of the journal has the id {}", Capped(id))
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
