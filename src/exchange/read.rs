//! Safe operations: a chain of submit and polls that may be repeated freely. No key, no joining, no
//! replay, no ladder.
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http::uri::PathAndQuery;

use super::gateway::Gateway;
use super::order::Credentials;
use crate::message::{Body, StoredResponse};
use crate::polling::{Backoff, Schedule};
use crate::protocol::{
    Conversion, PollAnswer, RequestId, SubmitAnswer, classify_poll, classify_submit, retry_after,
};
use crate::timing::{Clock, Moment, on_grid, wall_clock};

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
}

/// The rules of polling that a read follows.
#[derive(Clone, Copy, Debug)]
pub struct ReadPolicy {
    /// When a running task is polled.
    pub schedule: Schedule,
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
}

impl Chain {
    async fn run(self) -> ReadOutcome {
        let mut kept: Option<StoredResponse> = None;
        let mut unknown_since: Option<Moment> = None;
        let (mut polls, mut failures) = (0, 0);
        let mut wait = self.policy.schedule.delay(0);
        loop {
            self.clock
                .sleep_until(on_grid(self.clock.now() + wait))
                .await;
            failures += 1;
            wait = self.policy.backoff.delay(failures, None);
            let request = self.credentials.get(self.path.clone());
            let Ok(answer) = self.gateway.client.fetch(request).await else {
                continue;
            };
            match self.class(&answer) {
                PollAnswer::Firm => return ReadOutcome::Answer(answer),
                PollAnswer::Pending => {
                    (kept, unknown_since, failures) = (None, None, 0);
                    polls += 1;
                    wait = self.policy.schedule.delay(polls);
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
                    wait = self.policy.backoff.delay(failures, asked);
                }
            }
        }
    }

    fn class(&self, answer: &StoredResponse) -> PollAnswer {
        let (profile, operation) = (self.gateway.profile, self.conversion.operation);
        classify_poll(profile, operation, &self.id, answer.status, &answer.body)
    }
}
