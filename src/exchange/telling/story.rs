//! An exchange told step by step, for whoever prints it: from its trail, from the journal, or both.
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::glance::Group;
use super::steps::{Words, of_change, of_step};
use super::trail::{Step, Trail, What};
use crate::exchange::flights::{Began, Flight};
use crate::exchange::handle::Flights;
use crate::exchange::machine::Doubt;
use crate::exchange::naming::{HasNames, Names, Picked};
use crate::exchange::verdict::Word;
use crate::journal::{Entry, Journal, Number, Remembered};
use crate::timing::Stamp;

/// An exchange and what happened to it. No body, answer or credential is part of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Story {
    /// Its own id, as clients and logs were told it.
    pub exchange: String,
    /// Where it counts.
    pub state: Group,
    /// What it waits for, or why it is in doubt, in words.
    pub now: Option<String>,
    /// The name of that reason.
    pub cause: Option<String>,
    /// What the operator said became of it: executed or not-executed.
    pub verdict: Option<String>,
    /// How the operator knows.
    pub reason: Option<String>,
    /// When the operator said so, RFC 3339.
    pub settled: Option<String>,
    /// The key that every submit of it carries.
    pub idempotency_key: String,
    /// The task's id at the gateway.
    pub request_id: Option<String>,
    /// The merchant's own id.
    pub tracking_id: Option<String>,
    /// The `uid` of the transaction that it acts on, while the request that names it is in memory.
    pub parent_uid: Option<String>,
    /// As the request wrote it, in minor units.
    pub amount: Option<String>,
    /// The currency's code.
    pub currency: Option<String>,
    /// The gateway's configured name.
    pub gateway: String,
    /// Like `payments`.
    pub operation: String,
    /// When its request was read, RFC 3339.
    pub began: String,
    /// What happened, the oldest first.
    pub steps: Vec<ToldStep>,
}

/// One step, or several like it in a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToldStep {
    /// When it happened, or the first of them; RFC 3339.
    pub at: String,
    /// Seconds from the reading of the request.
    pub after_seconds: f64,
    /// Seconds from the first of them to the last.
    pub span_seconds: f64,
    /// How many there are.
    pub times: u32,
    /// What happened.
    pub what: String,
    /// Why, or how it is known.
    pub why: Option<String>,
    /// Steps before this one that are not kept.
    pub missing: u32,
}

/// What is remembered for a while of an exchange that has ended.
#[derive(Clone)]
pub(in crate::exchange) struct Ended {
    about: About,
    group: Group,
    trail: Trail,
    /// What the operator said of it.
    word: Option<Word>,
    earlier: Option<Number>,
}

/// Which exchange it is.
#[derive(Clone)]
struct About {
    exchange: Uuid,
    key: String,
    ticket: Option<String>,
    tracking_id: Option<String>,
    parent_uid: Option<String>,
    amount: Option<String>,
    currency: Option<String>,
    gateway: String,
    operation: String,
    began: Began,
}

impl About {
    fn of(flight: &Flight) -> Self {
        let facts = flight.facts();
        let owned = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
        Self {
            exchange: flight.id,
            key: flight.key.value.to_str().unwrap_or_default().to_owned(),
            ticket: flight.ticket(),
            tracking_id: owned(&facts.tracking_id),
            parent_uid: owned(&facts.parent_uid),
            amount: owned(&facts.amount),
            currency: owned(&facts.currency),
            gateway: flight.gateway_name().to_owned(),
            operation: flight.conversion.operation.name().to_owned(),
            began: flight.began,
        }
    }

    fn story(
        self,
        (group, now, doubt): (Group, Option<String>, Option<Doubt>),
        word: Option<Word>,
        steps: Vec<ToldStep>,
    ) -> Story {
        Story {
            exchange: self.exchange.to_string(),
            state: group,
            now,
            cause: doubt.map(|doubt| doubt.name().to_owned()),
            verdict: word.as_ref().map(|it| it.verdict.name().to_owned()),
            settled: word.as_ref().map(|it| written(it.at)),
            reason: word.and_then(|it| it.reason).map(String::from),
            idempotency_key: self.key,
            request_id: self.ticket,
            tracking_id: self.tracking_id,
            parent_uid: self.parent_uid,
            amount: self.amount,
            currency: self.currency,
            gateway: self.gateway,
            operation: self.operation,
            began: written(self.began.stamp),
            steps,
        }
    }
}

impl Ended {
    pub(in crate::exchange) fn of(flight: &Flight) -> Self {
        let word = flight.core().word.clone();
        Self {
            about: About::of(flight),
            group: flight.glance().group,
            trail: flight.trail(),
            word,
            earlier: flight.earlier_number(),
        }
    }

    /// Tells of it as of one that has not ended.
    fn story(self, earlier: &[Entry]) -> Story {
        let steps = told(&self.trail, earlier, self.about.began);
        let word = self.word.or_else(|| Word::of_records(earlier));
        self.about.story((self.group, None, None), word, steps)
    }
}

/// An exchange that this process can tell of.
enum Tellable {
    Unended(Arc<Flight>),
    /// It ended a moment ago.
    Ended(Box<Ended>),
}

