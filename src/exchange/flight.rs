//! A flight: one running exchange, and the downstream requests that wait for it.
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::oneshot;
use uuid::Uuid;

use super::gateway::Home;
use super::kin::Kin;
use super::machine::{Doubt, Event, Machine, Polled, Standing, State, Whole, Withdrawal};
use super::mailbox::Mailbox;
use super::order::{Credentials, Identity, Key, Submission};
use super::rivals::Transactions;
use super::trail::{Heard, Trail};
use super::verdict::Ruling;
use crate::journal::{Number, Place};
use crate::listener::Presence;
use crate::message::{StoredResponse, TraceParent};
use crate::protocol::{BEGATEWAY, Conversion, MatchFacts, Profile};
use crate::results::ResultKey;
use crate::timing::{Moment, Stamp};
use crate::upstream::Cause;

/// A whole answer, shared by all who give it.
pub type Answer = Arc<StoredResponse>;

impl Whole for Answer {
    fn says_the_same(&self, other: &Self) -> bool {
        StoredResponse::says_the_same(self, other)
    }
}

/// At most so many requests wait for one exchange; a client that repeats faster than its earlier
/// connections are found dead must not fill the limits.
const MAX_WAITERS: usize = 4;

/// One running exchange. Its entry in the map belongs to its supervisor, never to a connection.
pub struct Flight {
    pub(super) id: Uuid,
    /// Its number in the journal.
    pub(super) number: Number,
    pub(super) home: Home,
    pub(super) conversion: &'static Conversion,
    pub(super) identity: Identity,
    pub(super) kin: Kin,
    pub(super) key: Key,
    facts: MatchFacts,
    /// The same with what the journal does not hold, once a repeat has brought it.
    brought: OnceLock<Box<MatchFacts>>,
    pub(super) read_at: Moment,
    pub(super) remembered_since: Moment,
    pub(super) stamped: Option<Stamp>,
    pub(super) mailbox: Mailbox<Command>,
    /// Set before the first byte of a submit is handed over, so that it outlives a panic.
    pub(super) handed_over: Arc<AtomicBool>,
    /// Set once the process's stop has let it go.
    pub(super) stopped: AtomicBool,
    /// Set once it was told in the log that a poll brought a 200 that tells nothing.
    pub(super) told_mute: AtomicBool,
    core: Mutex<Core>,
}

/// What the driver changes and others may read.
pub(super) struct Core {
    pub(super) machine: Machine<Answer>,
    pub(super) waiters: Vec<Waiter>,
    pub(super) last_joined: u64,
    pub(super) told: Option<Told>,
    pub(super) result_key: Option<ResultKey>,
    /// The step of its next entry in the journal, and of the one that holds its answer.
    pub(super) next_step: u32,
    pub(super) answer_step: Option<u32>,
    /// The step of the entry that holds what an earlier process kept, until a repeat opens it.
    pub(super) sealed_step: Option<u32>,
    /// The last reason why no connection was there.
    pub(super) connect_failure: Option<Cause>,
    pub(super) transactions: Transactions,
    /// How the operator knows what became of it.
    pub(super) reason: Option<Box<str>>,
    /// True if a client's hold ended in doubt, though it was searched on.
    pub(super) was_left_in_doubt: bool,
    /// True if the answer came from a lookup.
    pub(super) looked_up: bool,
    /// True while it is counted as at rest.
    pub(super) rests: bool,
    /// The trace of the request whose credentials it goes on with.
    pub(super) trace: Option<TraceParent>,
    /// How many polls were sent.
    pub(super) polls: u32,
    /// When the submit was answered, and when the outcome came.
    pub(super) submitted_at: Option<Moment>,
    /// When the last poll was sent that found the task running.
    pub(super) running_at: Option<Moment>,
    /// What the next event was known by; its call says so just before.
    pub(super) heard: Heard,
    /// What has happened.
    pub(super) trail: Trail,
}

/// A downstream request that waits.
pub(super) struct Waiter {
    pub(super) number: u64,
    pub(super) tell: oneshot::Sender<Told>,
    pub(super) client: Presence,
}

impl Waiter {
    /// True while its client is there, as far as can be told.
    fn is_live(&self) -> bool {
        !self.tell.is_closed() && !self.client.has_ended()
    }
}

/// What is posted to a flight's driver.
pub(super) enum Command {
    /// A downstream request joins, with what it brings.
    Join(Box<Join>),
    /// A waiter's answer reached it, or did not.
    Settled { waiter: u64, delivered: bool },
    /// An event from outside: a drain, a shared key.
    Event(Box<Event<Answer>>),
    /// Another exchange's poll of the same task was answered, or lost.
    TaskAnswered(Option<Box<Polled<Answer>>>),
    /// The operator says what became of it.
    Rule(Box<Ruling>),
    /// The drain is over: let go of every waiter and end.
    Stop,
}

