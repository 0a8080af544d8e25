//! Where questions are answered: from the journal, and for a verdict by the exchange itself.
use tokio::sync::mpsc::Sender;
use uuid::Uuid;

use super::listing::{Listing, Source, unknown};
use super::row::is_executed;
use super::stands::Stands;
use super::why::Why;
use super::{Ask, Line, Reason, Verdict};
use crate::exchange::{Flights, NotOne, VerdictError, check_word, machine};
use crate::journal::{Change, Entry, Journal, LastRecord, Place, Remembered, WrittenDoubt};
use crate::telemetry::{Capped, Filter, HINT, Levels, with_causes};
use crate::timing::Stamps;

/// Answers questions about one journal.
#[derive(Clone)]
pub struct Desk {
    /// Absent where everything is in memory.
    pub(super) journal: Option<Journal>,
    /// Absent where no process has the exchanges: then a verdict is written into the journal.
    pub(super) flights: Option<Flights>,
    /// Absent where the log is somebody else's.
    levels: Option<Levels>,
    stamps: Stamps,
}

impl Desk {
    /// The desk of a running holdline.
    pub const fn running(
        journal: Option<Journal>,
        flights: Flights,
        levels: Option<Levels>,
        stamps: Stamps,
    ) -> Self {
        Self {
            journal,
            flights: Some(flights),
            levels,
            stamps,
        }
    }

    /// The desk of a journal that this process has opened for itself alone.
    pub const fn alone(journal: Journal, stamps: Stamps) -> Self {
        Self {
            journal: Some(journal),
            flights: None,
            levels: None,
            stamps,
        }
    }

    /// Answers line by line, or says why not. Where nobody listens any more the rest is not told.
    pub async fn answer(&self, ask: Ask, lines: &Sender<Line>) -> Result<(), String> {
        match ask {
            Ask::List { only } => self.listing()?.list(only, lines).await,
            Ask::Show { id } => self.listing()?.show(&id, lines).await,
            Ask::Explain { id } => self.explain(&id, lines).await,
            Ask::Verify => self.verify(lines).await,
            Ask::Polling { gateway, route } => {
                self.polling(gateway.as_deref(), route.as_deref(), lines)
                    .await
            }
            Ask::Log { levels } => self.log(levels.as_deref(), lines).await,
            Ask::Resolve {
                id,
                verdict,
                reason,
            } => self.resolve(&id, verdict, reason, lines).await,
        }
    }

    fn listing(&self) -> Result<Listing<'_>, Why> {
        Ok(Listing {
            source: Source::Running(self.journal()?),
            stands: Stands::of(self.flights.as_ref()),
            now: self.stamps.now(),
        })
    }

    fn journal(&self) -> Result<&Journal, Why> {
        let none = "this holdline keeps everything in memory: /tasks of its operator's listener tells what runs";
        self.journal.as_ref().ok_or_else(|| none.to_owned())
    }

    /// Reads every record. The pages of the file are checked while nobody writes to it: at every
    /// start, and by the same command on the file.
    async fn verify(&self, lines: &Sender<Line>) -> Result<(), Why> {
        let report = self.journal()?.verify().await;
        let found = report.map_err(|error| with_causes(&error))?.into();
        let _ = lines.send(Line::Soundness(found)).await;
        Ok(())
    }

    /// Changes the levels of the log where others are given, and tells those in force.
    async fn log(&self, written: Option<&str>, lines: &Sender<Line>) -> Result<(), Why> {
        let none = "this process does not write a log of its own";
        let levels = self.levels.as_ref().ok_or(none)?;
        if let Some(written) = written {
            let filter = Filter::parse(written).map_err(|why| {
                let still = levels.in_force();
                format!("{why}; {HINT}. The levels are still {still}")
            })?;
            levels.change(filter)?;
        }
        let _ = lines.send(Line::Levels(levels.in_force())).await;
        Ok(())
    }

    async fn resolve(
        &self,
        id: &str,
        verdict: Verdict,
        reason: Reason,
        lines: &Sender<Line>,
    ) -> Result<(), Why> {
        let exchange = match &self.flights {
            Some(flights) => flights
                .resolve(id, verdict.into(), reason.into())
                .await
                .map_err(|error| with_causes(&error))?,
            None => self.write_verdict(id, verdict, reason.into()).await?,
        };
        let _ = lines.send(Line::Resolved(exchange.to_string())).await;
        Ok(())
    }

    /// Writes a verdict into the journal of which nobody runs the exchanges.
    async fn write_verdict(
        &self,
        id: &str,
        verdict: Verdict,
        reason: Box<str>,
    ) -> Result<Uuid, Why> {
        let exchange = self.named(id).await?;
        check(&exchange, verdict).map_err(|error| with_causes(&error))?;
        let entry = Entry {
            place: Place {
                number: exchange.number,
                step: exchange.next_step,
            },
            stamp: self.stamps.now(),
            change: match verdict {
                Verdict::Executed => Change::InDoubt(WrittenDoubt {
                    cause: machine::Doubt::Executed.name().into(),
                    reason: Some(reason),
                }),
                Verdict::NotExecuted => Change::Closed(Some(reason)),
            },
        };
        let written = self.journal()?.append(entry).await;
        // It is owed then, and the journal tries once more when it is let go.
        written.map_err(|error| {
            let why = with_causes(&error);
            format!(
                "{why}; it may be written in the end: look with `journal show` before you say more"
            )
        })?;
        Ok(exchange.head.exchange)
    }

    /// The one exchange of the journal that has this name and has not ended.
    async fn named(&self, id: &str) -> Result<Remembered, Why> {
        let unended = |it: &Remembered| it.last_record != LastRecord::Ended;
        let source = Source::Running(self.journal()?);
        let named = source.named(id, unended).await?;
        named.one().map_err(|why| match why {
            NotOne::None => unknown(id),
            NotOne::Several => format!(
                "{} names several exchanges: give the exchange's own id",
                Capped(id)
            ),
        })
    }
}

/// Only where no process that starts from this journal could tell what became of it, the operator may; and
/// of what is settled, no more than where one runs.
fn check(exchange: &Remembered, verdict: Verdict) -> Result<(), VerdictError> {
    let is_ruled = exchange.ruled.as_ref().is_some_and(is_executed);
    match exchange.last_record {
        LastRecord::Submitted | LastRecord::InDoubt(_) => check_word(is_ruled, verdict.into()),
        LastRecord::Accepted
        | LastRecord::Completed
        | LastRecord::Delivered
        | LastRecord::Ended => Err(VerdictError::NotInDoubt),
    }
}
