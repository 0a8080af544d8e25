//! The model around one exchange: its driver with what is under way, the disk, the clients, and time.
use std::time::Duration;

use super::super::{
    Action, Actions, Begun, Event, Machine, Outcome, Polled, Record, RecordKind, Standing, State,
    Submitted,
};
use super::chance::{Disturbance, Plan};
use super::gateway::{Answer, Gateway};
use super::ledger::Ledger;
use super::mutants::Mutant;
use super::restart::Disk;
use super::story::{POLL, recorded_terms};
use crate::protocol::RequestId;
use crate::timing::Moment;

pub(super) const HOLD: Duration = Duration::from_secs(30);

/// A submit whose bytes left.
#[derive(Clone, Debug)]
pub(super) enum Submit {
    /// The gateway has not seen it.
    OnItsWay,
    /// The gateway has answered.
    Answered(Submitted<Answer>),
    /// Its connection ended.
    Broken,
    /// The driver that waited for it died; it may still arrive.
    Orphan,
}

/// A poll under way.
#[derive(Clone, Debug)]
pub(super) struct Poll {
    pub(super) id: RequestId,
    pub(super) ends: Moment,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each tells of another thing that is under way or at hand"
)]
/// One exchange and all that is around it.
pub(super) struct World {
    pub(super) now: Moment,
    pub(super) machine: Machine<Answer>,
    pub(super) gateway: Gateway,
    pub(super) ledger: Ledger,
    /// What was done, if anybody wants to read it.
    pub(super) trace: Option<Vec<String>>,
    pub(super) mutant: Mutant,
    pub(super) explicit_key: bool,
    pub(super) tracking_id: bool,

    pub(super) record: Option<Record<Answer>>,
    pub(super) disk: Disk,
    /// What stands on disk of an answer, until a repeat opens it.
    pub(super) sealed: Option<Answer>,
    pub(super) seal_is_broken: bool,
    /// How often the process may end at once, and another begin.
    pub(super) crashes: u32,
    pub(super) connecting: bool,
    pub(super) submits: Vec<Submit>,
    pub(super) poll: Option<Poll>,
    pub(super) looking: bool,
    /// The result of a task that another exchange has read.
    pub(super) read_elsewhere: Option<(RequestId, Answer)>,
    pub(super) body: bool,
    pub(super) credentials: bool,

    /// Until when each waiter is held.
    pub(super) waiters: Vec<Moment>,
    /// True while the client that joined last is reading the answer.
    pub(super) reader: bool,
    pub(super) began_at: Moment,
    pub(super) joined_at: Moment,
    pub(super) drained: Option<Moment>,
    pub(super) polled_pending: bool,
    pub(super) disturbances: Vec<Disturbance>,
    /// `submit.resubmits`, as it is in force now.
    pub(super) stated_resubmits: u32,
}

impl World {
    pub(super) fn new(plan: &Plan, mutant: Mutant) -> Self {
        let now = Moment::START;
        let terms = recorded_terms(plan.resubmits, plan.durable);
        let begun = Begun {
            explicit_key: plan.explicit_key,
            has_tracking_id: plan.tracking_id,
            read_at: now,
            hold_until: now + HOLD,
        };
        let (machine, actions) = Machine::start(terms, begun, 7);
        let mut world = Self {
            now,
            machine,
            gateway: Gateway::new(plan.gateway),
            ledger: Ledger::default(),
            trace: None,
            mutant,
            explicit_key: plan.explicit_key,
            tracking_id: plan.tracking_id,
            record: None,
            disk: Disk::default(),
            sealed: None,
            seal_is_broken: plan.disturbances.contains(&Disturbance::BrokenSeal),
            crashes: if plan.durable { plan.crashes } else { 0 },
            connecting: false,
            submits: Vec::new(),
            poll: None,
            looking: false,
            read_elsewhere: None,
            body: true,
            credentials: true,
            waiters: vec![now + HOLD],
            reader: false,
            began_at: now,
            joined_at: now,
            drained: None,
            polled_pending: false,
            disturbances: plan.disturbances.clone(),
            stated_resubmits: plan.resubmits,
        };
        world.act(actions);
        world
    }

