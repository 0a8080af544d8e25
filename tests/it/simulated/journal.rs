//! A journal that is slow, fails, panics or lies, as a test has it, and remembers every record.
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use holdline::drain::Drain;
use holdline::exchange::machine::RecordKind;
use holdline::exchange::{Appending, ReadError, Reading, RecordError, Recorder, Refusal};
use holdline::journal::{self, Change, LastRecord, Number, Place, Remembered, Sealed};
use holdline::timing::{Clock, Moment};
use uuid::Uuid;

use super::life::{Life, Step};

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

/// What becomes of the readings of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// They bring what was written.
    Work,
    /// The disk cannot be read.
    Fail,
    /// The records are damaged.
    Spoil,
    /// They bring something else.
    Lie,
    /// The answers were dropped.
    Drop,
    /// They bring what was written after so long.
    Slow(Duration),
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) exchange: Uuid,
    pub(crate) written: journal::Entry,
    pub(crate) kind: RecordKind,
    pub(crate) asked_at: Moment,
    pub(crate) durable_at: Option<Moment>,
    /// It was answered with an error.
    pub(crate) failed: bool,
    pub(crate) panicked: bool,
}

/// A journal in a test's hands.
#[derive(Clone)]
pub(crate) struct Journal {
    clock: Clock,
    drain: Drain,
    state: Arc<Mutex<State>>,
    /// The process that records, and where its records truly go; without one they are durable as
    /// soon as they are written down here.
    under: Option<(Life, Arc<dyn Recorder>)>,
}

type Plan = Box<dyn FnMut(RecordKind) -> Disk + Send>;

struct State {
    entries: Vec<Entry>,
    next: VecDeque<(RecordKind, Disk)>,
    plan: Plan,
    numbers: u64,
    exchanges: HashMap<Number, Uuid>,
    may_start: Result<(), Refusal>,
    reads: Reads,
}

impl Journal {
    pub(crate) fn new(clock: Clock) -> Self {
        let state = State {
            entries: Vec::new(),
            next: VecDeque::new(),
            plan: Box::new(|_| Disk::Ready),
            numbers: 0,
            exchanges: HashMap::new(),
            may_start: Ok(()),
            reads: Reads::Work,
        };
        Self {
            clock,
            drain: Drain::new(),
            state: Arc::new(Mutex::new(state)),
            under: None,
        }
    }

