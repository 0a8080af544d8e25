//! The calls of a flight to its gateway, each a future that ends in a report.
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, SystemTime};

use http::{Request, StatusCode};
use uuid::Uuid;

use super::context::Context;
use super::flight::{Answer, Command, Flight};
use super::journey;
use super::machine::{Event, Loss, Polled, Submitted};
use super::order::Credentials;
use super::recorder::Appending;
use super::rivals::CLOCK_SKEW;
use super::stored::Unread;
use super::trail::Heard;
use crate::message::{Body, StoredResponse};
use crate::protocol::{
    PollAnswer, RequestId, Search, SubmitAnswer, Transaction, classify_poll, classify_submit,
    gateway_time, retry_after, transaction_by_uid,
};
use crate::results::ResultKey;
use crate::timing::{Moment, wall_clock};
use crate::upstream::{self, Cause, Sent, Submission};

/// A call under way.
pub(super) struct Call {
    pub(super) kind: CallKind,
    future: Pin<Box<dyn Future<Output = Report> + Send>>,
}

/// What a call is for; the machine may drop some, and never others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallKind {
    /// A connection for a submit; nothing of the submit has left.
    Connect,
    /// A submit whose answer is awaited.
    Submit,
    /// A poll.
    Poll,
    /// A lookup.
    Lookup,
    /// The reading of what an earlier process kept.
    Open,
}

/// How a call ended.
pub(super) enum Report {
    /// The submit's first byte left; its answer is next.
    HandedOver(Box<Submission>),
    /// No connection, and no byte left.
    ConnectFailed(Box<upstream::Error>),
    /// Something for the machine.
    Event(Event<Answer>),
    /// What an earlier process kept was read, or was not.
    Opened(Result<Answer, Unread>),
}

impl Call {
    fn new(kind: CallKind, future: impl Future<Output = Report> + Send + 'static) -> Self {
        Self {
            kind,
            future: Box::pin(future),
        }
    }
}

/// Drives every call; the report of the first that has ended, and takes it off the list.
pub(super) fn poll_any(calls: &mut Vec<Call>, context: &mut TaskContext<'_>) -> Option<Report> {
    let ended = calls.iter_mut().enumerate().find_map(|(index, call)| {
        match call.future.as_mut().poll(context) {
            Poll::Ready(report) => Some((index, report)),
            Poll::Pending => None,
        }
    });
    ended.map(|(index, report)| {
        drop(calls.swap_remove(index));
        report
    })
}

/// Sees to a record that the exchange does not wait for: it may be over before the disk is.
pub(super) async fn note(exchange: Uuid, appending: Appending) {
    if let Err(error) = appending.await {
        tracing::warn!(%exchange, %error, "a record that nobody waits for was not made");
    }
}

/// Connects and hands the submit over. The first byte leaves within the last turn of this future,
/// so nothing can come between it and the report.
pub(super) fn submit(
    context: &Arc<Context>,
    flight: &Arc<Flight>,
    request: Request<Body>,
) -> Option<Call> {
    let clock = context.clock;
    let not_after = flight.core().machine.submit_not_after();
    let client = flight.home.gateway()?.client.clone();
    let latch = Arc::clone(&flight.handed_over);
    Some(Call::new(CallKind::Connect, async move {
        let connection = match client.connect(not_after).await {
            Ok(connection) => connection,
            Err(error) => return Report::ConnectFailed(Box::new(error)),
        };
        // A process that stood still may find the connection ready and its time over at once.
        if not_after.is_some_and(|moment| clock.now() >= moment) {
            let late = upstream::Error::new(Cause::ConnectTimeout, Sent::Never);
            return Report::ConnectFailed(Box::new(late));
        }
        let mut submission = connection.submit(request, latch);
        match submission.handed_over().await {
            Ok(()) => Report::HandedOver(Box::new(submission)),
            Err(error) => Report::ConnectFailed(Box::new(error)),
        }
    }))
}

