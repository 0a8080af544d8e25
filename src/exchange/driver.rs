//! The driver: feeds a flight's machine with what happens, and does what the machine says.
use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context as TaskContext, Poll};

use futures_util::FutureExt;
use tokio::sync::oneshot;
use tokio::time::Sleep;

use super::calls;
use super::calls::{Call, CallKind, Report};
use super::context::Context;
use super::flights::{Answer, Command, Entrance, Flight, Told};
use super::machine::{Action, Actions, Event, Outcome, Polled, Record, RecordKind, State, Timer};
use super::order::{Credentials, Submission};
use super::recorder::{Appending, RecordError};
use super::telling::{Heard, What, journey, noting};
use super::verdict::VerdictError;
use crate::polling::{DuePoll, Waiting};
use crate::protocol::RequestId;
use crate::timing::Moment;
use crate::upstream::Sent;

/// Runs a flight to its end. A panic of its driver is caught here, wherever it comes from, turned
/// into `DriverLost`, and the flight goes on with a driver that has nothing at hand: its entry in
/// the map stays.
pub(super) async fn supervise(
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
    /// The place of its poll among those that are due, where the gateway takes no more now.
    waiting: Option<Box<Waiting>>,
    /// It was let go.
    pub(super) is_over: bool,
}

/// One thing that happened.
enum Happening {
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

