//! The machine: what it knows, and what follows from that without a step.
use std::sync::Arc;
use std::time::Duration;

use smallvec::smallvec;

use super::action::{Action, Actions, Record, RecordKind, Withdrawal};
use super::doubt::Doubt;
use super::event::{Timer, Whole};
use super::watch::Watch;
use crate::polling::{Backoff, Jitter, Mark, Schedule};
use crate::protocol::RequestId;
use crate::timing::Moment;

/// Lookups go on at least this long, so that a client that hangs up early changes nothing.
const ASKING_AT_LEAST: Duration = Duration::from_secs(60);

/// What an exchange awaits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The disk, for this record.
    Recording(RecordKind),
    /// A connection for a submit, or the time to try again.
    Connecting,
    /// The submit's answer.
    Submitting,
    /// The next poll's time.
    Waiting,
    /// A poll's answer.
    Polling,
    /// A lookup's answer, or the time to try again.
    Asking,
    /// A repeat, or the operator.
    Doubtful,
    /// A client that takes the answer.
    Undelivered,
    /// Nothing: it leaves the map, unless somebody has joined first; a fact remembers it.
    Delivered,
    /// Nothing.
    Ended,
}

/// What is told of an exchange that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It runs; a repeat joins it.
    InProgress,
    /// It may have been executed.
    InDoubt,
}

/// The rules that do not change while an exchange runs.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Nothing of a first submit leaves later than this after the request was read.
    pub submit_start: Duration,
    /// How long a submit's answer is waited for.
    pub submit_timeout: Duration,
    /// How often a submit may be repeated under its key, unless that is lowered meanwhile.
    pub resubmits: u32,
    /// How long "unknown" must last before a task is given up.
    pub unknown_grace: Duration,
    /// How long an exchange is remembered.
    pub retention: Duration,
    /// How long an undelivered answer without a key is remembered.
    pub reclaim: Duration,
    /// How long to wait after failures.
    pub backoff: Backoff,
    /// True if records outlive the process.
    pub durable: bool,
}

/// What one exchange goes by.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The rules that were in force when it began.
    pub policy: Arc<Policy>,
    /// When its running task is polled.
    pub schedule: Schedule,
}

/// A request that begins an exchange.
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    /// True if the client gave the key.
    pub explicit_key: bool,
    /// True if the transaction can be looked up.
    pub has_tracking_id: bool,
    /// When the request was read whole.
    pub read_at: Moment,
    /// Until when the request is held.
    pub hold_until: Moment,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a latch of its own; two of them never make a third"
)]
/// One exchange, from the record of its submit to its end.
#[derive(Debug)]
pub struct Machine<A> {
    pub(super) terms: Terms,
    pub(super) state: State,
    pub(super) jitter: Jitter,
    pub(super) explicit_key: bool,
    pub(super) has_tracking_id: bool,
    pub(super) read_at: Moment,
    pub(super) remembered_since: Moment,

    /// When the first byte of any submit was handed over.
    pub(super) first_sent: Option<Moment>,
    /// Submits that were handed over, and neither answered nor lost.
    pub(super) open_submits: u32,
    /// A latch: a submit or a result ended without a clear answer.
    pub(super) lost: bool,
    pub(super) ticket: Option<RequestId>,
    /// When the poll is due that waits for a record.
    pub(super) due: Option<Moment>,
    /// How long its task took.
    pub(super) watch: Watch,
    /// A task that the gateway knew no more: its receipt once more leads nowhere.
    pub(super) lost_ticket: Option<RequestId>,
    /// A soft answer: the result, if "unknown" then lasts.
    pub(super) kept: Option<A>,
    /// Its task was told to run, or its result broke off, before what is kept under a seal was opened: that
    /// is not the result.
    pub(super) runs: bool,
    /// A 200 of no known shape: the same once more is the result.
    pub(super) odd: Option<A>,
    /// The first "unknown" in a row.
    pub(super) unknown_since: Option<Moment>,
    pub(super) resubmits: u32,
    /// How often the submit may be repeated: the lowest number that was in force since it began.
    pub(super) most_resubmits: u32,
    /// The driver has what a submit needs.
    pub(super) has_body: bool,
    /// The driver has what polls and lookups need.
    pub(super) has_credentials: bool,
    /// Another exchange carries this key.
    pub(super) key_shared: bool,
    /// False where nobody can tell how old the key is.
    pub(super) age_is_sure: bool,
    /// Once the process is stopping: until when a poll may begin.
    pub(super) polls_until: Option<Moment>,
    /// The operator said that it was executed.
    pub(super) settled: bool,
    /// The operator said that it was not executed: who joins from then on asks for a new exchange.
    pub(super) is_undone: bool,

