//! Where questions are answered: from the journal, and for a verdict by the exchange itself.
use tokio::sync::mpsc::Sender;
use uuid::Uuid;

use super::doubts::Doubts;
use super::{Ask, Only, Reason, Reply, Row, Verdict};
use crate::exchange::{Flights, machine};
use crate::journal::{Change, Doubt, Entry, Journal, Number, Place, Remembered, Standing};
use crate::telemetry::{Capped, with_causes};
use crate::timing::Stamps;

/// Exchanges that are read at a time: a few hundred kilobytes.
const PAGE: usize = 500;

/// Why a question has no answer, in words.
type Why = String;

/// Answers questions about one journal.
#[derive(Clone)]
pub struct Desk {
    /// Absent where everything is in memory.
    journal: Option<Journal>,
    /// Absent where no process has the exchanges: then a verdict is written into the journal.
    flights: Option<Flights>,
    stamps: Stamps,
}

impl Desk {
    /// The desk of a running holdline.
    pub const fn running(journal: Option<Journal>, flights: Flights, stamps: Stamps) -> Self {
        Self {
            journal,
            flights: Some(flights),
            stamps,
        }
    }

    /// The desk of a journal that this process has opened for itself alone.
    pub const fn alone(journal: Journal, stamps: Stamps) -> Self {
        Self {
            journal: Some(journal),
            flights: None,
            stamps,
        }
    }

    /// Answers line by line; the last line is `Done` or `Failed`. Where nobody listens any more the
    /// rest is not told.
    pub async fn answer(&self, ask: Ask, lines: &Sender<Reply>) {
        let last = match self.attempt(ask, lines).await {
            Ok(()) => Reply::Done,
            Err(why) => Reply::Failed(why),
        };
        let _ = lines.send(last).await;
    }

    async fn attempt(&self, ask: Ask, lines: &Sender<Reply>) -> Result<(), Why> {
        match ask {
            Ask::List { only } => self.list(only, lines).await,
            Ask::Show { id } => self.show(&id, lines).await,
            Ask::Verify => self.verify(lines).await,
            Ask::Resolve {
                id,
                verdict,
                reason,
            } => self.resolve(&id, verdict, reason, lines).await,
        }
    }

