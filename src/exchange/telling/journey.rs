//! What is told of an exchange on its way: log lines and counts.
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use super::trail::{Heard, What};
use crate::exchange::context::Context;
use crate::exchange::flights::{Answer, Flight, Once, Told};
use crate::exchange::machine::{Outcome, Standing};
use crate::message::StoredResponse;
use crate::protocol::{LeftOut, RequestId, Untimely};
use crate::telemetry::Capped;
use crate::upstream::{self, Cause};

impl Flight {
    /// True if its answer is at hand, or on disk under its seal.
    fn has_answer(&self) -> bool {
        let core = self.core();
        let is_told = matches!(core.told, Some(Told::Answer { .. }));
        let is_sealed = core.sealed_step.is_some() && core.sealed_step == core.answer_step;
        is_told || is_sealed
    }
}

/// The gateway took the task.
pub(in crate::exchange) fn tell_accepted(flight: &Flight, id: &RequestId) {
    tracing::info!(
        target: "holdline::exchange",
        exchange = %flight.id,
        request_id = %id,
        gateway = %flight.gateway_name(),
        operation = flight.conversion.operation.name(),
        trace_id = flight.trace().map(|it| it.trace_id()),
        parent_id = flight.trace().map(|it| it.parent_id()),
        "accepted"
    );
}

/// Counts an exchange by its first outcome; a doubt may have others later. What expires is counted by
/// `warn_expired`.
pub(in crate::exchange) fn count_outcome(
    context: &Context,
    flight: &Flight,
    outcome: &Outcome<Answer>,
) {
    if matches!(outcome, Outcome::Expired) {
        return;
    }
    let seconds = context.clock.now().since(flight.read_at);
    context.metrics.ended(name_of(outcome), seconds);
}

const fn name_of(outcome: &Outcome<Answer>) -> &'static str {
    match outcome {
        Outcome::Completed(_) => "completed",
        Outcome::Refused(_) => "refused",
        Outcome::NotSubmitted(_) => "not-submitted",
        Outcome::InDoubt(_) => "in-doubt",
        Outcome::Expired => "expired",
    }
}

/// A line about an exchange, with everything by which its payment is found.
macro_rules! line {
    ($level:ident, $flight:expr, $message:literal, $($more:tt)*) => {{
        let (flight, facts) = ($flight, $flight.facts());
        tracing::$level!(
            target: "holdline::exchange",
            exchange = %flight.id,
            request_id = flight.ticket(),
            key = %Capped(flight.key.value.to_str().unwrap_or("(not text)")),
            tracking_id = %Capped(facts.tracking_id.as_deref().unwrap_or_default()),
            parent_uid = %Capped(facts.parent_uid.as_deref().unwrap_or_default()),
            amount = %Capped(facts.amount.as_deref().unwrap_or_default()),
            currency = %Capped(facts.currency.as_deref().unwrap_or_default()),
            gateway = %flight.gateway_name(),
            operation = flight.conversion.operation.name(),
            trace_id = flight.trace().map(|it| it.trace_id()),
            parent_id = flight.trace().map(|it| it.parent_id()),
            $($more)*
            $message
        )
    }};
}

/// A client's hold is over, and the exchange goes on.
pub(in crate::exchange) fn tell_hold_over(flight: &Flight, standing: Standing) {
    match standing {
        Standing::InProgress => line!(info, flight, "hold over", outcome = "in-progress",),
        Standing::InDoubt => line!(warn, flight, "hold over", outcome = "in-doubt",),
    }
}

/// The submit was sent, and no whole answer to it came: from here on nobody knows what became of it.
pub(in crate::exchange) fn tell_submit_lost(flight: &Flight, error: &upstream::Error) {
    line!(warn, flight, "lost the answer to the submit", %error,);
}

/// The gateway did not say what became of a submit without an answer. Warned of once: every search may
/// end so.
pub(in crate::exchange) fn tell_lookup_lost(flight: &Flight, heard: Heard) {
    let why = heard.words();
    if !flight.first_time(Once::Unsaid) {
        tracing::debug!(exchange = %flight.id, why, "searched in vain once more");
        return;
    }
    line!(
        warn,
        flight,
        "searched in vain: the gateway did not say",
        why,
    );
}

/// For its time alone a search left out a transaction that looks like its own. Warned of once: every search may
/// end so.
pub(in crate::exchange) fn tell_left_out(context: &Context, flight: &Flight, left_out: &LeftOut) {
    let (uid, seconds) = (Capped(&left_out.uid), left_out.by.as_secs_f64());
    let once = match left_out.why {
        Untimely::TooEarly => Once::TooEarly,
        Untimely::YetToCome => Once::YetToCome,
    };
    if !flight.first_time(once) {
        tracing::debug!(exchange = %flight.id, %uid, seconds, "left out for its time once more");
        return;
    }
    flight.note(What::LeftOut(left_out.why), context.stamps.now());
    macro_rules! left_out {
        ($message:literal) => {
            line!(warn, flight, $message, %uid, seconds,)
        };
    }
    match left_out.why {
        Untimely::TooEarly => left_out!(
            "a search left out a transaction that looks like its own: by the gateway's clocks it was made \
             before the submit"
        ),
        Untimely::YetToCome => left_out!(
            "a search left out a transaction that looks like its own: by the gateway's own Date the time of one \
             in its list has yet to come, so its clocks differ"
        ),
    }
}