    pub(super) doubt: Option<Doubt>,
    /// The doubt that the last record tells, if it tells one; where the disk refused it, it is owed.
    pub(super) recorded_doubt: Option<Doubt>,
    /// Why nothing was submitted, should it come to that.
    pub(super) withdrawal: Withdrawal,
    /// The result or the refusal, from its record to its waiters.
    pub(super) answer: Option<A>,
    /// The last 429, told if no connection comes about.
    pub(super) too_many: Option<A>,

    /// Polls that were answered "running".
    pub(super) pending: u32,
    /// Tries in a row that brought nothing.
    pub(super) failures: u32,
    /// A lookup is under way.
    pub(super) looking: bool,
    /// When the gateway was last asked: by a poll or a lookup.
    pub(super) asked_at: Option<Moment>,
    pub(super) hold_until: Moment,
    /// The next try of this state.
    pub(super) wake: Option<Moment>,
    pub(super) submit_until: Moment,
    pub(super) asking_until: Option<Moment>,
    /// When the ladder was climbed last.
    pub(super) laddered_at: Moment,
    /// From when on it waits for its client.
    pub(super) finished_at: Moment,

    /// Answers to submits that came when they could change nothing.
    pub(super) late: u32,
    /// Events that no row names.
    pub(super) unexpected: u32,
}

impl<A: Whole> Machine<A> {
    /// A new exchange, and its first action: the record that a submit may leave. `seed` is that of its
    /// jitter.
    pub fn start(terms: Terms, begun: Begun, seed: u64) -> (Self, Actions<A>) {
        let Begun {
            explicit_key,
            has_tracking_id,
            read_at,
            hold_until,
        } = begun;
        let most_resubmits = terms.policy.resubmits;
        let machine = Self {
            terms,
            state: State::Recording(RecordKind::Submitted),
            jitter: Jitter::new(seed),
            explicit_key,
            has_tracking_id,
            read_at,
            remembered_since: read_at,
            first_sent: None,
            open_submits: 0,
            lost: false,
            ticket: None,
            due: None,
            watch: Watch::default(),
            lost_ticket: None,
            kept: None,
            runs: false,
            odd: None,
            unknown_since: None,
            resubmits: 0,
            most_resubmits,
            has_body: true,
            has_credentials: true,
            key_shared: false,
            age_is_sure: true,
            polls_until: None,
            settled: false,
            is_undone: false,
            doubt: None,
            recorded_doubt: None,
            withdrawal: Withdrawal::Connect,
            answer: None,
            too_many: None,
            pending: 0,
            failures: 0,
            looking: false,
            asked_at: None,
            hold_until,
            wake: None,
            submit_until: read_at,
            asking_until: None,
            laddered_at: read_at,
            finished_at: read_at,
            late: 0,
            unexpected: 0,
        };
        (machine, smallvec![Action::Record(Record::Submitted)])
    }

    /// What the exchange awaits.
    pub const fn state(&self) -> State {
        self.state
    }

    /// True if it runs while the process stops, and no poll is under way.
    pub fn waits_in_a_stop(&self) -> bool {
        self.state == State::Waiting && self.has_credentials && self.is_draining()
    }

    /// True if its next poll would not end before the process does, too.
    pub fn waits_in_vain(&self, now: Moment) -> bool {
        self.waits_in_a_stop() && !self.poll_fits(now)
    }

    /// True while nothing but a client, the operator or the retention leads on.
    pub fn is_at_rest(&self) -> bool {
        match self.state {
            State::Undelivered | State::Doubtful => true,
            State::Waiting => !self.has_credentials,
            State::Recording(_)
            | State::Connecting
            | State::Submitting
            | State::Polling
            | State::Asking
            | State::Delivered
            | State::Ended => false,
        }
    }

    /// The task that it was given last: the one that it asks for, or one that it gave up.
    pub fn told_task(&self) -> Option<&RequestId> {
        self.ticket.as_ref().or(self.lost_ticket.as_ref())
    }

    /// True if it asks no more for the result of a task that it was given, and would still take it: a fault of
    /// our own ended the wait, or the gateway denied the task and another exchange carries the key. What is
    /// given under another key may be another task of that name. After the operator's word it takes none: who acted
    /// on that word reads the result where the other exchange was given it.
    pub fn gave_task_up(&self) -> bool {
        let has_turned_away = match self.state {
            State::Connecting | State::Submitting | State::Asking | State::Doubtful => true,
            State::Recording(_)
            | State::Waiting
            | State::Polling
            | State::Undelivered
            | State::Delivered
            | State::Ended => false,
        };
        let was_denied = self.lost_ticket.is_some() && self.key_shared;
        has_turned_away && (self.ticket.is_some() || was_denied) && !self.settled
    }

