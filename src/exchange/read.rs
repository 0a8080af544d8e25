//! Safe operations: a chain of submit and polls that may be repeated freely. No key, no joining, no
//! replay, no ladder.
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Request;
use http::uri::PathAndQuery;

use super::calls::pushes_back;
use super::gateway::Gateway;
use super::order::Credentials;
use crate::message::{Body, StoredResponse};
use crate::polling::{Backoff, DuePoll, Jitter, Schedules, Took};
use crate::protocol::{
    Conversion, PollAnswer, RequestId, SubmitAnswer, classify_poll, classify_submit, retry_after,
};
use crate::timing::{Clock, Moment, wall_clock};

/// A read that was converted.
pub struct Read {
    /// Where it goes.
    pub gateway: Arc<Gateway>,
    /// What it is.
    pub conversion: &'static Conversion,
    /// The request as it leaves.
    pub request: Request<Body>,
    /// What its polls carry.
    pub credentials: Credentials,
    /// When its client is told that there is no answer.
    pub held_until: Moment,
}

/// The rules of polling that a read follows.
#[derive(Clone, Debug)]
pub struct ReadPolicy {
    /// When running tasks are polled.
    pub schedules: Schedules,
    /// How long to wait after failures.
    pub backoff: Backoff,
    /// How long "unknown" must last before the task is given up.
    pub unknown_grace: Duration,
}

/// How a read ended.
pub enum ReadOutcome {
    /// The standard answer.
    Answer(StoredResponse),
    /// The gateway gave no receipt for it: the request is to be relayed as it is.
    NotAsynchronous,
    /// No answer came; the read may be repeated.
    Failed,
}

impl Read {
    /// Submits, polls, and returns the answer. It goes on for as long as its caller has patience.
    pub async fn run(self, policy: ReadPolicy, clock: Clock) -> ReadOutcome {
        let Self {
            gateway,
            conversion,
            request,
            credentials,
            held_until,
        } = self;
        let Ok(answer) = gateway.client.fetch(request).await else {
            return ReadOutcome::NotAsynchronous;
        };
        let operation = conversion.operation;
        match classify_submit(gateway.profile, operation, answer.status, &answer.body) {
            SubmitAnswer::Accepted(ticket) => {
                let id = ticket.request_id;
                let Some(path) = gateway.profile.result_of(&id) else {
                    return ReadOutcome::Failed;
                };
                let chain = Chain {
                    accepted_at: clock.now(),
                    held_until,
                    gateway,
                    conversion,
                    credentials,
                    id,
                    path,
                    policy,
                    clock,
                };
                chain.run().await
            }
            SubmitAnswer::Standard => ReadOutcome::Answer(answer),
            SubmitAnswer::Refused | SubmitAnswer::TooMany | SubmitAnswer::Unclear => {
                ReadOutcome::NotAsynchronous
            }
        }
    }
}

struct Chain {
    gateway: Arc<Gateway>,
    conversion: &'static Conversion,
    credentials: Credentials,
    id: RequestId,
    path: PathAndQuery,
    policy: ReadPolicy,
    clock: Clock,
    accepted_at: Moment,
    held_until: Moment,
}

impl Chain {
    async fn run(self) -> ReadOutcome {
        let mut kept: Option<StoredResponse> = None;
        let mut unknown_since: Option<Moment> = None;
        let (mut polls, mut failures) = (0, 0);
        let (name, route) = (&self.gateway.name, self.conversion.operation.name());
        let schedules = &self.policy.schedules;
        let schedule = schedules.of(name, route, self.clock.now());
        let mut jitter = Jitter::new(fastrand::u64(..));
        let mut pending = |polls| {
            let now = self.clock.now();
            let (since, held) = (now.since(self.accepted_at), self.held_until.since(now));
            schedule.wait(since, polls, held, &mut jitter)
        };
        let mut wait = pending(polls);
        let mut ran = Duration::ZERO;
        loop {
            self.until_turn(wait.end(self.clock.now())).await;
            let sent = self.clock.now();
            self.policy.schedules.polled(name, sent);
            failures += 1;
            wait = self.policy.backoff.delay(failures, None).into();
            let request = self.credentials.get(self.path.clone());
            let Ok(answer) = self.gateway.client.fetch(request).await else {
                continue;
            };
            if pushes_back(answer.status) {
                self.policy.schedules.pushed_back(name, sent);
            }
            match self.class(&answer) {
                PollAnswer::Firm => {
                    let took = Took {
                        after: ran,
                        by: Some(sent.since(self.accepted_at)),
                        pending: polls,
                    };
                    self.policy.schedules.learn(name, route, took);
                    return ReadOutcome::Answer(answer);
                }
                PollAnswer::Pending => {
                    (kept, unknown_since, failures) = (None, None, 0);
                    polls += 1;
                    ran = sent.since(self.accepted_at);
                    wait = pending(polls);
                }
                PollAnswer::Odd
                    if kept
                        .as_ref()
                        .is_some_and(|kept| kept.says_the_same(&answer)) =>
                {
                    return ReadOutcome::Answer(answer);
                }
                PollAnswer::Odd | PollAnswer::Soft => {
                    (kept, unknown_since) = (Some(answer), None);
                }
                PollAnswer::Unknown => {
                    let now = self.clock.now();
                    let since = *unknown_since.get_or_insert(now);
                    if now.since(since) >= self.policy.unknown_grace {
                        return kept.map_or(ReadOutcome::Failed, ReadOutcome::Answer);
                    }
                }
                PollAnswer::Transient => {
                    let asked = retry_after(&answer.fields, wall_clock());
                    wait = self.policy.backoff.delay(failures, asked).into();
                }
            }
        }
    }

    /// Returns when a poll that is due then has its turn.
    async fn until_turn(&self, since: Moment) {
        let due = DuePoll {
            since,
            held_until: self.held_until,
        };
        let (schedules, name) = (&self.policy.schedules, &self.gateway.name);
        self.clock.sleep_until(since).await;
        let mut waiting = None;
        let mut ask = |context: &mut Context<'_>| {
            let now = self.clock.now();
            Poll::Ready(schedules.turn(name, due, &mut waiting, now, context.waker()))
        };
        while let Some(later) = poll_fn(&mut ask).await {
            // Until then, or until this task is woken, whatever for: asking costs nothing.
            let mut sleep = pin!(self.clock.sleep_until(later));
            let mut is_woken = false;
            poll_fn(|context| {
                let is_over = sleep.as_mut().poll(context).is_ready();
                if is_over || std::mem::replace(&mut is_woken, true) {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
        }
    }

    fn class(&self, answer: &StoredResponse) -> PollAnswer {
        let (profile, operation) = (self.gateway.profile, self.conversion.operation);
        classify_poll(profile, operation, &self.id, answer.status, &answer.body)
    }
}
