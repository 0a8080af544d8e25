//! Runs a flight to its end: waits for whatever happens next, and survives a panic of its own.
use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use futures_util::FutureExt;
use tokio::sync::oneshot;
use tokio::time::Sleep;

use crate::exchange::calls::{self, Call, Report};
use crate::exchange::context::Context;
use crate::exchange::flights::{Answer, Command, Entrance, Flight, Told};
use crate::exchange::machine::{Actions, Event, RecordKind, State, Timer};
use crate::exchange::order::{Credentials, Submission};
use crate::exchange::recorder::{Appending, RecordError};
use crate::exchange::verdict::VerdictError;
use crate::polling::{DuePoll, Waiting};
use crate::timing::{GRID, Moment, stood_still};

/// Runs a flight to its end. A panic of its driver is caught here, wherever it comes from, turned
/// into `DriverLost`, and the flight goes on with a driver that has nothing at hand: its entry in
/// the map stays.
pub(in crate::exchange) async fn supervise(
    context: Arc<Context>,
    flight: Arc<Flight>,
    first: Actions<Answer>,
    brought: Option<(Box<Submission>, Box<Credentials>)>,
) {
    let mut driver = Driver::new(context, flight);
    (driver.submission, driver.credentials) = brought.unzip();
    if catch_unwind(AssertUnwindSafe(|| driver.enact(first))).is_err() {
        driver = driver.reborn();
    }
    while AssertUnwindSafe(driver.run()).catch_unwind().await.is_err() {
        driver = driver.reborn();
    }
}

pub(super) struct Driver {
    pub(super) context: Arc<Context>,
    pub(super) flight: Arc<Flight>,
    pub(super) submission: Option<Box<Submission>>,
    pub(super) credentials: Option<Box<Credentials>>,
    pub(super) calls: Vec<Call>,
    pub(super) recording: Option<(RecordKind, Appending)>,
    /// Who is told when the operator's verdict is on record.
    pub(super) ruling: Option<oneshot::Sender<Result<(), VerdictError>>>,
    /// What came while a record was on its way to the disk, and waits for it.
    pub(super) deferred: VecDeque<Command>,
    /// What the requests bring that wait until what an earlier process kept is open: they are equal, so
    /// one of them is enough.
    pub(super) at_the_door: Option<Box<Entrance>>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// When a timer was due over which the process stood still, and when it counts.
    overdue: Option<(Moment, Moment)>,
    /// The place of its poll among those that are due, where the gateway takes no more now.
    pub(super) waiting: Option<Box<Waiting>>,
    /// It was let go.
    pub(super) is_over: bool,
}

/// One thing that happened.
pub(super) enum Happening {
    Recorded(RecordKind, Result<(), RecordError>),
    Reported(Report),
    Posted(Command),
    Woken(Timer),
}

impl Driver {
    fn new(context: Arc<Context>, flight: Arc<Flight>) -> Self {
        Self {
            context,
            flight,
            submission: None,
            credentials: None,
            calls: Vec::new(),
            recording: None,
            ruling: None,
            deferred: VecDeque::new(),
            at_the_door: None,
            sleep: None,
            overdue: None,
            waiting: None,
            is_over: false,
        }
    }

    /// The driver after a panic of this one. What was under way is gone; whether a byte had left is
    /// told by the latch that is set before the first one.
    fn reborn(self) -> Self {
        tracing::error!(exchange = %self.flight.id, "the exchange's driver panicked");
        let mut next = Self::new(Arc::clone(&self.context), Arc::clone(&self.flight));
        next.deferred = self.deferred;
        drop((self.calls, self.recording));
        if self.at_the_door.is_some() {
            next.flight.core().tell(&Told::AsItStands);
        }
        // Should this panic once more, the machine knows of the loss already, and that is enough:
        // trying again could go on for ever.
        let _ = catch_unwind(AssertUnwindSafe(|| next.lose()));
        next
    }

    fn lose(&mut self) {
        if self.flight.may_have_been_sent() && self.state() == State::Connecting {
            self.apply(Event::HandedOver);
        }
        self.apply(Event::DriverLost);
    }

    /// Runs until the flight is over. One may have ended before anything else happens: its first
    /// actions, or the loss of the driver before this one, may have brought it to its end.
    async fn run(&mut self) {
        while !self.is_over {
            if self.has_ended() && self.context.retire(&self.flight, self.now()) {
                return;
            }
            let happening = poll_fn(|context| self.poll_next(context)).await;
            self.take(happening);
        }
    }

    pub(super) fn now(&self) -> Moment {
        self.context.clock.now()
    }

    pub(super) fn state(&self) -> State {
        self.flight.core().machine.state()
    }

    fn has_ended(&self) -> bool {
        matches!(self.state(), State::Delivered | State::Ended) && self.deferred.is_empty()
    }

