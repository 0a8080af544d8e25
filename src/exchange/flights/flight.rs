//! A flight: one running exchange, and the downstream requests that wait for it.
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use super::began::Began;
use super::command::Command;
use super::kin::Kin;
use super::mailbox::Mailbox;
use super::rivals::Transactions;
use super::said::{Once, Said};
use super::table::Counted;
use super::task::TaskPlace;
use super::waiter::{Told, Waiter};
use crate::exchange::gateway::Home;
use crate::exchange::machine::{Doubt, Machine, Standing, State, Whole};
use crate::exchange::order::{Identity, Key};
use crate::exchange::telling::{Heard, Trail};
use crate::exchange::verdict::Word;
use crate::journal::{Number, Place};
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
    pub(in crate::exchange) id: Uuid,
    /// Its number in the journal.
    pub(in crate::exchange) number: Number,
    pub(in crate::exchange) home: Home,
    pub(in crate::exchange) conversion: &'static Conversion,
    pub(in crate::exchange) identity: Identity,
    pub(in crate::exchange) kin: Kin,
    pub(in crate::exchange) key: Key,
    facts: MatchFacts,
    /// The same with what the journal does not hold, once a repeat has brought it.
    brought: OnceLock<Box<MatchFacts>>,
    pub(in crate::exchange) read_at: Moment,
    reading: Duration,
    pub(in crate::exchange) remembered_since: Moment,
    pub(in crate::exchange) began: Began,
    pub(in crate::exchange) mailbox: Mailbox<Command>,
    /// Set before the first byte of a submit is handed over, so that it outlives a panic.
    pub(in crate::exchange) handed_over: Arc<AtomicBool>,
    /// Set once the process's stop has let it go.
    pub(in crate::exchange) stopped: AtomicBool,
    /// Set once it is counted by its first outcome, by this process or by one before it.
    pub(in crate::exchange) counted: AtomicBool,
    said: Said,
    core: Mutex<Core>,
}

/// What the driver changes and others may read.
pub(in crate::exchange) struct Core {
    pub(in crate::exchange) machine: Machine<Answer>,
    pub(in crate::exchange) waiters: Vec<Waiter>,
    pub(in crate::exchange) last_joined: u64,
    pub(in crate::exchange) told: Option<Told>,
    /// Where its answer is kept.
    pub(in crate::exchange) result_key: Option<ResultKey>,
    /// Its place at a task of the gateway.
    pub(in crate::exchange) place: Option<TaskPlace>,
    /// The step of its next entry in the journal, and of the one that holds its answer.
    pub(in crate::exchange) next_step: u32,
    pub(in crate::exchange) answer_step: Option<u32>,
    /// The step of the entry that holds what an earlier process kept, until a repeat opens it.
    pub(in crate::exchange) sealed_step: Option<u32>,
    /// When the first byte of a submit had been handed over; of an earlier process's, when that was recorded to be
    /// about to happen. By a stamp, since a machine that sleeps makes a submit older.
    pub(in crate::exchange) sent: Option<Stamp>,
    /// The last reason why no connection was there.
    pub(in crate::exchange) connect_failure: Option<Cause>,
    pub(in crate::exchange) transactions: Transactions,
    /// What the operator said to this process of what became of it.
    pub(in crate::exchange) word: Option<Word>,
    /// True if a client's hold ended in doubt, though it was searched on.
    pub(in crate::exchange) was_left_in_doubt: bool,
    /// True if the answer came from a lookup.
    pub(in crate::exchange) looked_up: bool,
    /// What it is counted as.
    pub(in crate::exchange) counted_as: Counted,
    /// The trace of the request whose credentials it goes on with.
    pub(in crate::exchange) trace: Option<TraceParent>,
    /// How many polls were sent.
    pub(in crate::exchange) polls_sent: u32,
    /// What the next event was known by; its call says so just before.
    pub(in crate::exchange) heard: Heard,
    /// What has happened.
    pub(in crate::exchange) trail: Trail,
}

/// What an exchange is, from its order or from the journal.
pub(in crate::exchange) struct Subject {
    pub(in crate::exchange) id: Uuid,
    pub(in crate::exchange) number: Number,
    pub(in crate::exchange) home: Home,
    pub(in crate::exchange) conversion: &'static Conversion,
    pub(in crate::exchange) identity: Identity,
    pub(in crate::exchange) kin: Kin,
    pub(in crate::exchange) key: Key,
    pub(in crate::exchange) facts: MatchFacts,
    pub(in crate::exchange) read_at: Moment,
    /// How long its request took to come, from its head on.
    pub(in crate::exchange) reading: Duration,
    /// From when its retention counts: later than that where only the time of day told how old it is.
    pub(in crate::exchange) remembered_since: Moment,
    /// When it began, as it is told.
    pub(in crate::exchange) began: Began,
}

impl Flight {
    /// True while it waits for a client or the operator only: a task that is known, and whose
    /// client has not come since the restart, does too.
    pub fn is_at_rest(&self) -> bool {
        self.core().machine.is_at_rest()
    }

