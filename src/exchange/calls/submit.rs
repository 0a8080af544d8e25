//! The submit: on a connection of its own, and its answer, for as long as that lives.
use std::sync::Arc;
use std::time::Duration;

use http::Request;

use super::{Call, CallKind, Report};
use crate::exchange::context::Context;
use crate::exchange::flights::{Answer, Flight};
use crate::exchange::machine::{Event, Loss, Submitted, Timer};
use crate::exchange::telling::{Heard, journey};
use crate::message::{Body, StoredResponse};
use crate::protocol::{SubmitAnswer, Transaction, classify_submit, gateway_time, retry_after};
use crate::timing::wall_clock;
use crate::upstream::{Cause, OpenSubmit};

/// Connects and hands the submit over. The first byte leaves within the last turn of this future,
/// so nothing can come between it and the report.
pub(in crate::exchange) fn submit(
    context: &Arc<Context>,
    flight: &Arc<Flight>,
    request: Request<Body>,
) -> Option<Call> {
    let clock = context.clock;
    let not_after = flight.core().machine.submit_not_after();
    let client = flight.home.gateway()?.client.clone();
    let latch = Arc::clone(&flight.handed_over);
    let flight = Arc::clone(flight);
    let is_too_late = move || not_after.is_some_and(|it| flight.is_too_late(it, clock.now()));
    Some(Call::new(CallKind::Connect, async move {
        let connection = match client.connect(not_after).await {
            Ok(connection) => connection,
            Err(error) => return Report::ConnectFailed(Box::new(error)),
        };
        // A process that stood still may find the connection ready and its time over at once.
        if is_too_late() {
            return Report::Event(Event::Timer(Timer::Start));
        }
        let mut submit = connection.submit(request, latch);
        match submit.handed_over().await {
            Ok(()) => Report::HandedOver(Box::new(submit)),
            Err(error) => Report::ConnectFailed(Box::new(error)),
        }
    }))
}

/// Waits for a submit's answer, for as long as the connection lives.
pub(in crate::exchange) fn await_answer(
    context: &Arc<Context>,
    flight: &Arc<Flight>,
    submit: Box<OpenSubmit>,
) -> Call {
    let (context, flight) = (Arc::clone(context), Arc::clone(flight));
    Call::new(CallKind::Submit, async move {
        Report::Event(match submit.answer().await {
            Ok(answer) => Event::SubmitAnswered(read_submit_answer(&context, &flight, answer)),
            Err(error) => {
                context.metrics.submit_lost();
                flight.hear(Heard::Failed(error.cause));
                journey::tell_submit_lost(&flight, &error);
                Event::SubmitLost(loss(error.cause))
            }
        })
    })
}

/// What a failure leaves of a submit's answer.
pub(in crate::exchange) const fn loss(cause: Cause) -> Loss {
    match cause {
        Cause::HeadTooLarge => Loss::HeadTooLarge,
        Cause::AnswerTooLarge => Loss::TooLarge,
        Cause::Malformed => Loss::Malformed,
        Cause::Dns
        | Cause::Refused
        | Cause::ConnectTimeout
        | Cause::Certificate
        | Cause::Handshake
        | Cause::Terminated
        | Cause::AnswerTimeout
        | Cause::Exhausted
        | Cause::Unprocessed
        | Cause::RequestBody => Loss::Ended,
    }
}

fn read_submit_answer(
    context: &Context,
    flight: &Flight,
    answer: StoredResponse,
) -> Submitted<Answer> {
    let operation = flight.conversion.operation;
    let class = classify_submit(flight.profile(), operation, answer.status, &answer.body);
    context.metrics.submitted(&class);
    flight.hear(Heard::Status(answer.status.as_u16()));
    note_clock(context, flight, &answer);
    match class {
        SubmitAnswer::Accepted(ticket) => {
            warn_of_foreign_url(flight, ticket.announced_url.as_deref());
            Submitted::Accepted(ticket.request_id)
        }
        SubmitAnswer::Standard => {
            let transaction = Transaction::of(&answer.body);
            let matches = transaction.is_some_and(|it| it.matches(flight.facts()));
            Submitted::Standard {
                answer: Arc::new(answer),
                matches,
            }
        }
        SubmitAnswer::Refused => Submitted::Refused(Arc::new(answer)),
        SubmitAnswer::TooMany => {
            let retry_after = retry_after(&answer.fields, wall_clock());
            Submitted::TooMany {
                answer: Arc::new(answer),
                retry_after,
            }
        }
        SubmitAnswer::Unclear => {
            tracing::warn!(
                exchange = %flight.id,
                status = answer.status.as_u16(),
                "the submit's answer says neither yes nor no"
            );
            Submitted::Unclear
        }
    }
}

/// Notes by how much the gateway's clock is ahead of ours. `Date` leaves the parts of a second out,
/// half of one on average.
fn note_clock(context: &Context, flight: &Flight, answer: &StoredResponse) {
    let Some(theirs) = gateway_time(&answer.fields) else {
        return;
    };
    let theirs = theirs + Duration::from_millis(500);
    let ahead = match theirs.duration_since(wall_clock()) {
        Ok(ahead) => ahead.as_secs_f64(),
        Err(behind) => -behind.duration().as_secs_f64(),
    };
    context.metrics.clock_offset(flight.gateway_name(), ahead);
}

/// The gateway's own URL is never contacted; where it names another origin the operator is told.
fn warn_of_foreign_url(flight: &Flight, announced: Option<&str>) {
    let Some(uri) = announced.and_then(|url| url.parse::<http::Uri>().ok()) else {
        return;
    };
    let gateway = flight.home.gateway();
    if !gateway.is_some_and(|gateway| gateway.client.origin().has(&uri)) {
        tracing::warn!(
            exchange = %flight.id,
            host = %crate::telemetry::Capped(uri.host().unwrap_or_default()),
            "the gateway announced a URL of another origin; it is not contacted"
        );
    }
}
