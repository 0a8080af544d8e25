//! The life of a process: it may end before any step that the world can see, and from that instant
//! on nothing of it reaches anything.
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdline::exchange::machine::RecordKind;
use holdline::timing::{Clock, Moment};
use tokio_util::sync::CancellationToken;

/// Something of a process that reaches the world, and before which it may be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// It connects to the gateway.
    Connect,
    /// Bytes of it arrive at the gateway.
    Arrive,
    /// Bytes of the gateway's answer arrive at it.
    Answer,
    /// It asks for a record.
    Append(RecordKind),
    /// It learns that the record is durable.
    Durable(RecordKind),
    /// It reads from its disk.
    DiskRead,
    /// It writes to its disk.
    DiskWrite,
    /// It asks for what it wrote to be durable.
    DiskSync,
    /// It asks for the names in a directory to be durable.
    DirectorySync,
    /// It makes a file longer or shorter.
    DiskResize,
    /// It makes, renames or removes a file.
    DiskName,
    /// It tells a client something.
    Tell,
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    /// It is killed: what it wrote to files and sockets is the kernel's.
    Killed,
    /// The machine loses its power: only what was synced is sure.
    PowerLost,
}

/// When a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doom {
    /// Not by itself.
    Never,
    /// Before its n-th step, counted from 0.
    At(u64),
    /// Before its n-th step of one kind, counted from 0.
    AtKind(Step, u64),
}

/// The end of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) at: Moment,
    pub(crate) death: Death,
    /// The step that it did not take; `None` if it died between two.
    pub(crate) before: Option<Step>,
}

/// Every step of every process of a run, in order.
pub(crate) type Chronicle = Vec<(Moment, u32, Step)>;

/// A process's life. Clones are handles on the same one.
#[derive(Clone)]
pub(crate) struct Life(Arc<Inner>);

/// It is given the life that ends: one that held it would keep it for ever.
type Hook = Box<dyn FnMut(&Life, Death) + Send>;

struct Inner {
    clock: Clock,
    /// Which process of the run it is.
    number: u32,
    ended: CancellationToken,
    doom: Doom,
    death: Death,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    steps: u64,
    of_kind: HashMap<Step, u64>,
    chronicle: Chronicle,
    ending: Option<Ending>,
    hooks: Vec<Hook>,
}

impl fmt::Debug for Life {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Life({})", self.0.number)
    }
}

impl PartialEq for Life {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Life {
    /// The life of a process that nobody kills.
    pub(crate) fn quiet(clock: Clock) -> Self {
        Self::new(clock, 0, Doom::Never, Death::Killed)
    }

    pub(crate) fn new(clock: Clock, number: u32, doom: Doom, death: Death) -> Self {
        Self(Arc::new(Inner {
            clock,
            number,
            ended: CancellationToken::new(),
            doom,
            death,
            state: Mutex::default(),
        }))
    }

    /// What is done in the instant in which the process ends.
    pub(crate) fn at_end(&self, hook: impl FnMut(&Self, Death) + Send + 'static) {
        self.state().hooks.push(Box::new(hook));
    }

    /// The process is about to take a step; false if it has ended, or ends instead.
    pub(crate) fn step(&self, step: Step) -> bool {
        if self.has_ended() {
            return false;
        }
        let is_last = {
            let mut state = self.state();
            let inner = &self.0;
            let entry = (inner.clock.now(), inner.number, step);
            state.chronicle.push(entry);
            let all = state.steps;
            state.steps += 1;
            let count = state.of_kind.entry(step).or_default();
            let of_kind = *count;
            *count += 1;
            match inner.doom {
                Doom::Never => false,
                Doom::At(n) => n == all,
                Doom::AtKind(kind, n) => kind == step && n == of_kind,
            }
        };
        if is_last {
            self.end(Some(step));
        }
        !is_last
    }

    /// Ends it now, if it has not ended.
    pub(crate) fn kill(&self) {
        if !self.has_ended() {
            self.end(None);
        }
    }

    fn end(&self, before: Option<Step>) {
        let (at, death) = (self.0.clock.now(), self.0.death);
        self.0.ended.cancel();
        let mut hooks = {
            let mut state = self.state();
            state.ending = Some(Ending { at, death, before });
            std::mem::take(&mut state.hooks)
        };
        for hook in &mut hooks {
            hook(self, death);
        }
    }

    /// True once it has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.0.ended.is_cancelled()
    }

    /// Returns when it has ended.
    pub(crate) async fn ended(&self) {
        self.0.ended.cancelled().await;
    }

    /// How it ended, if it has.
    pub(crate) fn ending(&self) -> Option<Ending> {
        self.state().ending
    }

    /// Which process of the run it is.
    pub(crate) fn number(&self) -> u32 {
        self.0.number
    }

    /// Every step that it took or died before.
    pub(crate) fn chronicle(&self) -> Chronicle {
        self.state().chronicle.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
