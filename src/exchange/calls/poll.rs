//! Asking for a task's result: one question at a time for each task, and its answer for everybody.
use std::sync::Arc;

use http::StatusCode;

use super::{Call, CallKind, Report};
use crate::exchange::context::Context;
use crate::exchange::flights::{Answer, Flight, Source, TaskPlace};
use crate::exchange::machine::{Event, Polled};
use crate::exchange::on_disk::{Kept, OnDisk};
use crate::exchange::order::Credentials;
use crate::exchange::telling::{Heard, journey};
use crate::message::StoredResponse;
use crate::protocol::{
    PollAnswer, Profile, RequestId, classify_poll, may_be_cut_result, retry_after,
};
use crate::timing::wall_clock;
use crate::upstream::{self, Cause};

/// Asks for the result of the flight's task, or takes it where it is kept already. `None` when
/// another exchange is asking: there is one `GET` at a time for a task. An error says what is not at hand.
pub(in crate::exchange) fn poll(
    context: &Arc<Context>,
    flight: &Arc<Flight>,
    credentials: &Credentials,
) -> Result<Option<Call>, &'static str> {
    let now = context.clock.now();
    let (id, place, is_first) = {
        let core = flight.core();
        (
            core.machine.ticket().ok_or("no task to poll")?.clone(),
            core.place.ok_or("no place at a task")?,
            core.machine.pending() == 0 && core.machine.failures() == 0,
        )
    };
    let path = flight
        .profile()
        .result_of(&id)
        .ok_or("no path of a result")?;
    let gateway = flight.home.gateway().ok_or("no gateway to poll")?;
    let kept = kept_answer(context, place, is_first);
    if let Some(Kept::Here(answer)) = kept {
        let answered = std::future::ready(poll_ended(Some(Polled::Firm(answer))));
        return Ok(Some(Call::new(CallKind::Poll, answered)));
    }
    let Some(mut sole_poll) = SolePoll::take(context, flight, place) else {
        return Ok(None);
    };
    if let Some(Kept::OnDisk(on_disk)) = kept {
        return Ok(Some(read_kept(sole_poll, on_disk, credentials)));
    }
    let (given_up, request) = (sole_poll.given_up, credentials.get(path));
    // One that may hang for long takes no more than its turn either, whoever waits for it.
    let fetch = if given_up == 0 && flight.has_live_waiter() {
        gateway.client.fetch_after(given_up, request)
    } else {
        gateway.client.fetch_unattended_after(given_up, request)
    };
    let in_time = gateway.client.answer_timeout();
    flight.core().polls_sent += 1;
    context.schedules.polled(flight.gateway_name(), now);
    Ok(Some(Call::new(CallKind::Poll, async move {
        let fetched = fetch.await;
        let took = sole_poll.context.clock.now().since(now);
        sole_poll.given_up = match &fetched {
            Ok(_) if took <= in_time => 0,
            Err(error) if error.cause == Cause::AnswerTimeout => given_up.saturating_add(1),
            Ok(_) | Err(_) => given_up,
        };
        let answer = match fetched {
            Ok(answer) => Some(read_poll_answer(
                &sole_poll.context,
                &sole_poll.flight,
                &id,
                answer,
            )),
            Err(error) => {
                sole_poll.context.metrics.poll_lost();
                sole_poll.flight.hear(Heard::Failed(error.cause));
                journey::tell_poll_lost(&sole_poll.flight, &error);
                journey::tell_in_vain(&sole_poll.flight);
                cut_a_result(sole_poll.flight.profile(), &error).then_some(Polled::Broken)
            }
        };
        sole_poll.answer.clone_from(&answer);
        drop(sole_poll);
        poll_ended(answer)
    })))
}

fn poll_ended(answer: Option<Polled<Answer>>) -> Report {
    Report::Event(answer.map_or(Event::PollLost, Event::PollAnswered))
}

/// The task's answer, where another exchange has it: it has just read it and makes it durable, or it ended
/// before and its answer is kept for our key. Nothing counts that was read before under another key: a
/// gateway whose ids come again gives a new purchase an old one. Kept answers are searched before our first
/// poll only: what another exchange reads later is passed on to us.
fn kept_answer(context: &Context, place: TaskPlace, is_first: bool) -> Option<Kept> {
    let read = context.table().answer_of(place);
    match read {
        None if is_first => context.find_kept(&place.result),
        read => read.map(Kept::Here),
    }
}

/// Reads what another exchange has on disk. Where that fails the gateway is asked next, as after a lost poll.
fn read_kept(mut sole_poll: SolePoll, on_disk: OnDisk, credentials: &Credentials) -> Call {
    let key = credentials.answer_key(&sole_poll.context.hash_key, sole_poll.flight.gateway_name());
    Call::new(CallKind::Poll, async move {
        let read = sole_poll
            .context
            .read(on_disk.exchange, on_disk.place, &key);
        sole_poll.answer = read.await.ok().map(Polled::Firm);
        sole_poll.source = Source::Disk;
        poll_ended(sole_poll.answer.clone())
    })
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
            tell_nothing_of_it(flight, &answer);
            Polled::Transient {
                retry_after: wait(),
            }
        }
        PollAnswer::Broken => {
            tell_nothing_of_it(flight, &answer);
            Polled::Broken
        }
        PollAnswer::Firm => Polled::Firm(Arc::new(answer)),
        PollAnswer::Soft => Polled::Soft(Arc::new(answer)),
        PollAnswer::Odd => {
            journey::tell_odd(flight);
            Polled::Odd(Arc::new(answer))
        }
    }
}

/// An answer to a poll gives no client anything. A 200 may be a result that is not understood.
fn tell_nothing_of_it(flight: &Flight, answer: &StoredResponse) {
    if answer.status == StatusCode::OK {
        journey::tell_mute(flight, answer);
    }
    journey::tell_in_vain(flight);
}

/// True if a poll failed while an answer came that may have been the result.
pub(in crate::exchange) fn cut_a_result(profile: &Profile, error: &upstream::Error) -> bool {
    let status = error.status;
    status.is_some_and(|status| may_be_cut_result(profile, status))
}

/// True if a poll's answer asks for fewer polls: too many, or a fault of the gateway.
pub(in crate::exchange) fn pushes_back(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

/// The right to make the one poll of a task that may be under way. When it ends its answer goes to every
/// other flight of the task; without one it tells them that the poll is lost.
struct SolePoll {
    context: Arc<Context>,
    flight: Arc<Flight>,
    place: TaskPlace,
    /// The polls of the task that had no answer in time, since one had.
    given_up: u32,
    answer: Option<Polled<Answer>>,
    source: Source,
}

impl SolePoll {
    fn take(context: &Arc<Context>, flight: &Arc<Flight>, place: TaskPlace) -> Option<Self> {
        let mut table = context.table();
        let task = table.by_task.entry(place.task).or_default();
        let given_up = task.take_turn()?;
        drop(table);
        Some(Self {
            context: Arc::clone(context),
            flight: Arc::clone(flight),
            place,
            given_up,
            answer: None,
            source: Source::Gateway,
        })
    }
}

impl Drop for SolePoll {
    fn drop(&mut self) {
        let answer = self.answer.take();
        let mut table = self.context.table();
        let TaskPlace { task, result } = self.place;
        if let Some(entry) = table.by_task.get_mut(&task) {
            entry.give_turn_back(self.given_up);
            entry.heard(&self.flight, result, answer.as_ref(), self.source);
            table.forget_idle(&task);
        }
    }
}
