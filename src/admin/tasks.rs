//! What runs, as JSON: ids, keys, ages and causes, never a body.
use serde::Serialize;

use crate::exchange::machine::{Standing, State};
use crate::exchange::{Flight, Flights};
use crate::timing::Moment;

/// More are counted and not listed: the answer is for eyes.
const MOST: usize = 1_000;

#[derive(Serialize)]
struct Listing {
    running: usize,
    at_rest: usize,
    listed: usize,
    tasks: Vec<Task>,
}

#[derive(Serialize)]
struct Task {
    exchange: String,
    request_id: Option<String>,
    idempotency_key: Option<String>,
    tracking_id: Option<String>,
    amount: Option<String>,
    currency: Option<String>,
    gateway: String,
    operation: &'static str,
    state: String,
    /// Absent once there is an answer.
    standing: Option<&'static str>,
    cause: Option<String>,
    polls: u32,
    age_seconds: f64,
}

/// Every exchange that has not ended, the oldest first.
pub(super) fn json(flights: &Flights, now: Moment) -> String {
    let mut all = flights.all();
    all.sort_by_key(|flight| flight.read_at());
    let (running, at_rest) = flights.count();
    let tasks: Vec<Task> = all
        .iter()
        .take(MOST)
        .map(|flight| task(flight, now))
        .collect();
    let listing = Listing {
        running,
        at_rest,
        listed: tasks.len(),
        tasks,
    };
    serde_json::to_string(&listing).unwrap_or_default()
}

fn task(flight: &Flight, now: Moment) -> Task {
    let facts = flight.facts();
    let owned = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
    let (standing, doubt) = flight.standing();
    Task {
        exchange: flight.id().to_string(),
        request_id: flight.ticket(),
        idempotency_key: flight.key().value.to_str().ok().map(str::to_owned),
        tracking_id: owned(&facts.tracking_id),
        amount: owned(&facts.amount),
        currency: owned(&facts.currency),
        gateway: flight.gateway_name().to_owned(),
        operation: flight.conversion().operation.name(),
        state: format!("{:?}", flight.state()),
        standing: (flight.state() != State::Undelivered).then_some(match standing {
            Standing::InProgress => "in-progress",
            Standing::InDoubt => "in-doubt",
        }),
        cause: doubt.map(|doubt| doubt.name().to_owned()),
        polls: flight.progress().0,
        age_seconds: now.since(flight.read_at()).as_secs_f64(),
    }
}