    fn now(&self) -> Moment {
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

    /// When what was due at `moment` has its turn; `None` for now. Only polls wait for it.
    fn turn(&mut self, moment: Moment, timer: Timer, context: &TaskContext<'_>) -> Option<Moment> {
        if timer != Timer::Poll {
            return None;
        }
        let due = DuePoll {
            since: moment,
            held_until: self.flight.core().machine.hold_until(),
        };
        let (schedules, name) = (&self.context.schedules, self.flight.gateway_name());
        let (now, waker) = (self.context.clock.now(), context.waker());
        schedules.turn(name, due, &mut self.waiting, now, waker)
    }

    fn take(&mut self, happening: Happening) {
        match happening {
            Happening::Recorded(kind, result) => {
                self.apply(match result {
                    Ok(()) => Event::Recorded(kind),
                    Err(RecordError) => Event::RecordFailed(kind),
                });
                self.ruled(result);
            }
            Happening::Woken(timer) => self.apply(Event::Timer(timer)),
            Happening::Reported(report) => self.reported(report),
            Happening::Posted(command) => self.posted(command),
        }
    }

    fn posted(&mut self, command: Command) {
        match command {
            Command::Join(join) => self.join(*join),
            Command::Settled { waiter, delivered } => self.settled(waiter, delivered),
            Command::Event(event) => self.apply(*event),
            Command::TaskAnswered(answer) => self.task_answered(answer.map(|it| *it)),
            Command::Rule(ruling) => self.rule(*ruling),
            Command::Stop => self.stop(),
        }
    }

    fn settled(&mut self, waiter: u64, delivered: bool) {
        let is_last = self.flight.core().last_joined == waiter;
        if delivered && is_last && self.state() == State::Undelivered {
            self.apply(Event::Acknowledged);
        } else if !delivered {
            self.flight.note(What::NotDelivered, self.now());
        }
    }

    /// Another exchange's poll of our task ended. That it was lost matters where we wait for it.
    fn task_answered(&mut self, answer: Option<Polled<Answer>>) {
        let state = self.state();
        match answer {
            Some(answer) if matches!(state, State::Waiting | State::Polling) => {
                self.apply(Event::AnsweredElsewhere(answer));
            }
            None if state == State::Polling => self.apply(Event::PollLost),
            Some(_) | None => {}
        }
    }

    /// In a stop the polls may be over before our next one is due. What another exchange of our task has
    /// read needs none: it came before we were accepted, or before anybody brought the credentials that
    /// keep it.
    fn take_what_was_read(&mut self) {
        let task = self.flight.core().result_key;
        let read = task.and_then(|task| self.context.table().answer_of(&task));
        if let Some(answer) = read {
            self.apply(Event::AnsweredElsewhere(Polled::Firm(answer)));
        }
    }

    fn reported(&mut self, report: Report) {
        match report {
            Report::HandedOver(submit) => {
                self.apply(Event::HandedOver);
                self.calls
                    .push(calls::await_answer(&self.context, &self.flight, submit));
            }
            Report::ConnectFailed(error) => {
                let passing = error.cause.is_passing();
                let cause = error.cause;
                self.flight.core().connect_failure = Some(cause);
                tracing::debug!(exchange = %self.flight.id, %error, "no connection for the submit");
                match error.sent {
                    Sent::Never => self.apply(Event::ConnectFailed { passing }),
                    Sent::Maybe => {
                        self.apply(Event::HandedOver);
                        self.flight.hear(Heard::Failed(cause));
                        self.apply(Event::SubmitLost(calls::loss(cause)));
                    }
                }
            }
            Report::Event(event) => self.apply(event),
            Report::Opened(read) => self.opened(read),
        }
    }

    /// Feeds the machine with an event, and with those that follow at once from its actions.
    pub(super) fn apply(&mut self, event: Event<Answer>) {
        let now = self.now();
        let actions = {
            let mut core = self.flight.core();
            self.context
                .note_event(&self.flight, &mut core, &event, now);
            let strays = core.strays();
            let actions = core.machine.on(event, now);
            self.context.count_strays(&core, strays);
            actions
        };
        self.enact(actions);
    }

    fn enact(&mut self, actions: Actions<Answer>) {
        for action in actions {
            self.perform(action);
        }
        if self.waiting.is_some() && self.state() != State::Waiting {
            self.waiting = None;
        }
        if self.flight.core().machine.waits_in_a_stop() {
            self.take_what_was_read();
        }
        self.context.note_rest(&self.flight);
    }

    fn perform(&mut self, action: Action<Answer>) {
        match action {
            Action::Record(record) => self.record(&record),
            Action::Note(record) => self.note(&record),
            Action::Connect => {
                let Some(submission) = &self.submission else {
                    return self.fail("no body for a submit");
                };
                let request = submission.to_request();
                let Some(call) = calls::submit(&self.context, &self.flight, request) else {
                    return self.fail("no gateway for a submit");
                };
                self.calls.push(call);
            }
            Action::Poll => self.poll(),
            Action::Lookup => {
                let Some(credentials) = &self.credentials else {
                    return self.fail("no credentials for a lookup");
                };
                let call = calls::lookup(&self.context, &self.flight, credentials.clone());
                self.calls.push(call);
            }
            Action::Abandon => self.calls.retain(|call| match call.kind {
                CallKind::Connect | CallKind::Lookup => false,
                CallKind::Submit | CallKind::Poll | CallKind::Open => true,
            }),
            Action::DropBody => self.submission = None,
            Action::DropCredentials => self.credentials = None,
            Action::Finish(outcome) => self.finish(&outcome),
            Action::Give => self.give(),
            Action::Renew => self.flight.core().tell(&Told::Renew),
            Action::WarnExpired => journey::warn_expired(&self.context, &self.flight),
        }
    }

    /// Makes a record before anything else is done. In memory it is made at once, so the machine
    /// goes on in the same turn.
    fn record(&mut self, record: &Record<Answer>) {
        if let Record::Accepted(id) = record {
            self.enter_task(id);
        }
        match self.append(record) {
            Some(appending) => self.recording = Some((record.kind(), appending)),
            None => self.apply(Event::Recorded(record.kind())),
        }
    }

    pub(super) fn note(&self, record: &Record<Answer>) {
        if let Some(appending) = self.append(record) {
            let note = calls::note(self.flight.id, appending);
            drop(self.context.drain.spawn(note));
        }
    }

    fn append(&self, record: &Record<Answer>) -> Option<Appending> {
        let credentials = self.credentials.as_deref();
        self.context.append(&self.flight, record, credentials)
    }

    fn enter_task(&mut self, id: &RequestId) {
        let key = self.context.result_key(&self.flight, Some(id));
        let before = self.flight.core().result_key.replace(key);
        if before != Some(key) {
            let mut table = self.context.table();
            // A repeat of the submit may have made another task; answers to the first are not ours.
            if let Some(before) = before {
                table.leave_task(&before, &self.flight);
                // Who ended before left its answer pinned for those that were still there.
                if !table.by_task.contains_key(&before) {
                    self.context.results.release(&before, self.now());
                }
            }
            table.enter_task(key, &self.flight);
        }
        journey::tell_accepted(&self.flight, id);
    }

    /// Asks for the result, unless another exchange with the same task is asking: its answer comes
    /// to us as well.
    fn poll(&mut self) {
        let Some(credentials) = &self.credentials else {
            return self.fail("no credentials for a poll");
        };
        match calls::poll(&self.context, &self.flight, credentials) {
            Ok(call) => self.calls.extend(call),
            Err(why) => self.fail(why),
        }
    }

    /// The machine asked for what is not at hand: a fault of ours. Nothing would ever wake the
    /// exchange again, so it goes on as if its driver had been lost.
    fn fail(&mut self, why: &'static str) {
        tracing::error!(exchange = %self.flight.id, why, "the exchange's driver cannot go on");
        self.apply(Event::DriverLost);
    }

    fn finish(&mut self, outcome: &Outcome<Answer>) {
        let told = match outcome {
            Outcome::Completed(answer) => {
                self.keep(answer);
                Told::Answer {
                    answer: Arc::clone(answer),
                    // Who is at the door came when it had ended.
                    replayed: self.at_the_door.is_some(),
                }
            }
            Outcome::Refused(answer) => Told::Refused(Arc::clone(answer)),
            Outcome::NotSubmitted(why) => Told::NotSubmitted {
                why: *why,
                cause: self.flight.core().connect_failure,
            },
            Outcome::InDoubt(doubt) => Told::InDoubt(*doubt),
            Outcome::Expired => Told::Expired,
        };
        // An earlier process told of what it ended.
        let is_news = !matches!(told, Told::Answer { replayed: true, .. });
        self.flight.note_told(noting::ending(outcome), self.now());
        self.tell(told);
        if !self.flight.counted.swap(true, Ordering::AcqRel) {
            journey::count_outcome(&self.context, &self.flight, outcome);
            // It may take a millisecond, and nobody waits for it.
            self.context.learn_duration(&self.flight, outcome);
        }
        if is_news {
            journey::tell_outcome(&self.context, &self.flight, outcome);
        }
    }

    /// Tells every waiter, and keeps what was told for those that come later.
    fn tell(&self, told: Told) {
        let mut core = self.flight.core();
        core.tell(&told);
        core.told = Some(match told {
            Told::Answer { answer, .. } => Told::Answer {
                answer,
                replayed: true,
            },
            other => other,
        });
    }

    fn keep(&self, answer: &Answer) {
        let existing = self.flight.core().result_key;
        let key = existing.unwrap_or_else(|| self.context.result_key(&self.flight, None));
        self.flight.core().result_key = Some(key);
        self.context.results.pin(key, Arc::clone(answer));
        self.context.claim_answer(&self.flight, answer);
    }

    fn give(&mut self) {
        self.flight.note_given(self.now());
        let mut core = self.flight.core();
        if let Some(told) = core.told.clone() {
            if matches!(told, Told::Answer { .. }) {
                self.context.metrics.replayed();
            }
            core.tell(&told);
        }
    }
}
