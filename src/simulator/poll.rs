//! The polls: status and result of a task, and what may stand in their way.
use std::sync::Arc;
use std::time::Duration;

use http::header;
use serde_json::{Value, json};

use super::answer::{Answer, CRASHED};
use super::faults::{Cut, OddAnswer, SubmitWords, Unknown};
use super::gateway::Gateway;
use super::head::Head;
use super::ledger::{self, PollAnswer, PollStep};
use super::script::{Step, Takeover};
use super::state::State;
use super::submit::{origin, refused};
use super::task::{InFlight, Task, Work, first};
use super::ticket::result_url;
use crate::timing::Moment;

/// What a poll is answered, before it is dressed for the wire.
enum Reply {
    /// A whole answer.
    Whole(Answer),
    /// The result, cut.
    Cut(Answer, Cut),
    /// No answer; the connection stays until then.
    Silence(Moment),
    /// No answer; the connection is cut.
    Nothing,
}

/// Answers a poll after the time that its round trip takes.
pub(super) async fn poll(
    gateway: &Gateway,
    head: &Head,
    step: PollStep,
    request_id: &str,
    round_trip: Duration,
) -> Result<Answer, Takeover> {
    let in_flight = InFlight::begin(gateway, request_id);
    if !round_trip.is_zero() {
        tokio::time::sleep(round_trip).await;
    }
    let now = gateway.now();
    if gateway.settings().poll_authorization && head.shop.is_none() {
        gateway.state().record_stray(now, request_id, true);
        let version = head.version.unwrap_or_default();
        return Ok(refused(gateway, &SubmitWords::default(), 401, version));
    }
    let asked = Asked {
        gateway,
        head,
        step,
        request_id,
        now,
    };
    let (reply, drip) = asked.reply(&mut gateway.state());
    let steps = match (reply, drip) {
        (Reply::Whole(answer), None) => return Ok(answer),
        (Reply::Whole(answer), Some(every)) => {
            let bytes = [answer.head_bytes(), answer.body].concat();
            vec![Step::Drip(bytes.into(), every)]
        }
        (Reply::Cut(answer, Cut::Fields), _) => {
            let head = answer.head_bytes();
            vec![Step::Write(first(&head, head.len() / 2))]
        }
        (Reply::Cut(answer, Cut::Body(count)), _) => {
            let body = first(&answer.body, count);
            vec![Step::Write(answer.head_bytes()), Step::Write(body)]
        }
        (Reply::Silence(until), _) => vec![Step::Wait(until.since(now))],
        (Reply::Nothing, _) => Vec::new(),
    };
    Err(Takeover {
        in_flight: Some(Arc::new(in_flight)),
        ..Takeover::closing(steps)
    })
}

/// One poll.
struct Asked<'a> {
    gateway: &'a Gateway,
    head: &'a Head,
    step: PollStep,
    request_id: &'a str,
    now: Moment,
}