/// A poll brought no whole answer. One that is too large will be so again, and is warned of once.
pub(in crate::exchange) fn tell_poll_lost(flight: &Flight, error: &upstream::Error) {
    let too_large = match error.cause {
        Cause::AnswerTooLarge => Some("the result is larger than limits.answer"),
        Cause::HeadTooLarge => {
            Some("the head of the result is larger than holdline reads (100 fields, 64 KiB)")
        }
        Cause::Dns
        | Cause::Refused
        | Cause::ConnectTimeout
        | Cause::Certificate
        | Cause::Handshake
        | Cause::Terminated
        | Cause::AnswerTimeout
        | Cause::Malformed
        | Cause::Exhausted
        | Cause::Unprocessed
        | Cause::RequestBody => None,
    };
    let is_news = |_: &&str| flight.first_time(Once::TooLarge);
    let Some(words) = too_large.filter(is_news) else {
        tracing::debug!(exchange = %flight.id, %error, "polled in vain");
        return;
    };
    tracing::warn!(
        target: "holdline::exchange",
        exchange = %flight.id,
        request_id = flight.ticket(),
        "{words}"
    );
}

/// A poll brought a 200 that tells nothing of the task: no JSON, as where it is compressed, or a word about
/// another task. Told once: every poll may bring it.
pub(in crate::exchange) fn tell_mute(flight: &Flight, answer: &StoredResponse) {
    if !flight.first_time(Once::Mute) {
        return;
    }
    let shown = |name| {
        let value = answer.fields.get(name).and_then(|it| it.to_str().ok());
        Capped(value.unwrap_or("(none)"))
    };
    tracing::warn!(
        target: "holdline::exchange",
        exchange = %flight.id,
        request_id = flight.ticket(),
        content_type = %shown(CONTENT_TYPE),
        content_encoding = %shown(CONTENT_ENCODING),
        "a poll brought a 200 that tells nothing of the task: if it is the result, nobody is given it"
    );
}

/// A poll brought a 200 of no known shape: the result, if the next one brings the same. Told once: each may
/// be another.
pub(in crate::exchange) fn tell_odd(flight: &Flight) {
    if flight.first_time(Once::Odd) {
        tracing::warn!(
            target: "holdline::exchange",
            exchange = %flight.id,
            request_id = flight.ticket(),
            "a poll brought a 200 of no known shape"
        );
    }
}

/// A poll brought nothing that speaks of the task. Told once, when it has been so for a while: the task may
/// long be over, and its client is told no more than that it runs.
pub(in crate::exchange) fn tell_in_vain(flight: &Flight) {
    /// So many come to a quarter of a minute.
    const MANY: u32 = 5;
    let (failures, heard) = {
        let core = flight.core();
        (core.machine.failures(), core.heard)
    };
    if failures < MANY || !flight.first_time(Once::InVain) {
        return;
    }
    let why = heard.words();
    line!(
        warn,
        flight,
        "polls bring no result, and the last nothing that speaks of the task",
        why,
    );
}

/// The exchange has an outcome.
pub(in crate::exchange) fn tell_outcome(
    context: &Context,
    flight: &Flight,
    outcome: &Outcome<Answer>,
) {
    let name = name_of(outcome);
    let status = match outcome {
        Outcome::Completed(answer) | Outcome::Refused(answer) => Some(answer.status.as_u16()),
        Outcome::NotSubmitted(_) | Outcome::InDoubt(_) | Outcome::Expired => None,
    };
    let seconds = context.clock.now().since(flight.read_at).as_secs_f64();
    let (polls, _) = flight.progress();
    let connection = match outcome {
        Outcome::NotSubmitted(_) => flight.core().connect_failure.map(Cause::text),
        Outcome::Completed(_) | Outcome::Refused(_) | Outcome::InDoubt(_) | Outcome::Expired => {
            None
        }
    };
    macro_rules! ended {
        ($level:ident) => {
            line!(
                $level,
                flight,
                "ended",
                outcome = name,
                status,
                cause = cause(outcome),
                connection,
                seconds,
                polls,
            )
        };
    }
    match outcome {
        Outcome::Completed(_) | Outcome::Refused(_) => ended!(info),
        Outcome::Expired if flight.is_ruled() => ended!(info),
        Outcome::NotSubmitted(_) | Outcome::InDoubt(_) | Outcome::Expired => ended!(warn),
    }
}

const fn cause(outcome: &Outcome<Answer>) -> Option<&'static str> {
    match outcome {
        Outcome::Completed(_) | Outcome::Refused(_) | Outcome::Expired => None,
        Outcome::NotSubmitted(why) => Some(why.words()),
        Outcome::InDoubt(doubt) => Some(doubt.name()),
    }
}

/// An answer or a doubt that nobody came for is no longer remembered.
pub(in crate::exchange) fn warn_expired(context: &Context, flight: &Flight) {
    if flight.has_answer() {
        context.metrics.undelivered_expired();
    } else if flight.is_ruled() {
        // The operator knows what became of it.
        return;
    } else {
        context.metrics.expired();
    }
    line!(
        warn,
        flight,
        "an exchange expires, and its client never had its answer",
    );
}