    /// True once the process has stopped: its drain is over.
    pub(super) fn is_over(&self) -> bool {
        self.drained.is_some_and(|until| self.now > until)
    }

    /// True while all events but a few wait for the disk.
    pub(super) fn is_recording(&self) -> bool {
        matches!(self.machine.state(), State::Recording(_))
    }

    /// True in a state that is left by a client, the operator or the retention only.
    pub(super) fn rests(&self) -> bool {
        matches!(
            self.machine.state(),
            State::Doubtful | State::Undelivered | State::Delivered | State::Ended
        ) || self.waits_for_repeat()
    }

    /// True while a task is known and nobody is there to ask for it.
    pub(super) fn waits_for_repeat(&self) -> bool {
        self.machine.state() == State::Waiting && !self.machine.has_credentials
    }

    /// Tells the machine what happened and does what it says.
    pub(super) fn tell(&mut self, event: Event<Answer>) {
        let is_not_gone = matches!(
            event,
            Event::PollAnswered(Polled::Pending { .. } | Polled::Broken)
                | Event::AnsweredElsewhere(Polled::Pending { .. } | Polled::Broken)
        );
        let is_told = matches!(event, Event::AnsweredElsewhere(_));
        let is_unknown = self.hear_poll(&event);
        let event = self.mutant.before(&mut self.machine, event);
        let actions = self.machine.on(event.clone(), self.now);
        if is_not_gone {
            self.ledger.is_not_gone();
        }
        let actions = self.mutant.after(&mut self.machine, &event, actions);
        self.trace(|world| {
            let machine = &world.machine;
            let (state, timer) = (machine.state(), machine.timer());
            format!(
                "  {:?} {event:?} -> {actions:?} {state:?} {timer:?}",
                world.now
            )
        });
        let is_believed = is_unknown && self.machine.state() != State::Waiting;
        self.act(actions);
        if is_believed {
            let grace = self.machine.terms.policy.unknown_grace;
            self.ledger.believes_unknown(grace, self.now);
        }
        self.check(&event);
        if let Some(answer) = self.at_hand().filter(|_| self.credentials && !is_told) {
            self.tell(Event::AnsweredElsewhere(Polled::Firm(answer)));
        }
    }

    /// Tells the ledger what a poll brought; true if that is "unknown".
    fn hear_poll(&mut self, event: &Event<Answer>) -> bool {
        let told = match event {
            Event::PollAnswered(told) | Event::AnsweredElsewhere(told) => Some(told),
            Event::PollLost => None,
            _ => return false,
        };
        self.ledger.polled(told, self.now);
        told == Some(&Polled::Unknown)
    }

    /// The task that it was given last.
    pub(super) fn task(&self) -> Option<&RequestId> {
        let machine = &self.machine;
        machine.ticket().or(machine.lost_ticket.as_ref())
    }

    /// What another exchange has read of the task that was given up.
    fn at_hand(&self) -> Option<Answer> {
        let (task, answer) = self.read_elsewhere.as_ref()?;
        let is_sought = self.mutant != Mutant::OverlooksLateResult;
        let is_ours = self.machine.gave_task_up() && self.task() == Some(task) && is_sought;
        is_ours.then_some(*answer)
    }

    pub(super) fn trace(&mut self, line: impl Fn(&Self) -> String) {
        if self.trace.is_some() {
            let line = line(self);
            self.trace.get_or_insert_default().push(line);
        }
    }