    /// The next thing that happened: while a record is on its way, only the record itself and who
    /// joins; else answers before messages before timers.
    fn poll_next(&mut self, context: &mut TaskContext<'_>) -> Poll<Happening> {
        if let Some((kind, appending)) = &mut self.recording {
            let kind = *kind;
            if let Poll::Ready(result) = appending.as_mut().poll(context) {
                self.recording = None;
                return Poll::Ready(Happening::Recorded(kind, result));
            }
            return self.poll_urgent(context);
        }
        if let Some(report) = calls::poll_any(&mut self.calls, context) {
            return Poll::Ready(Happening::Reported(report));
        }
        if let Some(command) = self.deferred.pop_front() {
            return Poll::Ready(Happening::Posted(command));
        }
        if let Poll::Ready(command) = self.flight.mailbox.poll_next(context) {
            return Poll::Ready(Happening::Posted(command));
        }
        self.poll_timer(context).map(Happening::Woken)
    }

    fn poll_urgent(&mut self, context: &mut TaskContext<'_>) -> Poll<Happening> {
        while let Poll::Ready(command) = self.flight.mailbox.poll_next(context) {
            match command {
                Command::Join(_) | Command::Event(_) | Command::Stop => {
                    return Poll::Ready(Happening::Posted(command));
                }
                Command::Settled { .. } | Command::TaskAnswered(_) | Command::Rule(_) => {
                    self.deferred.push_back(command);
                }
            }
        }
        Poll::Pending
    }

    fn poll_timer(&mut self, context: &mut TaskContext<'_>) -> Poll<Timer> {
        let Some((mut moment, timer)) = self.flight.core().machine.timer() else {
            return Poll::Pending;
        };
        let clock = self.context.clock;
        if moment <= clock.now() {
            match self.turn(moment, timer, context) {
                None => return Poll::Ready(timer),
                Some(later) => moment = later,
            }
        } else {
            // The poll that waited for its turn is due later now.
            self.waiting = None;
        }
        let deadline = clock.instant(moment);
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(context).map(|()| timer)
    }

    /// When what was due at `moment` has its turn; `None` for now.
    fn turn(&mut self, moment: Moment, timer: Timer, context: &TaskContext<'_>) -> Option<Moment> {
        if timer != Timer::Poll {
            return self.after_what_came(moment);
        }
        let due = DuePoll {
            since: moment,
            hold_until: self.flight.core().machine.hold_until(),
        };
        let (schedules, name) = (&self.context.schedules, self.flight.gateway_name());
        let (now, waker) = (self.context.clock.now(), context.waker());
        schedules.turn(name, due, &mut self.waiting, now, waker)
    }

    /// When the timer counts that was due at `due`; `None` for now. Where the process stood still over it, an
    /// answer that is awaited may have come and is read before.
    fn after_what_came(&mut self, due: Moment) -> Option<Moment> {
        let now = self.now();
        if self.calls.is_empty() || stood_still(due, now).is_none() {
            return None;
        }
        let known = self.overdue.filter(|(of, _)| *of == due);
        let (_, counts) = *self.overdue.insert(known.unwrap_or((due, now + GRID)));
        (now < counts).then_some(counts)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::uri::PathAndQuery;
    use http::{HeaderMap, HeaderValue, header};
    use smallvec::smallvec;

    use super::*;
    use crate::drain::Drain;
    use crate::exchange::flights::flight;
    use crate::exchange::machine::{Action, terms};
    use crate::exchange::recorder::InMemory;
    use crate::exchange::{Config, Flights, HashKey, Metrics, Parts};
    use crate::polling::{self, Schedules};
    use crate::results::{self, Results};
    use crate::timing::{Clock, Stamp, Stamps};

    fn context() -> Arc<Context> {
        let (config, clock) = (Config::default(), Clock::start());
        let booted = Stamp {
            wall: 0,
            since_boot: 0,
            boot: 1,
        };
        let polling = polling::Config::default();
        let flights = Flights::new(Parts {
            schedules: Schedules::new(polling, config.reclaim, polling::Metrics::default()),
            config,
            policy: (*terms(0).policy).clone(),
            hash_key: HashKey::from([7; 32]),
            clock,
            stamps: Stamps::new(clock, booted),
            drain: Drain::new(),
            recorder: Arc::new(InMemory),
            results: Arc::new(Results::new(results::Config::default())),
            metrics: Metrics::default(),
        });
        flights.0
    }

    #[tokio::test]
    async fn what_the_machine_needs_no_more_is_at_hand_no_more() {
        let mut fields = HeaderMap::new();
        let secret = HeaderValue::from_static("Basic MzYxOmE=");
        fields.insert(header::AUTHORIZATION, secret);
        let mut driver = Driver::new(context(), flight(1));
        driver.credentials = Credentials::of(&fields, &[]).map(Box::new);
        driver.submission = Some(Box::new(Submission {
            path: PathAndQuery::from_static("/"),
            fields,
            body: Bytes::from_static(b"4200000000000000"),
        }));
        driver.enact(smallvec![Action::DropBody]);
        assert!(driver.submission.is_none() && driver.credentials.is_some());
        driver.enact(smallvec![Action::DropCredentials]);
        assert!(driver.credentials.is_none());
    }
}