    async fn list(&self, only: Only, lines: &Sender<Reply>) -> Result<(), Why> {
        let mut walk = self.walk()?;
        let doubts = Doubts::of(self.flights.as_ref());
        while let Some(page) = walk.next().await? {
            for exchange in &page {
                let beside = doubts.beside(exchange);
                if only.takes(exchange, beside) && !self.tell(exchange, beside, lines).await {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    async fn show(&self, id: &str, lines: &Sender<Reply>) -> Result<(), Why> {
        let (mut walk, mut found) = (self.walk()?, false);
        let doubts = Doubts::of(self.flights.as_ref());
        while let Some(page) = walk.next().await? {
            for exchange in page.iter().filter(|exchange| is_named(exchange, id)) {
                found = true;
                self.tell(exchange, doubts.beside(exchange), lines).await;
            }
        }
        if found { Ok(()) } else { Err(unknown(id)) }
    }

    fn walk(&self) -> Result<Walk<'_>, Why> {
        Ok(Walk {
            journal: self.journal()?,
            from: Some(Number(0)),
        })
    }

    fn journal(&self) -> Result<&Journal, Why> {
        let none = "this holdline keeps everything in memory: /tasks of its operator's listener tells what runs";
        self.journal.as_ref().ok_or_else(|| none.to_owned())
    }

    async fn tell(
        &self,
        exchange: &Remembered,
        beside: Option<machine::Doubt>,
        lines: &Sender<Reply>,
    ) -> bool {
        let row = Box::new(Row::of(exchange, beside, self.stamps.now()));
        lines.send(Reply::Exchange(row)).await.is_ok()
    }

    /// Reads every record. The pages of the file are checked while nobody writes to it: at every
    /// start, and by the same command on the file.
    async fn verify(&self, lines: &Sender<Reply>) -> Result<(), Why> {
        let report = self.journal()?.verify().await;
        let found = report.map_err(|error| with_causes(&error))?.into();
        let _ = lines.send(Reply::Soundness(found)).await;
        Ok(())
    }

    async fn resolve(
        &self,
        id: &str,
        verdict: Verdict,
        reason: Reason,
        lines: &Sender<Reply>,
    ) -> Result<(), Why> {
        let told = String::from(reason.clone());
        let exchange = match &self.flights {
            Some(flights) => flights
                .resolve(id, verdict.into(), reason.into())
                .await
                .map_err(|error| with_causes(&error))?,
            None => self.write_verdict(id, verdict, reason.into()).await?,
        };
        tracing::warn!(
            target: "holdline::exchange",
            %exchange,
            ?verdict,
            reason = %Capped(&told),
            "the operator settled an exchange that was in doubt"
        );
        let _ = lines.send(Reply::Resolved(exchange.to_string())).await;
        Ok(())
    }

    /// Writes a verdict into the journal of which nobody runs the exchanges.
    async fn write_verdict(
        &self,
        id: &str,
        verdict: Verdict,
        reason: Box<str>,
    ) -> Result<Uuid, Why> {
        let (mut walk, mut named) = (self.walk()?, Vec::new());
        while let Some(page) = walk.next().await? {
            let unended = |it: &Remembered| it.standing != Standing::Ended;
            named.extend(
                page.into_iter()
                    .filter(|it| is_named(it, id) && unended(it)),
            );
        }
        // A key is of a client's making, and may look like the id of another exchange.
        if let Some(own) = named
            .iter()
            .position(|it| it.head.exchange.to_string() == id)
        {
            named = vec![named.swap_remove(own)];
        }
        let exchange = match (named.pop(), named.pop()) {
            (None, _) => return Err(unknown(id)),
            (Some(_), Some(_)) => {
                return Err(format!(
                    "{} names several exchanges: give the exchange's own id",
                    Capped(id)
                ));
            }
            (Some(exchange), None) => exchange,
        };
        if !may_be_settled(&exchange.standing) {
            return Err(format!(
                "exchange {} is not in doubt",
                exchange.head.exchange
            ));
        }
        let entry = Entry {
            place: Place {
                number: exchange.number,
                step: exchange.next_step,
            },
            stamp: self.stamps.now(),
            change: match verdict {
                Verdict::Executed => Change::InDoubt(Doubt {
                    cause: machine::Doubt::Executed.name().into(),
                    reason: Some(reason),
                }),
                Verdict::NotExecuted => Change::Closed(Some(reason)),
            },
        };
        self.journal()?
            .append(entry)
            .await
            .map_err(|error| with_causes(&error))?;
        Ok(exchange.head.exchange)
    }
}

/// A walk over every exchange of a journal, page by page.
struct Walk<'a> {
    journal: &'a Journal,
    from: Option<Number>,
}

impl Walk<'_> {
    async fn next(&mut self) -> Result<Option<Vec<Remembered>>, Why> {
        let Some(number) = self.from else {
            return Ok(None);
        };
        let page = self
            .journal
            .remembered(number, PAGE)
            .await
            .map_err(|error| with_causes(&error))?;
        self.from = page.next;
        Ok(Some(page.exchanges))
    }
}

/// True where no process that starts from this journal could tell what became of it.
const fn may_be_settled(standing: &Standing) -> bool {
    match standing {
        Standing::Submitted | Standing::InDoubt(_) => true,
        Standing::Accepted | Standing::Completed | Standing::Delivered | Standing::Ended => false,
    }
}

pub(super) fn is_named(exchange: &Remembered, id: &str) -> bool {
    exchange.head.exchange.to_string() == id
        || *exchange.head.key == *id
        || exchange.ticket.as_deref() == Some(id)
}

pub(super) fn unknown(id: &str) -> Why {
    format!("no exchange of the journal has the id {}", Capped(id))
}
