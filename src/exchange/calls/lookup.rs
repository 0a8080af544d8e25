//! The search for what became of a submit without an answer.
use std::sync::Arc;
use std::time::SystemTime;

use super::{Call, CallKind, Report};
use crate::exchange::context::Context;
use crate::exchange::flights::{CLOCK_SKEW, Flight};
use crate::exchange::machine::Event;
use crate::exchange::order::Credentials;
use crate::message::StoredResponse;
use crate::protocol::{Search, gateway_time, transaction_by_uid};
use crate::timing::Moment;

/// Searches for the transaction by its tracking id, and reads it where exactly one is ours.
pub(in crate::exchange) fn lookup(
    context: &Arc<Context>,
    flight: &Arc<Flight>,
    credentials: Box<Credentials>,
) -> Call {
    let (context, flight) = (Arc::clone(context), Arc::clone(flight));
    Call::new(CallKind::Lookup, async move {
        let found = find(&context, &flight, &credentials).await;
        context.metrics.looked_up(found.is_some());
        flight.core().looked_up = found.is_some();
        Report::Event(Event::LookedUp(found.map(Arc::new)))
    })
}

async fn find(
    context: &Context,
    flight: &Arc<Flight>,
    credentials: &Credentials,
) -> Option<StoredResponse> {
    let profile = flight.profile();
    let client = &flight.home.gateway()?.client;
    let any_time = Search {
        facts: flight.facts(),
        submitted_at: SystemTime::UNIX_EPOCH,
    };
    let asked_at = context.clock.now();
    let list = client
        .fetch(credentials.get(any_time.path(profile)?))
        .await
        .ok()?;
    let search = Search {
        submitted_at: submitted_at(flight, &list, asked_at)?,
        ..any_time
    };
    let found = search.choose(&list.body, |uid| context.is_taken(flight, uid))?;
    if context.is_contested(flight) {
        return None;
    }
    let path = transaction_by_uid(profile, &found)?;
    let answer = client.fetch(credentials.get(path)).await.ok()?;
    let is_answer =
        answer.status == http::StatusCode::OK && search.accepts(profile, &found, &answer.body);
    is_answer.then_some(answer)
}

/// When the first submit left, by the gateway's clock: by the `Date` of an answer that was asked for
/// at `asked_at`. A slow answer makes it seem later than it was, never earlier, so that no older
/// transaction is taken; without a `Date` there is no telling. Where an earlier boot sent it, our own
/// time of day may have jumped since, and what it said then counts if that is later.
fn submitted_at(flight: &Flight, answer: &StoredResponse, asked_at: Moment) -> Option<SystemTime> {
    let first_sent = flight.core().machine.first_sent()?;
    let by_age = gateway_time(&answer.fields)?.checked_sub(asked_at.since(first_sent))?;
    let told_then = flight.stamped.map(|stamp| stamp.time_of_day() - CLOCK_SKEW);
    Some(told_then.map_or(by_age, |then| then.max(by_age)))
}
