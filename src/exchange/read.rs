//! Safe operations: a chain of submit and polls that may be repeated freely. No key, no joining, no
//! replay, no ladder.
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Request;
use http::uri::PathAndQuery;

use super::calls::{cut_a_result, pushes_back};
use super::gateway::Gateway;
use super::order::Credentials;
use crate::message::{Body, StoredResponse};
use crate::polling::{Backoff, DuePoll, Jitter, Schedule, Schedules, SoFar, Took, Wait};
use crate::protocol::{
    Conversion, PollAnswer, RequestId, SubmitAnswer, classify_poll, classify_submit, retry_after,
};
use crate::timing::{Clock, Moment, wall_clock};
use crate::upstream::Cause;

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
    pub hold_until: Moment,
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
    /// No connection was free for it in time: none would be for its relay.
    Crowded,
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
            hold_until,
        } = self;
        let answer = match gateway.client.read(request).await {
            Ok((_, answer)) => answer,
            Err(error) if error.cause == Cause::Exhausted => return ReadOutcome::Crowded,
            Err(_) => return ReadOutcome::NotAsynchronous,
        };
        let operation = conversion.operation;
        match classify_submit(gateway.profile, operation, answer.status, &answer.body) {
            SubmitAnswer::Accepted(ticket) => {
                let id = ticket.request_id;
                let Some(path) = gateway.profile.result_of(&id) else {
                    return ReadOutcome::Failed;
                };
                let task = Task {
                    gateway,
                    conversion,
                    credentials,
                    id,
                    path,
                    accepted_at: clock.now(),
                    hold_until,
                };
                Chain::of(task, policy, clock).run().await
            }
            SubmitAnswer::Standard => ReadOutcome::Answer(answer),
            SubmitAnswer::Refused | SubmitAnswer::TooMany | SubmitAnswer::Unclear => {
                ReadOutcome::NotAsynchronous
            }
        }
    }
}

/// A read that the gateway took.
struct Task {
    gateway: Arc<Gateway>,
    conversion: &'static Conversion,
    credentials: Credentials,
    id: RequestId,
    path: PathAndQuery,
    accepted_at: Moment,
    hold_until: Moment,
}

/// The polls of a read, one after the other. An answer leads where `machine::poll` has it lead: a task that
/// runs is left alone for as long as the schedule says, the result ends the read, an odd 200 does so when it
/// comes twice, "unknown" does so when it has lasted, and all else is tried again after a backoff. What that
/// table does for money is left out: no record, no answer from another exchange or from before a restart, no
/// ladder, and no difference between a soft answer and an odd one when the task is then unknown.
struct Chain {
    task: Task,
    policy: ReadPolicy,
    clock: Clock,
    schedule: Schedule,
    jitter: Jitter,
    /// Until the next poll.
    wait: Wait,
    /// Polls that were answered "running".
    pending: u32,
    /// For how long the task is known to have run.
    ran: Duration,
    /// Polls in a row that told nothing of the task.
    failures: u32,
    /// What is the answer if the gateway then forgets the task.
    kept: Option<StoredResponse>,
    /// The first "unknown" in a row.
    unknown_since: Option<Moment>,
}

impl Chain {
    fn of(task: Task, policy: ReadPolicy, clock: Clock) -> Self {
        let (name, route) = (&task.gateway.name, task.conversion.operation.name());
        let schedule = policy.schedules.of(name, route, clock.now());
        let mut chain = Self {
            task,
            policy,
            clock,
            schedule,
            jitter: Jitter::new(fastrand::u64(..)),
            wait: Duration::ZERO.into(),
            pending: 0,
            ran: Duration::ZERO,
            failures: 0,
            kept: None,
            unknown_since: None,
        };
        chain.wait = chain.scheduled();
        chain
    }

    async fn run(mut self) -> ReadOutcome {
        loop {
            let due = self.until_turn(self.wait.end(self.clock.now())).await;
            let Some((sent, answer)) = self.poll(due).await else {
                continue;
            };
            if let Some(outcome) = self.heard(answer, sent) {
                return outcome;
            }
        }
    }

