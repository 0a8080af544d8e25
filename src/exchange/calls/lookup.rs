//! The search for what became of a submit without an answer.
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{Request, StatusCode};

use super::{Call, CallKind, Report};
use crate::exchange::context::Context;
use crate::exchange::flights::{CLOCK_SKEW, Flight};
use crate::exchange::machine::{Event, Searched};
use crate::exchange::order::Credentials;
use crate::exchange::telling::{Heard, journey};
use crate::message::{Body, StoredResponse};
use crate::protocol::{Search, Times, gateway_time, listed, retry_after, transaction_by_uid};
use crate::timing::{Moment, Stamp, wall_clock};

/// Searches for the transaction by its tracking id, and reads it where exactly one is ours. A search without
/// an answer leads on like one that finds nothing, and is told as what it is.
pub(in crate::exchange) fn lookup(
    context: &Arc<Context>,
    flight: &Arc<Flight>,
    credentials: Box<Credentials>,
) -> Call {
    let (context, flight) = (Arc::clone(context), Arc::clone(flight));
    Call::new(CallKind::Lookup, async move {
        let found = find(&context, &flight, &credentials).await;
        context.metrics.looked_up(&found);
        let (found, retry_after) = match found {
            Ok(found) => (found, None),
            Err(Unanswered { heard, retry_after }) => {
                journey::tell_lookup_lost(&flight, heard);
                flight.hear(heard);
                (None, retry_after)
            }
        };
        flight.core().looked_up = found.is_some();
        let missing = Searched::NotFound { retry_after };
        let searched = found.map_or(missing, |answer| Searched::Found(Arc::new(answer)));
        Report::Event(Event::LookedUp(searched))
    })
}

/// A question of the search to which the gateway did not say anything.
struct Unanswered {
    heard: Heard,
    /// What its `Retry-After` asks for.
    retry_after: Option<Duration>,
}

impl From<Heard> for Unanswered {
    fn from(heard: Heard) -> Self {
        Self {
            heard,
            retry_after: None,
        }
    }
}

/// The transaction, or `None` where none is surely ours; an error where the gateway did not say.
async fn find(
    context: &Context,
    flight: &Arc<Flight>,
    credentials: &Credentials,
) -> Result<Option<StoredResponse>, Unanswered> {
    let profile = flight.profile();
    let any_time = Search {
        facts: flight.facts(),
        times: None,
    };
    let Some(path) = any_time.path(profile) else {
        return Ok(None);
    };
    // Who sleeps after this makes the submit seem later than it was, as a slow answer does.
    let (called, called_at) = (context.stamps.now(), context.stamps.present());
    let (asked_at, list) = ask(flight, credentials.get(path)).await?;
    let asked = called.after(asked_at.since(called_at));
    if list.status == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    let listed = listed(&list.body).ok_or(Heard::Status(list.status.as_u16()))?;
    // Without a `Date` there is no telling.
    let dated = flight.sent().zip(gateway_time(&list.fields));
    let Some(times) = dated.and_then(|(sent, told_at)| times(sent, asked, told_at)) else {
        return Ok(None);
    };
    let search = Search {
        times: Some(times),
        ..any_time
    };
    if context.is_contested(flight) {
        return Ok(None);
    }
    let is_taken = |uid: &str| context.is_taken(flight, uid);
    let Some(found) = search.choose(&listed, is_taken) else {
        if let Some(left_out) = search.left_out(&listed, is_taken) {
            journey::tell_left_out(context, flight, &left_out);
        }
        return Ok(None);
    };
    let Some(path) = transaction_by_uid(profile, &found) else {
        return Ok(None);
    };
    let (_, answer) = ask(flight, credentials.get(path)).await?;
    let is_answer =
        answer.status == StatusCode::OK && search.accepts(profile, &found, &answer.body);
    Ok(is_answer.then_some(answer))
}

/// The gateway's word on a question of the search, 404 is one, and when it was asked.
async fn ask(
    flight: &Flight,
    question: Request<Body>,
) -> Result<(Moment, StoredResponse), Unanswered> {
    let gateway = flight.home.gateway().ok_or(Heard::Elsewhere)?;
    let asked = gateway.client.search(question).await;
    let (asked_at, answer) = asked.map_err(|error| Heard::Failed(error.cause))?;
    match answer.status {
        StatusCode::OK | StatusCode::NOT_FOUND => Ok((asked_at, answer)),
        other => Err(Unanswered {
            heard: Heard::Status(other.as_u16()),
            retry_after: retry_after(&answer.fields, wall_clock()),
        }),
    }
}

/// When the first submit left, by the gateway's clock, and when it gave an answer that it was asked for at
/// `asked`: by the `Date` of that. A slow answer makes the submit seem later than it was, never earlier, so
/// that no older transaction is taken. Where an earlier boot sent it, our own time of day may have jumped
/// since, and what it said then counts if that is later.
fn times(sent: Stamp, asked: Stamp, told_at: SystemTime) -> Option<Times> {
    let by_age = told_at.checked_sub(asked.since(sent))?;
    let submitted_at = if asked.is_of_boot(sent) {
        by_age
    } else {
        by_age.max(sent.time_of_day() - CLOCK_SKEW)
    };
    Some(Times {
        submitted_at,
        told_at,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SENT: Stamp = Stamp {
        wall: 1_800_000_000_000,
        since_boot: 60_000,
        boot: 1,
    };

    fn submitted_at(asked: Stamp, told_at: SystemTime) -> SystemTime {
        times(SENT, asked, told_at).unwrap().submitted_at
    }

    #[test]
    fn a_submit_is_as_old_as_the_clock_says_that_goes_on_while_the_machine_sleeps() {
        let theirs = SENT.time_of_day() + Duration::from_hours(1);
        for asleep in [Duration::ZERO, Duration::from_hours(8)] {
            let asked = SENT.after(Duration::from_secs(5) + asleep);
            let told_at = theirs + Duration::from_secs(6) + asleep;
            // A second later than it was: the answer took one.
            let sent = theirs + Duration::from_secs(1);
            assert_eq!(submitted_at(asked, told_at), sent);
        }
    }

    #[test]
    fn a_submit_of_an_earlier_boot_is_no_older_than_our_time_of_day_said_then() {
        let told_at = SENT.time_of_day() + Duration::from_mins(1);
        let asked = |ahead| Stamp {
            boot: 2,
            ..SENT.after(ahead)
        };
        assert_eq!(
            submitted_at(asked(Duration::from_mins(1)), told_at),
            SENT.time_of_day()
        );
        let skewed = SENT.time_of_day() - CLOCK_SKEW;
        assert_eq!(
            submitted_at(asked(Duration::from_hours(9000)), told_at),
            skewed
        );
    }
}
