//! Gives the machine its events, and does what it says.
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::running::Driver;
use crate::exchange::calls::{self, CallKind};
use crate::exchange::flights::{Answer, TaskPlace, Told};
use crate::exchange::machine::{Action, Actions, Event, Machine, Outcome, Polled, Record, State};
use crate::exchange::recorder::Appending;
use crate::exchange::telling::{journey, noting};
use crate::protocol::RequestId;

impl Driver {
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

    pub(super) fn enact(&mut self, actions: Actions<Answer>) {
        for action in actions {
            self.perform(action);
        }
        if self.waiting.is_some() && self.state() != State::Waiting {
            self.waiting = None;
        }
        self.take_what_was_read();
        self.context.recount(&self.flight);
    }

    /// Takes a result that another exchange has, where we may never ask for it.
    pub(super) fn take_what_was_read(&mut self) {
        if let Some(answer) = self.read_elsewhere() {
            self.apply(Event::AnsweredElsewhere(Polled::Firm(answer)));
        }
    }

    /// The result that another exchange of the same task has: where we gave the task up, or stop. The former
    /// cannot be kept without credentials: once a doubt is on record they are gone until the client repeats.
    pub(super) fn read_elsewhere(&self) -> Option<Answer> {
        let of_given_up = self.result_of_given_up();
        of_given_up
            .filter(|_| self.credentials.is_some())
            .or_else(|| self.read_in_a_stop())
    }

    /// The result of a task that was given up, as another exchange read it, or ended with it.
    pub(super) fn result_of_given_up(&self) -> Option<Answer> {
        let place = self.task_where(Machine::gave_task_up)?;
        let read = self.context.table().answer_of(place);
        read.or_else(|| self.context.results.find(&place.result, self.now()))
    }

    /// During a stop our next poll may not be allowed. What another ended with may be a page that we have heard
    /// to be none.
    fn read_in_a_stop(&self) -> Option<Answer> {
        let place = self.task_where(Machine::waits_in_a_stop)?;
        self.context.table().answer_of(place)
    }

    /// Our place at our task, where that is true of the machine.
    fn task_where(&self, is_so: fn(&Machine<Answer>) -> bool) -> Option<TaskPlace> {
        let core = self.flight.core();
        core.place.filter(|_| is_so(&core.machine))
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
        let is_sealed = self.flight.core().sealed_step.is_some();
        // Of an answer that is not on disk nothing need be taken back there.
        if *record == Record::TakenBack && !is_sealed {
            return;
        }
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
        let place = self.context.place_at(&self.flight, id);
        let before = self.flight.core().take_place(place);
        if before != Some(place) {
            let mut table = self.context.table();
            // A repeat of the submit may have made another task; answers to the first are not ours.
            if let Some(before) = before {
                table.leave_task(&before.task, &self.flight);
                // Who ended before left its answer pinned for those that were still there.
                if !table.is_shared(before) {
                    self.context.results.release(&before.result, self.now());
                }
            }
            table.enter_task(place, &self.flight);
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
        let now = self.context.stamps.now();
        self.flight.note_told(noting::ending(outcome), now);
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
        self.context.keep_newest(&self.flight, key);
        self.context.claim_answer(&self.flight, answer);
    }

    fn give(&mut self) {
        self.flight.note_given(self.context.stamps.now());
        let mut core = self.flight.core();
        if let Some(told) = core.told.clone() {
            if matches!(told, Told::Answer { .. }) {
                self.context.metrics.replayed();
            }
            core.tell(&told);
        }
    }
}