    /// The same, for a process whose records truly go to `recorder`.
    pub(crate) fn over(&self, life: &Life, recorder: Arc<dyn Recorder>) -> Self {
        Self {
            under: Some((life.clone(), recorder)),
            ..self.clone()
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

    /// A new process found an exchange on the disk: its records are durable, though the process that
    /// made them may not have learned it.
    pub(crate) fn confirm(&self, found: &Remembered) {
        let now = self.clock.now();
        let mut state = self.state();
        // One that was lost may have a later one in its place.
        let mut steps = HashSet::new();
        for entry in state.entries.iter_mut().rev() {
            let step = entry.written.place.step;
            let is_of_it = entry.exchange == found.head.exchange && step < found.next_step;
            if is_of_it && steps.insert(step) {
                entry.durable_at.get_or_insert(now);
            }
        }
    }

    /// Whether new exchanges may start.
    pub(crate) fn allow(&self, may_start: Result<(), Refusal>) {
        self.state().may_start = may_start;
    }

    /// What becomes of the readings of answers from now on.
    pub(crate) fn read(&self, reads: Reads) {
        self.state().reads = reads;
    }

    /// What the next process reads of the durable records.
    pub(crate) fn remembered(&self) -> Vec<Remembered> {
        let mut remembered: BTreeMap<Number, Remembered> = BTreeMap::new();
        let now = self.clock.now();
        let durable = |entry: &Entry| entry.durable_at.is_some_and(|at| at <= now);
        for entry in self.entries().into_iter().filter(durable) {
            let number = entry.written.place.number;
            match remembered.get_mut(&number) {
                None => {
                    remembered.insert(number, begun(&entry.written));
                }
                Some(remembered) => follow(remembered, &entry.written),
            }
        }
        remembered.into_values().collect()
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

    /// Writes a record down, and returns which one it is.
    fn enter(&self, entry: &journal::Entry, durable_at: Option<Moment>, panicked: bool) -> usize {
        let mut state = self.state();
        let number = entry.place.number;
        if let Change::Submitted(head) = &entry.change {
            state.exchanges.insert(number, head.exchange);
        }
        let exchange = state.exchanges.get(&number).copied().unwrap_or_default();
        state.entries.push(Entry {
            exchange,
            kind: kind_of(&entry.change),
            written: entry.clone(),
            asked_at: self.clock.now(),
            durable_at,
            failed: false,
            panicked,
        });
        state.entries.len() - 1
    }

    /// A record on its way: it ends after `span`, as `end` says.
    fn later(&self, entry: journal::Entry, span: Duration, end: End) -> Appending {
        let journal = self.clone();
        let until = self.clock.now() + span;
        let number = self.enter(&entry, None, false);
        Box::pin(async move {
            journal.clock.sleep_until(until).await;
            match end {
                End::Durable => journal.put(number, entry).await,
                End::Failure => {
                    journal.state().entries[number].failed = true;
                    Err(RecordError)
                }
                End::Panic => {
                    drop(journal.begin_to_put(entry));
                    journal.state().entries[number].panicked = true;
                    resume_unwind(Box::new("the journal panics"))
                }
            }
        })
    }

    /// Hands a record to where it truly goes.
    fn begin_to_put(&self, entry: journal::Entry) -> Option<Appending> {
        let (_, recorder) = self.under.as_ref()?;
        recorder.append(entry)
    }

    /// Makes a record durable where it truly goes.
    async fn put(&self, number: usize, entry: journal::Entry) -> Result<(), RecordError> {
        let kind = kind_of(&entry.change);
        if let Some(appending) = self.begin_to_put(entry) {
            let written = appending.await;
            self.state().entries[number].failed = written.is_err();
            written?;
        }
        // It is durable, whether its process learns it or not.
        self.state().entries[number].durable_at = Some(self.clock.now());
        if !self.goes_on(Step::Durable(kind)) {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    /// True if the process that records lives on after this step.
    fn goes_on(&self, step: Step) -> bool {
        let life = self.under.as_ref().map(|(life, _)| life);
        life.is_none_or(|life| life.step(step))
    }

    /// A record that is said to be durable, and is on its way.
    fn behind(&self, entry: journal::Entry, span: Duration) {
        let until = self.clock.now() + span;
        let is_there = self.under.is_none().then_some(until);
        let number = self.enter(&entry, is_there, false);
        if self.under.is_some() {
            let journal = self.clone();
            drop(self.drain.spawn(async move {
                journal.clock.sleep_until(until).await;
                journal.put(number, entry).await
            }));
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Durable,
    Failure,
    Panic,
}

impl Recorder for Journal {
    fn is_durable(&self) -> bool {
        true
    }

    fn begin(&self) -> Number {
        if let Some((_, recorder)) = &self.under {
            return recorder.begin();
        }
        let mut state = self.state();
        state.numbers += 1;
        Number(state.numbers)
    }

    fn append(&self, entry: journal::Entry) -> Option<Appending> {
        let kind = kind_of(&entry.change);
        if !self.goes_on(Step::Append(kind)) {
            return Some(Box::pin(std::future::pending()));
        }
        match self.fate(kind) {
            Disk::Ready if self.under.is_none() => {
                self.enter(&entry, Some(self.clock.now()), false);
                None
            }
            Disk::Ready => {
                let journal = self.clone();
                let number = self.enter(&entry, None, false);
                Some(Box::pin(async move { journal.put(number, entry).await }))
            }
            Disk::Slow(span) => Some(self.later(entry, span, End::Durable)),
            Disk::Fails(span) => Some(self.later(entry, span, End::Failure)),
            Disk::PanicsAfter(span) => Some(self.later(entry, span, End::Panic)),
            Disk::Panics => {
                self.enter(&entry, None, true);
                drop(self.begin_to_put(entry));
                resume_unwind(Box::new("the journal panics"))
            }
            Disk::Lies(span) => {
                self.behind(entry, span);
                None
            }
        }
    }

    fn answer(&self, place: Place) -> Reading {
        if let Some((_, recorder)) = &self.under {
            return recorder.answer(place);
        }
        let durable = |entry: &Entry| entry.written.place == place && entry.durable_at.is_some();
        let entry = self.entries().into_iter().find(durable);
        let sealed = entry.and_then(|entry| answer_of(&entry.written.change).cloned());
        let read = match self.state().reads {
            Reads::Work => Ok(sealed),
            Reads::Fail => Err(ReadError::Down),
            Reads::Spoil => Err(ReadError::Damaged),
            Reads::Lie => Ok(sealed.map(|_| Sealed(Bytes::from_static(b"nothing")))),
            Reads::Drop => Ok(None),
            Reads::Slow(span) => {
                let (clock, until) = (self.clock, self.clock.now() + span);
                return Box::pin(async move {
                    clock.sleep_until(until).await;
                    Ok(sealed)
                });
            }
        };
        Box::pin(std::future::ready(read))
    }

    fn may_start(&self) -> Result<(), Refusal> {
        match &self.under {
            Some((_, recorder)) => recorder.may_start(),
            None => self.state().may_start,
        }
    }
}

fn answer_of(change: &Change) -> Option<&Sealed> {
    match change {
        Change::Candidate(sealed) | Change::Completed(sealed) => sealed.as_ref(),
        Change::Submitted(_)
        | Change::Resubmitted(_)
        | Change::Accepted(_)
        | Change::Delivered
        | Change::InDoubt(_)
        | Change::Withdrawn
        | Change::Refused
        | Change::Closed(_) => None,
    }
}

fn kind_of(change: &Change) -> RecordKind {
    match change {
        Change::Submitted(_) => RecordKind::Submitted,
        Change::Resubmitted(_) => RecordKind::Resubmitted,
        Change::Accepted(_) => RecordKind::Accepted,
        Change::Candidate(Some(_)) => RecordKind::Candidate,
        Change::Candidate(None) => RecordKind::TakenBack,
        Change::Completed(_) => RecordKind::Completed,
        Change::Delivered => RecordKind::Delivered,
        Change::InDoubt(_) => RecordKind::InDoubt,
        Change::Withdrawn => RecordKind::Withdrawn,
        Change::Refused => RecordKind::Refused,
        Change::Closed(_) => RecordKind::Closed,
    }
}

fn begun(entry: &journal::Entry) -> Remembered {
    let Change::Submitted(head) = &entry.change else {
        panic!("an exchange begins with its submit");
    };
    Remembered {
        number: entry.place.number,
        next_step: entry.place.step + 1,
        head: (**head).clone(),
        submitted: entry.stamp,
        changed: entry.stamp,
        last_record: LastRecord::Submitted,
        resubmits: 0,
        ticket: None,
        candidate: None,
        answer: None,
        ruled: None,
        closed_because: None,
    }
}

fn follow(remembered: &mut Remembered, entry: &journal::Entry) {
    assert!(entry.place.step >= remembered.next_step, "steps ascend");
    remembered.next_step = entry.place.step + 1;
    remembered.changed = entry.stamp;
    if let Change::Closed(reason) = &entry.change {
        remembered.closed_because.clone_from(reason);
    }
    if let Change::InDoubt(doubt) = &entry.change
        && doubt.reason.is_some()
    {
        remembered.ruled = Some(doubt.clone());
    }
    remembered.last_record = match &entry.change {
        Change::Submitted(_) => panic!("an exchange begins once"),
        Change::Resubmitted(number) => {
            remembered.resubmits = *number;
            LastRecord::Submitted
        }
        Change::Accepted(task) => {
            let is_same = remembered.ticket.as_ref() == Some(task);
            remembered.candidate = remembered.candidate.filter(|_| is_same);
            remembered.ticket = Some(task.clone());
            LastRecord::Accepted
        }
        Change::Candidate(answer) => {
            remembered.candidate = answer.as_ref().map(|_| entry.place);
            LastRecord::Accepted
        }
        Change::Completed(_) => {
            (remembered.candidate, remembered.answer) = (None, Some(entry.place));
            LastRecord::Completed
        }
        Change::Delivered => LastRecord::Delivered,
        Change::InDoubt(doubt) => LastRecord::InDoubt(doubt.clone()),
        Change::Withdrawn | Change::Refused | Change::Closed(_) => LastRecord::Ended,
    };
}