/// Waits for a submit's answer, for as long as the connection lives.
pub(super) fn await_answer(
    context: &Arc<Context>,
    flight: &Arc<Flight>,
    submission: Box<Submission>,
) -> Call {
    let (context, flight) = (Arc::clone(context), Arc::clone(flight));
    Call::new(CallKind::Submit, async move {
        Report::Event(match submission.answer().await {
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
pub(super) const fn loss(cause: Cause) -> Loss {
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
    let own = gateway.map(|gateway| gateway.client.origin().authority());
    if uri.authority().is_some() && uri.authority() != own {
        tracing::warn!(
            exchange = %flight.id,
            host = %crate::telemetry::Capped(uri.host().unwrap_or_default()),
            "the gateway announced a URL of another origin; it is not contacted"
        );
    }
}

/// Asks for the result of the flight's task, or takes it where it is kept already. `None` when
/// another exchange is asking: there is one `GET` at a time for a task. An error says what is not at hand.
pub(super) fn poll(
    context: &Arc<Context>,
    flight: &Arc<Flight>,
    credentials: &Credentials,
) -> Result<Option<Call>, &'static str> {
    let (id, key, is_first) = {
        let core = flight.core();
        (
            core.machine.ticket().ok_or("no task to poll")?.clone(),
            core.result_key.ok_or("no name of a result")?,
            core.machine.polls() == 0,
        )
    };
    let path = flight
        .profile()
        .result_of(&id)
        .ok_or("no path of a result")?;
    let gateway = flight.home.gateway().ok_or("no gateway to poll")?;
    if let Some(kept) = kept_answer(context, key, is_first) {
        let event = Event::PollAnswered(Polled::Firm(kept));
        let answered = std::future::ready(Report::Event(event));
        return Ok(Some(Call::new(CallKind::Poll, answered)));
    }
    let Some(mut turn) = Turn::take(context, flight, key) else {
        return Ok(None);
    };
    let fetch = gateway.client.fetch(credentials.get(path));
    let now = context.clock.now();
    flight.core().polls += 1;
    context.schedules.polled(flight.gateway_name(), now);
    Ok(Some(Call::new(CallKind::Poll, async move {
        let answer = match fetch.await {
            Ok(answer) => Some(read_poll_answer(&turn.context, &turn.flight, &id, answer)),
            Err(error) => {
                turn.context.metrics.poll_lost();
                turn.flight.hear(Heard::Failed(error.cause));
                journey::tell_poll_lost(&turn.flight, &error);
                None
            }
        };
        turn.answer.clone_from(&answer);
        drop(turn);
        Report::Event(answer.map_or(Event::PollLost, Event::PollAnswered))
    })))
}

/// The task's answer, where another exchange has it: read a moment ago, and perhaps not durable yet,
/// or kept. What it gets later is passed on, so the kept ones are searched once. A kept one that tells of
/// a payer who has yet to finish is why the submit was repeated: by now the gateway may have more to say.
fn kept_answer(context: &Context, key: ResultKey, is_first: bool) -> Option<Answer> {
    let read = context.table().answer_of(&key);
    match read {
        None if is_first => {
            let kept = context.results.find(&key, context.clock.now());
            kept.filter(|answer| !journey::awaits_payer(answer))
        }
        read => read,
    }
}

fn read_poll_answer(
    context: &Context,
    flight: &Flight,
    id: &RequestId,
    answer: StoredResponse,
) -> Polled<Answer> {
    let operation = flight.conversion.operation;
    let profile = flight.profile();
    let class = classify_poll(profile, operation, id, answer.status, &answer.body);
    let status = answer.status.as_u16();
    tracing::debug!(exchange = %flight.id, request_id = %id, status, ?class, "a poll was answered");
    context.metrics.polled(class);
    if pushes_back(answer.status) {
        let now = context.clock.now();
        context.schedules.pushed_back(flight.gateway_name(), now);
    }
    flight.hear(Heard::Status(status));
    let wait = || retry_after(&answer.fields, wall_clock());
    match class {
        PollAnswer::Pending => Polled::Pending {
            retry_after: wait(),
        },
        PollAnswer::Unknown => Polled::Unknown,
        PollAnswer::Transient => {
            if answer.status == StatusCode::OK {
                journey::tell_mute(flight, &answer);
            }
            Polled::Transient {
                retry_after: wait(),
            }
        }
        PollAnswer::Firm => Polled::Firm(Arc::new(answer)),
        PollAnswer::Soft => Polled::Soft(Arc::new(answer)),
        PollAnswer::Odd => {
            tracing::warn!(exchange = %flight.id, "a poll brought a 200 of no known shape");
            Polled::Odd(Arc::new(answer))
        }
    }
}

/// True if a poll's answer asks for fewer polls: too many, or a fault of the gateway.
pub(super) fn pushes_back(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

/// The right to ask for a task's result. When it ends its answer goes to every other flight of the
/// task; without one it tells them that the poll is lost.
struct Turn {
    context: Arc<Context>,
    flight: Arc<Flight>,
    key: ResultKey,
    answer: Option<Polled<Answer>>,
}

impl Turn {
    fn take(context: &Arc<Context>, flight: &Arc<Flight>, key: ResultKey) -> Option<Self> {
        let mut table = context.table();
        let task = table.by_task.entry(key).or_default();
        if std::mem::replace(&mut task.polled, true) {
            return None;
        }
        drop(table);
        Some(Self {
            context: Arc::clone(context),
            flight: Arc::clone(flight),
            key,
            answer: None,
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let answer = self.answer.take();
        let mut table = self.context.table();
        let Some(task) = table.by_task.get_mut(&self.key) else {
            return;
        };
        task.polled = false;
        if let Some(Polled::Firm(answer)) = &answer {
            task.answer = Some(Arc::clone(answer));
        }
        for other in task
            .flights
            .iter()
            .filter(|other| !Arc::ptr_eq(other, &self.flight))
        {
            other
                .mailbox
                .post(Command::TaskAnswered(answer.clone().map(Box::new)));
        }
        if task.flights.is_empty() {
            table.by_task.remove(&self.key);
        }
    }
}

/// Reads what an earlier process kept, with the credentials of a repeat.
pub(super) fn open(
    context: &Arc<Context>,
    flight: &Arc<Flight>,
    step: u32,
    credentials: &Credentials,
) -> Call {
    let key = credentials.answer_key(&context.hash_key, flight.gateway_name());
    let (context, flight) = (Arc::clone(context), Arc::clone(flight));
    Call::new(CallKind::Open, async move {
        let read = context.read(flight.id, flight.place(step), &key);
        Report::Opened(read.await)
    })
}

/// Searches for the transaction by its tracking id, and reads it where exactly one is ours.
pub(super) fn lookup(
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
