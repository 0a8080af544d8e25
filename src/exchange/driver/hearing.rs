//! What happened to a flight, as events for its machine.
use super::running::{Driver, Happening};
use crate::exchange::calls::{self, Report};
use crate::exchange::flights::{Answer, Command};
use crate::exchange::machine::{Event, Polled, State};
use crate::exchange::recorder::RecordError;
use crate::exchange::telling::{Heard, What};
use crate::upstream::{self, Sent};

impl Driver {
    pub(super) fn take(&mut self, happening: Happening) {
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
            self.flight
                .note(What::NotDelivered, self.context.stamps.now());
        }
    }

    /// Another exchange's poll of our task ended. That it was lost matters where we wait for it, and of a task
    /// that was given up the result alone counts.
    fn task_answered(&mut self, answer: Option<Polled<Answer>>) {
        let state = self.state();
        match answer {
            Some(answer) if matches!(state, State::Waiting | State::Polling) => {
                self.apply(Event::AnsweredElsewhere(answer));
            }
            Some(Polled::Firm(_)) => self.take_what_was_read(),
            None if state == State::Polling => self.apply(Event::PollLost),
            Some(_) | None => {}
        }
    }

    fn reported(&mut self, report: Report) {
        match report {
            Report::HandedOver(submit) => {
                self.apply(Event::HandedOver);
                self.calls
                    .push(calls::await_answer(&self.context, &self.flight, submit));
            }
            Report::ConnectFailed(error) => self.connect_failed(&error),
            Report::Event(event) => self.apply(event),
            Report::Opened(read) => self.opened(read),
        }
    }

    /// No whole submit left. Where a part of it may have, its answer is lost: none can come.
    fn connect_failed(&mut self, error: &upstream::Error) {
        let cause = error.cause;
        self.flight.core().connect_failure = Some(cause);
        tracing::debug!(exchange = %self.flight.id, %error, "no connection for the submit");
        match error.sent {
            Sent::Never => {
                let passing = cause.is_passing();
                self.apply(Event::ConnectFailed { passing });
            }
            Sent::Maybe => {
                self.apply(Event::HandedOver);
                self.flight.hear(Heard::Failed(cause));
                self.apply(Event::SubmitLost(calls::loss(cause)));
            }
        }
    }
}