    /// Asks once, as it is due now; tells when it was sent. Until it is known that the task runs this
    /// counts as a failure.
    async fn poll(&mut self, due: Moment) -> Option<(Moment, StoredResponse)> {
        let (schedules, name) = (&self.policy.schedules, &self.task.gateway.name);
        schedules.polled(name, due);
        let request = self.task.credentials.get(self.task.path.clone());
        let answered = self.task.gateway.client.read(request).await;
        self.failures += 1;
        self.back_off(None);
        let (sent, answer) = match answered {
            Ok(answered) => answered,
            Err(error) => {
                self.unknown_since = None;
                if cut_a_result(self.task.gateway.profile, &error) {
                    // As where a whole answer is broken.
                    self.kept = None;
                }
                return None;
            }
        };
        if pushes_back(answer.status) {
            let name = &self.task.gateway.name;
            self.policy.schedules.pushed_back(name, sent);
        }
        Some((sent, answer))
    }

    /// Takes in what a poll brought that was sent then; how the read has ended, if it has.
    fn heard(&mut self, answer: StoredResponse, sent: Moment) -> Option<ReadOutcome> {
        let asked = || retry_after(&answer.fields, wall_clock());
        match self.class(&answer) {
            PollAnswer::Firm => {
                self.learn(sent);
                return Some(ReadOutcome::Answer(answer));
            }
            PollAnswer::Pending => self.runs(sent, asked()),
            PollAnswer::Odd if self.is_kept(&answer) => return Some(ReadOutcome::Answer(answer)),
            PollAnswer::Odd | PollAnswer::Soft => {
                (self.kept, self.unknown_since) = (Some(answer), None);
            }
            PollAnswer::Unknown => return self.unknown(),
            PollAnswer::Broken => {
                // Had what is kept been the answer, the task would be unknown.
                (self.kept, self.unknown_since) = (None, None);
                self.back_off(asked());
            }
            PollAnswer::Transient => {
                self.unknown_since = None;
                self.back_off(asked());
            }
        }
        None
    }

    /// The task was running when this poll was sent: what was told before is not its answer.
    fn runs(&mut self, sent: Moment, asked: Option<Duration>) {
        (self.kept, self.unknown_since, self.failures) = (None, None, 0);
        self.pending += 1;
        self.ran = sent.since(self.task.accepted_at);
        let asked = self.policy.backoff.clamped(asked);
        self.wait = self.scheduled().at_least(asked);
    }

    /// The gateway does not know the task: it is believed when it has said so for long enough.
    fn unknown(&mut self) -> Option<ReadOutcome> {
        let now = self.clock.now();
        let since = *self.unknown_since.get_or_insert(now);
        let is_over = now.since(since) >= self.policy.unknown_grace;
        is_over.then(|| {
            let kept = self.kept.take();
            kept.map_or(ReadOutcome::Failed, ReadOutcome::Answer)
        })
    }

    fn is_kept(&self, answer: &StoredResponse) -> bool {
        let kept = self.kept.as_ref();
        kept.is_some_and(|kept| kept.says_the_same(answer))
    }

    fn learn(&self, sent: Moment) {
        let took = Took {
            after: self.ran,
            by: Some(sent.since(self.task.accepted_at)),
            pending: self.pending,
            mark: self.schedule.mark(),
        };
        let route = self.task.conversion.operation.name();
        let name = &self.task.gateway.name;
        self.policy.schedules.learn(name, route, took);
    }

    /// Waits after polls that told nothing of the task.
    fn back_off(&mut self, asked: Option<Duration>) {
        let held = self.task.hold_until.since(self.clock.now());
        let backoff = self.policy.backoff;
        self.wait = backoff.wait(self.failures, asked, held, &mut self.jitter);
    }

    /// How long a task that runs is left alone.
    fn scheduled(&mut self) -> Wait {
        let (now, task) = (self.clock.now(), &self.task);
        let so_far = SoFar {
            since: now.since(task.accepted_at),
            at: self.ran,
            polls: self.pending,
            held: task.hold_until.since(now),
        };
        self.schedule.wait(so_far, &mut self.jitter)
    }

    /// Returns when a poll that is due then has its turn: now.
    async fn until_turn(&self, since: Moment) -> Moment {
        let due = DuePoll {
            since,
            hold_until: self.task.hold_until,
        };
        let (schedules, name) = (&self.policy.schedules, &self.task.gateway.name);
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
        self.clock.now()
    }

    fn class(&self, answer: &StoredResponse) -> PollAnswer {
        let task = &self.task;
        let (profile, operation) = (task.gateway.profile, task.conversion.operation);
        classify_poll(profile, operation, &task.id, answer.status, &answer.body)
    }
}