impl HasNames for Tellable {
    fn names(&self) -> Names<'_> {
        match self {
            Self::Unended(flight) => flight.names(),
            Self::Ended(ended) => Names {
                own: ended.about.exchange,
                key: ended.about.key.as_bytes(),
                ticket: ended.about.ticket.as_deref().map(Cow::Borrowed),
            },
        }
    }
}

impl Flight {
    /// Its number in the journal, where it was there before this process: its first steps stand in
    /// the journal alone.
    fn earlier_number(&self) -> Option<Number> {
        let trail = self.trail();
        let first = trail.steps().next()?.1.what;
        (first == What::Resumed).then_some(self.number)
    }
}

impl Flights {
    /// Tells of those that an id names and that this process has, or had a moment ago.
    pub async fn stories(&self, journal: Option<&Journal>, id: &str) -> Vec<Story> {
        let mut named = Picked::among(id, self.all().into_iter().map(Tellable::Unended));
        let ended = self.0.table().ended.clone();
        named.extend(ended.into_iter().map(Box::new).map(Tellable::Ended));
        let mut stories = Vec::new();
        for known in named.all() {
            stories.push(match known {
                Tellable::Unended(flight) => {
                    let earlier = entries(journal, flight.earlier_number()).await;
                    Story::of_flight(&flight, &earlier)
                }
                Tellable::Ended(ended) => {
                    let earlier = entries(journal, ended.earlier).await;
                    ended.story(&earlier)
                }
            });
        }
        stories
    }
}

impl Story {
    /// Tells of one that has not ended. `earlier` are its entries in the journal, where it was there
    /// before this process.
    fn of_flight(flight: &Flight, earlier: &[Entry]) -> Self {
        let glance = flight.glance();
        let steps = told(&flight.trail(), earlier, flight.began);
        let said = flight.core().word.clone();
        let word = said.or_else(|| Word::of_records(earlier));
        let doubt = glance.doubt.filter(|_| glance.group.has_doubt());
        let waits = || format!("it waits for {}", glance.awaits());
        let now = doubt.map_or_else(waits, |doubt| doubt.words().to_owned());
        About::of(flight).story((glance.group, Some(now), doubt), word, steps)
    }

    /// Tells of an exchange by its records alone.
    pub fn of_records(exchange: &Remembered, entries: &[Entry]) -> Self {
        let (head, began) = (&exchange.head, exchange.submitted);
        let owned = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
        let about = About {
            exchange: head.exchange,
            key: head.key.to_string(),
            ticket: owned(&exchange.ticket),
            tracking_id: owned(&head.reference),
            // No record has it.
            parent_uid: None,
            amount: owned(&head.amount),
            currency: owned(&head.currency),
            gateway: head.gateway.to_string(),
            operation: head.operation.to_string(),
            began: Began::here(began),
        };
        let steps = entries.iter().map(|entry| of_entry(entry, began)).collect();
        let (group, doubt) = Group::of_records(&exchange.last_record);
        let now = match group {
            Group::InDoubt | Group::Settled => doubt.map(Doubt::words),
            Group::Interrupted => Some("it waits for its client's repeat"),
            Group::Undelivered => Some("it waits for its client"),
            Group::Running | Group::Delivered | Group::Ended => None,
        };
        let now = now.map(str::to_owned);
        let doubt = doubt.filter(|_| group.has_doubt());
        about.story((group, now, doubt), Word::of_records(entries), steps)
    }
}

/// The entries of an exchange that was in the journal before this process. What cannot be read now is not
/// told: the rest matters all the more then.
async fn entries(journal: Option<&Journal>, earlier: Option<Number>) -> Vec<Entry> {
    match (journal, earlier) {
        (Some(journal), Some(number)) => journal.entries(number).await.unwrap_or_default(),
        (Some(_) | None, _) => Vec::new(),
    }
}

/// The entries of before this process, and then what happened in it.
fn told(trail: &Trail, earlier: &[Entry], began: Began) -> Vec<ToldStep> {
    let first = trail.steps().next();
    let here = first.map_or(began.origin, |(_, step)| began.step(step.first()));
    let earlier = earlier.iter().filter(|entry| {
        let stamp = entry.stamp;
        !stamp.is_of_boot(here) || stamp.since_boot < here.since_boot
    });
    let earlier = earlier.map(|entry| of_entry(entry, began.stamp));
    earlier.chain(of_trail(trail, began)).collect()
}

fn of_trail(trail: &Trail, began: Began) -> impl Iterator<Item = ToldStep> {
    trail.steps().map(move |(missing, step)| {
        let Words(what, why) = of_step(step);
        ToldStep {
            at: written(began.step(step.first())),
            after_seconds: step.first().as_secs_f64(),
            span_seconds: span(step).as_secs_f64(),
            times: step.times,
            what,
            why,
            missing,
        }
    })
}

fn span(step: &Step) -> Duration {
    step.last().saturating_sub(step.first())
}

fn of_entry(entry: &Entry, began: Stamp) -> ToldStep {
    let Words(what, why) = of_change(&entry.change);
    ToldStep {
        at: written(entry.stamp),
        after_seconds: entry.stamp.since(began).as_secs_f64(),
        span_seconds: 0.0,
        times: 1,
        what,
        why,
        missing: 0,
    }
}

fn written(stamp: Stamp) -> String {
    Timestamp::try_from(stamp.time_of_day())
        .map(|time| format!("{time:.3}"))
        .unwrap_or_default()
}