    pub(in crate::exchange) fn new(
        subject: Subject,
        machine: Machine<Answer>,
        first: Option<Waiter>,
    ) -> Self {
        let core = Core {
            machine,
            last_joined: first.as_ref().map_or(0, |first| first.number),
            waiters: first.into_iter().collect(),
            told: None,
            result_key: None,
            place: None,
            next_step: 0,
            answer_step: None,
            sealed_step: None,
            sent: None,
            connect_failure: None,
            transactions: Transactions::default(),
            word: None,
            was_left_in_doubt: false,
            looked_up: false,
            counted_as: Counted::default(),
            trace: None,
            polls_sent: 0,
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
            reading: subject.reading,
            remembered_since: subject.remembered_since,
            began: subject.began,
            mailbox: Mailbox::default(),
            handed_over: Arc::new(AtomicBool::new(false)),
            stopped: AtomicBool::new(false),
            counted: AtomicBool::new(false),
            said: Said::default(),
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

    /// Takes the facts of a repeat, which is equal to the byte: the journal holds no card and no parent.
    pub(in crate::exchange) fn bring(&self, facts: MatchFacts) {
        if facts != *self.facts() {
            let _ = self.brought.set(Box::new(facts));
        }
    }

    /// What it is.
    pub const fn conversion(&self) -> &'static Conversion {
        self.conversion
    }

    /// What its gateway speaks. One that is gone is never asked, and there is one family only.
    pub(in crate::exchange) fn profile(&self) -> &'static Profile {
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

    /// The task's id at the gateway, once it is known; also of one that was given up.
    pub fn ticket(&self) -> Option<String> {
        self.core().machine.told_task().map(ToString::to_string)
    }

    /// When the first byte of a submit was handed over; of an earlier process's, when that was recorded to be
    /// about to happen.
    pub fn sent(&self) -> Option<Stamp> {
        self.core().sent
    }

    /// Polls sent so far, and when this process was told that the gateway had accepted the task.
    pub fn progress(&self) -> (u32, Option<Moment>) {
        let core = self.core();
        (core.polls_sent, core.machine.watch().accepted_at())
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
    pub(in crate::exchange) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// True once the process's stop has told it to end.
    pub(in crate::exchange) fn is_stopping(&self) -> bool {
        self.is_stopped() || self.mailbox.has(|command| matches!(command, Command::Stop))
    }

    /// Posts what somebody waits for an answer to: who comes after the stop must not wait for ever.
    pub(in crate::exchange) fn ask(&self, command: Command) {
        self.mailbox.post(command);
        if self.is_stopped() {
            self.let_go();
        }
    }

    /// Tells whoever waits, or came to join, how it stands.
    pub(in crate::exchange) fn let_go(&self) {
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
    pub(in crate::exchange) fn may_have_untold_transaction(&self) -> bool {
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
    pub(in crate::exchange) fn awaits_result(&self) -> bool {
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
    pub(in crate::exchange) const fn place(&self, step: u32) -> Place {
        Place {
            number: self.number,
            step,
        }
    }

    /// The place of its next entry in the journal. One that could not be written leaves a gap: its
    /// place is never used again.
    pub(in crate::exchange) fn next_place(&self) -> Place {
        let mut core = self.core();
        let step = core.next_step;
        core.next_step += 1;
        self.place(step)
    }

    /// True the first time that it is asked for this.
    pub(in crate::exchange) fn first_time(&self, once: Once) -> bool {
        self.said.first_time(once)
    }

    /// Says whether a waiter's answer reached it.
    pub fn settle(&self, waiter: u64, delivered: bool) {
        self.mailbox.post(Command::Settled { waiter, delivered });
    }

    pub(in crate::exchange) fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True once no first submit may leave any more that may leave until `not_after`. A client that has gone
    /// may be paying again since its request began to come, however late the rest of it came.
    pub(in crate::exchange) fn is_too_late(&self, not_after: Moment, now: Moment) -> bool {
        now >= not_after || (now >= not_after - self.reading && !self.has_live_waiter())
    }

    /// True while a client that waits for the answer, or is about to join, has not hung up.
    pub(in crate::exchange) fn has_live_waiter(&self) -> bool {
        self.core().waiters.iter().any(Waiter::is_live)
            || self
                .mailbox
                .has(|command| matches!(command, Command::Join(join) if join.waiter.is_live()))
    }
}

impl Core {
    /// True if a client was told that it is in doubt.
    pub(in crate::exchange) const fn was_told_in_doubt(&self) -> bool {
        self.was_left_in_doubt || matches!(self.told, Some(Told::InDoubt(_)))
    }

    /// Takes a place at a task, where its answer is kept from now on. Returns the place before.
    pub(in crate::exchange) const fn take_place(&mut self, place: TaskPlace) -> Option<TaskPlace> {
        self.result_key = Some(place.result);
        self.place.replace(place)
    }

    /// Takes a waiter in. Those that hung up are let go; if too many are left, the one that has
    /// waited longest is told how it stands. One that is gone already pushes nobody out, but is the last
    /// that joined all the same.
    pub(in crate::exchange) fn admit(&mut self, waiter: Waiter) {
        self.last_joined = waiter.number;
        if waiter.tell.is_closed() {
            return;
        }
        self.waiters.retain(|waiter| !waiter.tell.is_closed());
        if self.waiters.len() >= MAX_WAITERS {
            let oldest = self.waiters.remove(0);
            // A waiter that has just hung up needs to be told nothing.
            let _ = oldest.tell.send(Told::AsItStands);
        }
        self.waiters.push(waiter);
    }

    /// Tells every waiter, and lets them go. One that hung up meanwhile keeps the exchange
    /// undelivered, which is all that follows from it.
    pub(in crate::exchange) fn tell(&mut self, told: &Told) {
        for waiter in self.waiters.drain(..) {
            let _ = waiter.tell.send(told.clone());
        }
    }
}