    pub(super) fn act(&mut self, actions: Actions<Answer>) {
        for action in actions {
            match action {
                Action::Record(record) => self.begin_record(record),
                Action::Note(record) => {
                    self.ledger.notes(&record);
                    self.disk.owe(record, self.now);
                }
                Action::Connect => self.connect(),
                Action::Poll => self.begin_poll(),
                Action::Lookup => self.begin_lookup(),
                Action::Abandon => (self.connecting, self.looking) = (false, false),
                Action::DropBody => self.body = false,
                Action::DropCredentials => self.credentials = false,
                Action::Finish(outcome) => self.finish(&outcome),
                Action::Give | Action::Renew => self.give(),
                Action::WarnExpired => {}
            }
        }
    }

    fn begin_record(&mut self, record: Record<Answer>) {
        self.ledger.records(&record);
        self.record = Some(record);
    }

    fn connect(&mut self) {
        let at_hand = self.body && self.credentials;
        self.ledger
            .require(at_hand, "a submit has its body", self.body);
        self.ledger
            .require(!self.connecting, "one connection at a time", self.now);
        self.ledger.connects(self.drained.is_some());
        self.connecting = true;
    }

    fn begin_poll(&mut self) {
        self.ledger
            .require(self.credentials, "a poll has its credentials", self.now);
        let ends = self.now + POLL;
        self.ledger.polls(self.poll.is_some(), ends, self.drained);
        let id = self.machine.ticket().cloned();
        self.ledger
            .require(id.is_some(), "a poll has its ticket", self.now);
        self.poll = id.map(|id| Poll { id, ends });
    }

    fn begin_lookup(&mut self) {
        self.ledger
            .require(self.credentials, "a lookup has its credentials", self.now);
        self.ledger
            .require(!self.looking, "one lookup at a time", self.now);
        self.ledger.asks();
        self.looking = true;
    }

    fn finish(&mut self, outcome: &Outcome<Answer>) {
        self.ledger.finishes(outcome, &self.gateway);
        let given = matches!(outcome, Outcome::Completed(_));
        self.reader = given && !self.waiters.is_empty();
        self.waiters.clear();
    }

    fn give(&mut self) {
        let has_outcome = self.ledger.has_outcome();
        self.ledger
            .require(has_outcome, "only an outcome is given", self.now);
        let state = self.machine.state();
        self.reader = matches!(state, State::Undelivered | State::Delivered);
        self.waiters.clear();
    }

    /// A request comes; the driver keeps what it brings if the machine wants it.
    pub(super) fn join(&mut self) {
        let hold_until = self.now + HOLD;
        self.open_what_is_kept();
        self.waiters.push(hold_until);
        self.joined_at = self.now;
        let (body, credentials) = (self.body, self.credentials);
        (self.body, self.credentials) = (true, true);
        let at_hand = self.at_hand().map(Polled::Firm);
        self.tell(at_hand.map_or(Event::Joined { hold_until }, Event::AnsweredElsewhere));
        self.body = body || self.machine.has_body;
        self.credentials = credentials || self.machine.has_credentials;
    }

    /// The task that drives the exchange dies with all that it waited for.
    pub(super) fn lose_driver(&mut self) {
        self.ledger.driver_lost();
        (self.record, self.connecting, self.poll, self.looking) = (None, false, None, false);
        self.submits
            .retain(|submit| matches!(submit, Submit::OnItsWay | Submit::Orphan));
        self.submits.fill(Submit::Orphan);
        self.tell(Event::DriverLost);
    }

    /// The disk is done with the record under way.
    pub(super) fn end_record(&mut self, durable: bool) {
        let Some(record) = self.record.take() else {
            return;
        };
        let kind = record.kind();
        self.ledger.recorded(&record, durable);
        if durable {
            self.disk.write(record, self.now);
        } else if !matches!(kind, RecordKind::Submitted | RecordKind::Resubmitted) {
            self.disk.owe(record, self.now);
        }
        self.tell(if durable {
            Event::Recorded(kind)
        } else {
            Event::RecordFailed(kind)
        });
        if matches!(kind, RecordKind::Accepted | RecordKind::Candidate) {
            self.ledger
                .require(!self.body, "the body is dropped after acceptance", kind);
        }
    }

