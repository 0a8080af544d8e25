//! How a request joins a flight: what it brings is taken, and what an earlier process kept is opened
//! with it before the machine knows of it.
use super::running::Driver;
use crate::exchange::calls;
use crate::exchange::flights::{Answer, Entrance, Join, Told};
use crate::exchange::machine::{Event, Polled, State};
use crate::exchange::on_disk::Unopened;
use crate::exchange::order::{Credentials, Submission};
use crate::exchange::telling::What;

impl Driver {
    pub(super) fn join(&mut self, join: Join) {
        if self.state() == State::Ended {
            // The outcome was told before this request came; it asks for a new exchange.
            let _ = join.waiter.tell.send(Told::Renew);
            return;
        }
        let sealed_step = {
            let mut core = self.flight.core();
            core.admit(join.waiter);
            core.sealed_step
        };
        match sealed_step {
            None => self.let_in(join.entrance),
            Some(step) => self.knock(step, join.entrance),
        }
    }

    /// Before anybody is let in, what is kept is opened: a poll could spend what the gateway gives
    /// once, and a repeat is given what the first was to have.
    fn knock(&mut self, step: u32, mut entrance: Entrance) {
        if let Some(before) = &self.at_the_door {
            entrance.hold_until = entrance.hold_until.max(before.hold_until);
        } else {
            let credentials = &entrance.credentials;
            let call = calls::open(&self.context, &self.flight, step, credentials);
            self.calls.push(call);
        }
        self.at_the_door = Some(Box::new(entrance));
    }

    pub(super) fn opened(&mut self, read: Result<Answer, Unopened>) {
        let event = match read {
            Ok(answer) => Event::Opened(answer),
            // Nobody can say what it was; the next repeat tries again.
            Err(Unopened::Down) => {
                self.at_the_door = None;
                self.flight.core().tell(&Told::AsItStands);
                return;
            }
            Err(Unopened::Gone | Unopened::Broken) => Event::SealBroken,
        };
        self.flight.core().sealed_step = None;
        let wants_it = match self.state() {
            State::Waiting | State::Undelivered | State::Doubtful => true,
            State::Recording(_)
            | State::Connecting
            | State::Submitting
            | State::Polling
            | State::Asking
            | State::Delivered
            | State::Ended => false,
        };
        if wants_it {
            self.apply(event);
        }
        if let Some(entrance) = self.at_the_door.take() {
            self.let_in(*entrance);
        }
    }

    fn let_in(&mut self, entrance: Entrance) {
        let Entrance {
            hold_until,
            facts,
            submission,
            credentials,
        } = entrance;
        self.flight.bring(facts);
        match self.state() {
            State::Asking | State::Doubtful => {
                self.submission = Some(self.under_our_key(submission));
                self.go_on_with(credentials);
                if let Some(answer) = self.read_elsewhere() {
                    self.flight.note(What::Joined, self.context.stamps.now());
                    self.apply(Event::AnsweredElsewhere(Polled::Firm(answer)));
                    return;
                }
            }
            State::Waiting => self.go_on_with(credentials),
            State::Recording(_)
            | State::Connecting
            | State::Submitting
            | State::Polling
            | State::Undelivered
            | State::Delivered
            | State::Ended => {}
        }
        self.apply(Event::Joined { hold_until });
    }

    fn go_on_with(&mut self, credentials: Box<Credentials>) {
        self.flight.core().trace = credentials.trace();
        self.credentials = Some(credentials);
    }

    /// The submission of a repeat under this exchange's own key. A client that gives none has a fresh
    /// one made for each request, and a submit under another key is another payment.
    fn under_our_key(&self, mut submission: Box<Submission>) -> Box<Submission> {
        let field = self.flight.profile().key_field.clone();
        let key = self.flight.key.value.clone();
        submission.fields.insert(field, key);
        submission
    }
}