impl Asked<'_> {
    /// The answer, and the span between its bytes if it comes slowly.
    fn reply(&self, state: &mut State) -> (Reply, Option<Duration>) {
        let settings = self.gateway.settings();
        let Some(task) = state.tasks.get_mut(self.request_id).filter(|task| {
            !settings.poll_authorization || self.head.shop.as_ref() == Some(&task.shop)
        }) else {
            state.record_stray(self.now, self.request_id, false);
            return (Reply::Whole(unknown(self.request_id)), None);
        };
        let (record, drip) = (task.record, task.poll.drip);
        let (reply, answer) = match self.in_the_way(task) {
            Some(fault) => fault,
            None => self.truth(state),
        };
        let seen = ledger::Poll {
            at: self.now,
            step: self.step,
            answer,
        };
        state.record_poll(record, seen);
        (reply, drip)
    }

    /// The fault that this poll meets, if one is due.
    fn in_the_way(&self, task: &mut Task) -> Option<(Reply, PollAnswer)> {
        let asked_before = task.polls;
        task.polls = asked_before.saturating_add(1);
        if let Some(span) = task.poll.silent {
            let until = *task.silent_until.get_or_insert(self.now + span);
            if self.now < until {
                return Some((Reply::Silence(until), PollAnswer::Silence));
            }
        }
        let lost = match task.poll.unknown {
            None => false,
            Some(Unknown::Ever) => true,
            Some(Unknown::For(span)) => self.now < task.created + span,
            Some(Unknown::Polls { count, after }) => {
                (after..after.saturating_add(count)).contains(&asked_before)
            }
        };
        if lost {
            return Some((Reply::Whole(unknown(self.request_id)), PollAnswer::Unknown));
        }
        let odd = task.poll.take_odd()?;
        Some(self.odd(odd, &task.submit))
    }

    /// An answer that says nothing of the task.
    fn odd(&self, odd: OddAnswer, words: &SubmitWords) -> (Reply, PollAnswer) {
        let version = self.head.version.unwrap_or_default();
        let answer = match odd {
            OddAnswer::Cut => return (Reply::Nothing, PollAnswer::Silence),
            OddAnswer::Unavailable => Answer::unavailable(),
            OddAnswer::BadGateway => Answer::bad_gateway(),
            OddAnswer::Crash => Answer::message(500, CRASHED),
            OddAnswer::Forbidden => {
                Answer::html(403, "Request blocked").with(header::SERVER, "firewall".to_owned())
            }
            OddAnswer::TooMany => refused(self.gateway, words, 429, version),
            OddAnswer::Redirect => Answer::redirect(302),
            OddAnswer::Page => Answer::html(200, "We will be back soon"),
            OddAnswer::Empty => Answer::empty(200),
            OddAnswer::WrongId => processing(200, "00000000-0000-4000-8000-000000000000"),
        };
        (Reply::Whole(answer), PollAnswer::Odd)
    }

    /// What the task truly is.
    fn truth(&self, state: &mut State) -> (Reply, PollAnswer) {
        let settings = self.gateway.settings();
        let Some(task) = state.tasks.get(self.request_id) else {
            return (Reply::Whole(unknown(self.request_id)), PollAnswer::Unknown);
        };
        if task.spent || self.now >= task.created + settings.retention {
            return (Reply::Whole(unknown(self.request_id)), PollAnswer::Unknown);
        }
        if !task.is_done(self.now) {
            let status = match self.step {
                PollStep::Status => settings.running_status_code,
                PollStep::Result => settings.running_result_code,
            };
            let answer = processing(status, self.request_id);
            return (Reply::Whole(answer), PollAnswer::Processing);
        }
        let version = self.head.version.or(task.version).unwrap_or_default();
        let result = state.result(self.now, &task.shop, &task.work, version);
        let kept = task.stays_readable(result.status);
        match self.step {
            PollStep::Status if kept || !settings.status_spends => self.completed(task, result),
            PollStep::Status | PollStep::Result => {
                (self.hand_out(state, result, kept), PollAnswer::Result)
            }
        }
    }

    /// The status of a task that is done. One that crashed tells its crash here too.
    fn completed(&self, task: &Task, result: Answer) -> (Reply, PollAnswer) {
        if matches!(task.work, Work::Message(_, CRASHED)) {
            return (Reply::Whole(result), PollAnswer::Odd);
        }
        let urls = task
            .submit
            .urls
            .unwrap_or(self.gateway.settings().poll_urls);
        let mut body = json!({"status": "completed", "request_id": self.request_id});
        if let (Some(url), Some(members)) = (
            result_url(urls, &origin(self.gateway, self.head), self.request_id),
            body.as_object_mut(),
        ) {
            members.insert("response_url".to_owned(), Value::String(url));
        }
        (
            Reply::Whole(Answer::json(200, &body)),
            PollAnswer::Completed,
        )
    }

    /// The result. One that is not kept is spent now, whether or not it arrives.
    fn hand_out(&self, state: &mut State, result: Answer, kept: bool) -> Reply {
        let Some(task) = state.tasks.get_mut(self.request_id) else {
            return Reply::Whole(result);
        };
        task.spent = !kept;
        let cut = task.poll.result_cut.take();
        let record = task.record;
        state.record_reading(record, !kept);
        match cut {
            Some(cut) => Reply::Cut(result, cut),
            None => Reply::Whole(result),
        }
    }
}

fn unknown(request_id: &str) -> Answer {
    Answer::json(404, &json!({"status": "unknown", "request_id": request_id}))
}

fn processing(status: u16, request_id: &str) -> Answer {
    let body = json!({"status": "processing", "request_id": request_id});
    Answer::json(status, &body)
}