    /// The connection is there: the driver says so, then the first byte leaves.
    pub(super) fn hand_over(&mut self) {
        self.connecting = false;
        let in_time = self.now <= self.began_at + self.machine.terms.policy.submit_start;
        let repeats = self.machine.resubmits > 0;
        self.ledger.require(
            in_time || repeats,
            "no first submit after submit.start",
            self.now,
        );
        let resubmits = self.machine.resubmits;
        self.ledger.require(
            resubmits <= self.stated_resubmits,
            "no resubmit that the operator does not allow",
            resubmits,
        );
        self.ledger
            .hands_over(self.machine.terms.policy.resubmits, self.now);
        self.submits.push(Submit::OnItsWay);
        self.tell(Event::HandedOver);
    }

    /// Time passes, but not beyond what the driver must be awake for.
    pub(super) fn pass(&mut self, span: Duration) {
        let timer = self.machine.timer().map(|(moment, _)| moment);
        let poll = self.poll.as_ref().map(|poll| poll.ends);
        let bound = [timer, poll].into_iter().flatten().min();
        let then = self.now + span;
        self.go_to(bound.map_or(then, |bound| then.min(bound)));
    }

    /// The timer's moment comes, if the process lives until then.
    pub(super) fn wake(&mut self) {
        let Some((moment, timer)) = self.machine.timer() else {
            return;
        };
        self.go_to(moment);
        if !self.is_over() {
            self.tell(Event::Timer(timer));
        }
    }

    fn go_to(&mut self, moment: Moment) {
        self.now = self.now.max(moment);
        let held = self.waiters.len();
        self.waiters.retain(|until| *until > self.now);
        if self.waiters.len() < held && self.ledger.lost_was_told {
            let standing = self.machine.standing();
            self.ledger.require(
                standing == Standing::InDoubt,
                "a lost submit is told",
                standing,
            );
        }
    }

    /// True if what the state is named for is under way, or the time for it is set.
    fn awaits_what_comes(&self) -> bool {
        let time_is_set = self.machine.wake.is_some();
        match self.machine.state() {
            State::Recording(kind) => self.record.as_ref().map(Record::kind) == Some(kind),
            State::Connecting => self.connecting || time_is_set,
            State::Polling => self.poll.is_some(),
            State::Asking => self.looking || time_is_set,
            State::Submitting => self.machine.open_submits > 0,
            State::Waiting => {
                time_is_set || self.drained.is_some() || !self.machine.has_credentials
            }
            State::Doubtful | State::Undelivered | State::Delivered | State::Ended => true,
        }
    }

    fn counts_open_submits(&self) -> bool {
        usize::try_from(self.machine.open_submits).is_ok_and(|open| open == self.submits.len())
    }

    fn check(&mut self, event: &Event<Answer>) {
        let (state, unexpected) = (self.machine.state(), self.machine.unexpected_events());
        self.ledger
            .require(unexpected == 0, "every event is expected", (event, state));
        let awaits = self.awaits_what_comes();
        self.ledger
            .require(awaits, "what is awaited is under way", state);
        let counted = self.ledger.lost_count() || self.counts_open_submits();
        self.ledger
            .require(counted, "every open submit is counted", state);
        let told = !self.rests() || self.waiters.is_empty() || self.waits_for_repeat();
        self.ledger
            .require(told, "I13 every waiter is answered", state);
        let needs_no_body = matches!(
            state,
            State::Waiting | State::Polling | State::Undelivered | State::Delivered
        );
        let erased = !needs_no_body || !self.machine.has_body;
        self.ledger
            .require(erased, "the body is erased in time", state);
        let needs_no_credentials = matches!(state, State::Undelivered | State::Delivered);
        let erased =
            !needs_no_credentials || !self.credentials || matches!(event, Event::Joined { .. });
        self.ledger
            .require(erased, "the credentials are erased in time", state);
    }
}