/// A request that joins a flight.
pub(super) struct Join {
    pub(super) waiter: Waiter,
    pub(super) entrance: Entrance,
}

/// What a request brings to the flight that it joins.
pub(super) struct Entrance {
    pub(super) hold_until: Moment,
    pub(super) facts: MatchFacts,
    pub(super) submission: Box<Submission>,
    pub(super) credentials: Box<Credentials>,
}

/// What an exchange is, from its order or from the journal.
pub(super) struct Subject {
    pub(super) id: Uuid,
    pub(super) number: Number,
    pub(super) home: Home,
    pub(super) conversion: &'static Conversion,
    pub(super) identity: Identity,
    pub(super) kin: Kin,
    pub(super) key: Key,
    pub(super) facts: MatchFacts,
    pub(super) read_at: Moment,
    /// From when its retention counts: later than that where only the time of day told how old it is.
    pub(super) remembered_since: Moment,
    /// Its stamp, where an earlier boot made it: only the time of day tells how long ago that was.
    pub(super) stamped: Option<Stamp>,
}

/// What a waiter is told.
#[derive(Clone, Debug)]
pub enum Told {
    /// The gateway's standard answer.
    Answer {
        /// The answer.
        answer: Answer,
        /// True if it was kept for this request: the exchange had ended before it came.
        replayed: bool,
    },
    /// The gateway refused the submit, in these words.
    Refused(Answer),
    /// Nothing was submitted.
    NotSubmitted {
        /// Why.
        why: Withdrawal,
        /// What kept the connection from coming about.
        cause: Option<Cause>,
    },
    /// It may have been executed.
    InDoubt(Doubt),
    /// It was remembered for as long as it may be.
    Expired,
    /// No more than how it stands: the hold is over or the process stops, the disk does not tell, or
    /// later ones wait in this one's stead. The flight goes on.
    AsItStands,
    /// The exchange was over before the request joined: it is a new one.
    Renew,
}

impl Flight {
    pub(super) fn new(subject: Subject, machine: Machine<Answer>, first: Option<Waiter>) -> Self {
        let core = Core {
            machine,
            last_joined: first.as_ref().map_or(0, |first| first.number),
            waiters: first.into_iter().collect(),
            told: None,
            result_key: None,
            next_step: 0,
            answer_step: None,
            sealed_step: None,
            connect_failure: None,
            transactions: Transactions::default(),
            reason: None,
            was_left_in_doubt: false,
            looked_up: false,
            rests: false,
            trace: None,
            polls: 0,
            submitted_at: None,
            running_at: None,
            heard: Heard::default(),
            trail: Trail::default(),
        };
        Self {
            id: subject.id,
            number: subject.number,
            home: subject.home,
            conversion: subject.conversion,
            identity: subject.identity,
            kin: subject.kin,
            key: subject.key,
            facts: subject.facts,
            brought: OnceLock::new(),
            read_at: subject.read_at,
            remembered_since: subject.remembered_since,
            stamped: subject.stamped,
            mailbox: Mailbox::default(),
            handed_over: Arc::new(AtomicBool::new(false)),
            stopped: AtomicBool::new(false),
            told_mute: AtomicBool::new(false),
            core: Mutex::new(core),
        }
    }

    /// The exchange's own id, told to the client and in every log line.
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// The gateway's configured name.
    pub fn gateway_name(&self) -> &str {
        self.home.name()
    }

    /// The key that every submit of it carries.
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// What finds its transaction.
    pub fn facts(&self) -> &MatchFacts {
        self.brought.get().map_or(&self.facts, |facts| facts)
    }

    /// Takes the facts of a repeat, which is equal to the byte: the journal holds no card.
    pub(super) fn bring(&self, facts: MatchFacts) {
        if facts != *self.facts() {
            let _ = self.brought.set(Box::new(facts));
        }
    }