    /// What a waiter is told whose hold ends now. Never "not submitted": a byte may
    /// still leave.
    pub fn standing(&self) -> Standing {
        let asked = matches!(self.state, State::Asking | State::Doubtful);
        let dies_with_us =
            self.first_sent.is_some() && self.is_draining() && !self.terms.policy.durable;
        if self.lost || asked || dies_with_us {
            Standing::InDoubt
        } else {
            Standing::InProgress
        }
    }

    /// Why it is in doubt, if anything raised one.
    pub const fn doubt(&self) -> Option<Doubt> {
        self.doubt
    }

    /// Why it is in doubt, as it is recorded and told.
    pub(super) fn cause(&self) -> Doubt {
        self.doubt.unwrap_or(Doubt::SubmitLost)
    }

    /// The task that the gateway works on.
    pub const fn ticket(&self) -> Option<&RequestId> {
        self.ticket.as_ref()
    }

    /// How many tries in a row brought nothing to go on with.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// When the gateway was last asked: by a poll or a lookup.
    pub const fn asked_at(&self) -> Option<Moment> {
        self.asked_at
    }

    /// True while a submit may still be answered.
    pub const fn has_open_submit(&self) -> bool {
        self.open_submits > 0
    }

    /// How often the submit may be repeated.
    pub const fn most_resubmits(&self) -> u32 {
        self.most_resubmits
    }

    /// Polls that were answered "running".
    pub const fn pending(&self) -> u32 {
        self.pending
    }

    /// What is known of how long the task took.
    pub const fn watch(&self) -> &Watch {
        &self.watch
    }

    /// What its schedule has to be told with that.
    pub fn mark(&self) -> Mark {
        self.terms.schedule.mark()
    }

    /// Answers to submits that came after their time, or after the outcome was known.
    pub const fn late_answers(&self) -> u32 {
        self.late
    }

    /// Events that no rule expects; a test fails on one.
    pub const fn unexpected_events(&self) -> u32 {
        self.unexpected
    }

    /// The next moment at which the machine wants to be woken, and for what.
    pub fn timer(&self) -> Option<(Moment, Timer)> {
        let earliest = |timers: [Option<(Moment, Timer)>; 2]| {
            timers
                .into_iter()
                .flatten()
                .min_by_key(|(moment, _)| *moment)
        };
        let wake = |timer| self.wake.map(|moment| (moment, timer));
        match self.state {
            State::Connecting => {
                let start = (self.resubmits == 0)
                    .then(|| (self.read_at + self.terms.policy.submit_start, Timer::Start));
                earliest([start, wake(Timer::Connect)])
            }
            State::Submitting => Some((self.submit_until, Timer::Submit)),
            State::Waiting => earliest([wake(Timer::Poll), Some(self.retention())]),
            State::Asking => {
                let over = self.asking_until.map(|moment| (moment, Timer::Asking));
                earliest([over, wake(Timer::Lookup)])
            }
            State::Doubtful | State::Undelivered | State::Delivered => Some(self.retention()),
            State::Recording(_) | State::Polling | State::Ended => None,
        }
    }

    /// Until when a client may wait; the hold of one that has hung up counts all the same.
    pub fn hold_until(&self) -> Moment {
        self.hold_until
    }

    /// The moment after which nothing of a first submit may leave; a resubmit has none.
    pub fn submit_not_after(&self) -> Option<Moment> {
        (self.resubmits == 0).then(|| self.read_at + self.terms.policy.submit_start)
    }

    fn retention(&self) -> (Moment, Timer) {
        let moment = if self.state == State::Undelivered && !self.explicit_key {
            self.finished_at + self.terms.policy.reclaim
        } else {
            self.remembered_since + self.terms.policy.retention
        };
        (moment, Timer::Retention)
    }

    /// True if every submit was answered, each with a refusal, and no task came of any. Where the operator
    /// said that it was executed a refusal says nothing.
    pub(super) const fn is_clear(&self) -> bool {
        self.open_submits == 0 && !self.lost && self.ticket.is_none() && !self.settled
    }

    pub(super) const fn was_sent(&self) -> bool {
        self.first_sent.is_some()
    }

    /// True while a first submit may still leave.
    pub(super) fn may_start(&self, now: Moment) -> bool {
        self.resubmits == 0
            && now < self.read_at + self.terms.policy.submit_start
            && !self.is_draining()
    }

    /// True once the process is stopping.
    pub(super) const fn is_draining(&self) -> bool {
        self.polls_until.is_some()
    }

    /// True if a poll that starts now ends before the process does, unless it has longer than
    /// `upstream.answer_timeout`.
    pub(super) fn poll_fits(&self, now: Moment) -> bool {
        self.polls_until.is_none_or(|until| now <= until)
    }

    pub(super) fn asking_end(&self, now: Moment) -> Moment {
        self.hold_until.max(now + ASKING_AT_LEAST)
    }
}
