//! A journal that is slow, fails, panics or lies, as a test has it, and remembers every record.
use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdline::exchange::machine::{Record, RecordKind};
use holdline::exchange::{Appending, RecordError, Recorder};
use holdline::message::StoredResponse;
use holdline::timing::{Clock, Moment};
use uuid::Uuid;

/// What becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disk {
    /// It is durable at once, as in memory.
    Ready,
    /// It is durable after so long.
    Slow(Duration),
    /// It fails after so long.
    Fails(Duration),
    /// The journal panics when it is asked.
    Panics,
    /// The journal panics after so long.
    PanicsAfter(Duration),
    /// It is said to be durable at once, and is so long after.
    Lies(Duration),
}

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) exchange: Uuid,
    pub(crate) kind: RecordKind,
    pub(crate) asked_at: Moment,
    pub(crate) durable_at: Option<Moment>,
    pub(crate) panicked: bool,
}

/// A journal in a test's hands.
#[derive(Clone)]
pub(crate) struct Journal {
    clock: Clock,
    state: Arc<Mutex<State>>,
}

type Plan = Box<dyn FnMut(RecordKind) -> Disk + Send>;

struct State {
    entries: Vec<Entry>,
    next: VecDeque<(RecordKind, Disk)>,
    plan: Plan,
}

impl Journal {
    pub(crate) fn new(clock: Clock) -> Self {
        let state = State {
            entries: Vec::new(),
            next: VecDeque::new(),
            plan: Box::new(|_| Disk::Ready),
        };
        Self {
            clock,
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// What becomes of the next record of this kind.
    pub(crate) fn next(&self, kind: RecordKind, disk: Disk) {
        self.state().next.push_back((kind, disk));
    }

    /// What becomes of every record of which nothing else is said.
    pub(crate) fn plan(&self, plan: impl FnMut(RecordKind) -> Disk + Send + 'static) {
        self.state().plan = Box::new(plan);
    }

    /// Every record, in the order in which they were asked for.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.state().entries.clone()
    }

    /// The kinds of the durable records.
    pub(crate) fn kinds(&self) -> Vec<RecordKind> {
        let durable = |entry: &Entry| entry.durable_at.is_some();
        let entries = self.entries().into_iter().filter(durable);
        entries.map(|entry| entry.kind).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fate(&self, kind: RecordKind) -> Disk {
        let mut state = self.state();
        let asked = state.next.iter().position(|(next, _)| *next == kind);
        match asked.and_then(|index| state.next.remove(index)) {
            Some((_, disk)) => disk,
            None => (state.plan)(kind),
        }
    }

    fn enter(&self, exchange: Uuid, kind: RecordKind, durable_at: Option<Moment>, panicked: bool) {
        self.state().entries.push(Entry {
            exchange,
            kind,
            durable_at,
            panicked,
        });
    }

    /// A record on its way: it ends after `span`, as `durable` says.
    fn later(&self, exchange: Uuid, kind: RecordKind, span: Duration, end: End) -> Appending {
        let journal = self.clone();
        let until = self.clock.now() + span;
        Box::pin(async move {
            journal.clock.sleep_until(until).await;
            let durable_at = (end == End::Durable).then(|| journal.clock.now());
            journal.enter(exchange, kind, durable_at, end == End::Panic);
            match end {
                End::Durable => Ok(()),
                End::Failure => Err(RecordError),
                End::Panic => resume_unwind(Box::new("the journal panics")),
            }
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Durable,
    Failure,
    Panic,
}

impl Recorder for Journal {
    fn append(&self, exchange: Uuid, record: &Record<Arc<StoredResponse>>) -> Option<Appending> {
        let kind = record.kind();
        match self.fate(kind) {
            Disk::Ready => {
                self.enter(exchange, kind, Some(self.clock.now()), false);
                None
            }
            Disk::Slow(span) => Some(self.later(exchange, kind, span, End::Durable)),
            Disk::Fails(span) => Some(self.later(exchange, kind, span, End::Failure)),
            Disk::PanicsAfter(span) => Some(self.later(exchange, kind, span, End::Panic)),
            Disk::Panics => {
                self.enter(exchange, kind, None, true);
                resume_unwind(Box::new("the journal panics"))
            }
            Disk::Lies(span) => {
                self.enter(exchange, kind, Some(self.clock.now() + span), false);
                None
            }
        }
    }

    fn is_durable(&self) -> bool {
        true
    }
}