    /// What it is.
    pub const fn conversion(&self) -> &'static Conversion {
        self.conversion
    }

    /// What its gateway speaks. One that is gone is never asked, and there is one family only.
    pub(super) fn profile(&self) -> &'static Profile {
        let gateway = self.home.gateway();
        gateway.map_or(&BEGATEWAY, |gateway| gateway.profile)
    }

    /// When its request was read.
    pub const fn read_at(&self) -> Moment {
        self.read_at
    }

    /// What is told of it while it has not ended, and why it is in doubt if it is.
    pub fn standing(&self) -> (Standing, Option<Doubt>) {
        let core = self.core();
        (core.machine.standing(), core.machine.doubt())
    }

    /// The trace of which it is a part, as its last request said.
    pub fn trace(&self) -> Option<TraceParent> {
        self.core().trace
    }

    /// What the exchange awaits.
    pub fn state(&self) -> State {
        self.core().machine.state()
    }

    /// The task's id at the gateway, once it is known.
    pub fn ticket(&self) -> Option<String> {
        self.core().machine.ticket().map(ToString::to_string)
    }

    /// When the first byte of a submit was handed over.
    pub fn first_sent(&self) -> Option<Moment> {
        self.core().machine.first_sent()
    }

    /// Polls sent so far, and when the submit was answered.
    pub fn progress(&self) -> (u32, Option<Moment>) {
        let core = self.core();
        (core.polls, core.submitted_at)
    }

    /// True if the answer was found by a lookup.
    pub fn was_looked_up(&self) -> bool {
        self.core().looked_up
    }

    /// True if any byte of a submit may have left.
    pub fn may_have_been_sent(&self) -> bool {
        self.handed_over.load(Ordering::Acquire)
    }

    /// True once the process's stop has let it go: nobody drives it any more, but it stays in the map,
    /// so that a request which comes last is not told that nothing was sent.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// True once the process's stop has told it to end.
    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopped() || self.mailbox.has(|command| matches!(command, Command::Stop))
    }

    /// Posts what somebody waits for an answer to: who comes after the stop must not wait for ever.
    pub(super) fn ask(&self, command: Command) {
        self.mailbox.post(command);
        if self.is_stopped() {
            self.let_go();
        }
    }

    /// Tells whoever waits, or came to join, how it stands.
    pub(super) fn let_go(&self) {
        self.core().tell(&Told::AsItStands);
        while let Some(command) = self.mailbox.take() {
            if let Command::Join(join) = command {
                // Who has hung up needs to be told nothing.
                let _ = join.waiter.tell.send(Told::AsItStands);
            }
        }
    }

    /// True if the operator has said that it was executed: it is a doubt no more.
    pub fn is_ruled(&self) -> bool {
        self.core().machine.doubt() == Some(Doubt::Executed)
    }

    /// True if a transaction of this exchange may be found that nobody would know for its own: it was
    /// sent, not refused, and no answer told of one. An error need not.
    pub(super) fn may_have_untold_transaction(&self) -> bool {
        let core = self.core();
        let has_none = match &core.told {
            Some(Told::Refused(_) | Told::NotSubmitted { .. }) => true,
            Some(
                Told::Answer { .. }
                | Told::InDoubt(_)
                | Told::Expired
                | Told::AsItStands
                | Told::Renew,
            )
            | None => false,
        };
        self.may_have_been_sent() && !has_none && !core.transactions.own_is_known
    }

    /// True while its task's result is being asked for.
    pub(super) fn awaits_result(&self) -> bool {
        let core = self.core();
        let asks = match core.machine.state() {
            State::Recording(_) | State::Waiting | State::Polling => true,
            State::Connecting
            | State::Submitting
            | State::Asking
            | State::Doubtful
            | State::Undelivered
            | State::Delivered
            | State::Ended => false,
        };
        asks && core.machine.ticket().is_some()
    }

    /// The place of one of its entries in the journal.
    pub(super) const fn place(&self, step: u32) -> Place {
        Place {
            number: self.number,
            step,
        }
    }

    /// The place of its next entry in the journal. One that could not be written leaves a gap: its
    /// place is never used again.
    pub(super) fn next_place(&self) -> Place {
        let mut core = self.core();
        let step = core.next_step;
        core.next_step += 1;
        self.place(step)
    }

    /// Says whether a waiter's answer reached it.
    pub fn settle(&self, waiter: u64, delivered: bool) {
        self.mailbox.post(Command::Settled { waiter, delivered });
    }

    pub(super) fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True while a client that waits for the answer, or is about to join, has not hung up.
    pub(super) fn has_live_waiter(&self) -> bool {
        self.core().waiters.iter().any(Waiter::is_live)
            || self
                .mailbox
                .has(|command| matches!(command, Command::Join(join) if join.waiter.is_live()))
    }
}

impl Core {
    /// True if a client was told that it is in doubt.
    pub(super) const fn was_told_in_doubt(&self) -> bool {
        self.was_left_in_doubt || matches!(self.told, Some(Told::InDoubt(_)))
    }

    /// Takes a waiter in. Those that hung up are let go; if too many are left, the one that has
    /// waited longest is told how it stands.
    pub(super) fn admit(&mut self, waiter: Waiter) {
        self.waiters.retain(|waiter| !waiter.tell.is_closed());
        if self.waiters.len() >= MAX_WAITERS {
            let oldest = self.waiters.remove(0);
            // A waiter that has just hung up needs to be told nothing.
            let _ = oldest.tell.send(Told::AsItStands);
        }
        self.last_joined = waiter.number;
        self.waiters.push(waiter);
    }

    /// Tells every waiter, and lets them go. One that hung up meanwhile keeps the exchange
    /// undelivered, which is all that follows from it.
    pub(super) fn tell(&mut self, told: &Told) {
        for waiter in self.waiters.drain(..) {
            let _ = waiter.tell.send(told.clone());
        }
    }
}
