//! What may happen next in the model, and what does when nobody interferes.
use std::time::Duration;

use super::super::{Event, Loss, Polled, Searched, State, Submitted, Verdict};
use super::chance::{Disturbance, pick};
use super::gateway::{Fate, Reading};
use super::story::POLL;
use super::world::{Submit, World};

/// One thing that happens. Submits are told by their place among all that left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    DiskWrites,
    DiskFails,
    ConnectionIsThere,
    ConnectionFails {
        passing: bool,
    },
    SubmitArrives(usize, Fate),
    SubmitBreaks(usize),
    SubmitIsMangled(usize),
    SubmitReturns(usize),
    PollReturns(Reading),
    /// Another exchange of the same task asks for its result.
    OtherPolls(Reading),
    LookupReturns {
        shows: bool,
    },
    TaskFinishes,
    ReplicaLags,
    TimerFires,
    TimePasses(Duration),
    ClientJoins,
    ClientReads,
    OperatorSays(Verdict),
    Disturbs(Disturbance),
    ProcessDies {
        is_written: bool,
    },
}

const MOMENT: Duration = Duration::from_millis(20);
const WHILE: Duration = Duration::from_secs(7);
/// Longer than the span within which one repeat climbs the ladder once.
const REPEAT: Duration = Duration::from_secs(11);
/// Longer than a key is safe, and shorter than the retention.
const DAY: Duration = Duration::from_mins(23 * 60 + 30);
const DRAIN: Duration = Duration::from_secs(20);
/// How often a slow task is told to run in the natural course.
const SLOW_POLLS: u32 = 3;

/// Every move that is possible, with its weight.
pub(super) fn possible(world: &World) -> Vec<(u32, Move)> {
    let mut moves = Vec::new();
    if world.record.is_some() {
        moves.extend([(8, Move::DiskWrites), (2, Move::DiskFails)]);
    }
    for place in 0..world.submits.len() {
        submit_moves(world, place, &mut moves);
    }
    if !world.is_recording() {
        moves_of_the_wire(world, &mut moves);
    }
    if world.gateway.has_running_task() {
        moves.push((3, Move::TaskFinishes));
    }
    if world.polled_pending {
        moves.push((1, Move::ReplicaLags));
    }
    moves.extend([(1, Move::TimePasses(MOMENT)), (1, Move::TimePasses(WHILE))]);
    moves_from_outside(world, &mut moves);
    moves
}

fn submit_moves(world: &World, place: usize, moves: &mut Vec<(u32, Move)>) {
    let arrives = |fate| Move::SubmitArrives(place, fate);
    match &world.submits[place] {
        Submit::OnItsWay | Submit::Orphan => {
            moves.extend([
                (4, arrives(Fate::Accepts)),
                (2, arrives(Fate::AcceptsAhead)),
                (1, arrives(Fate::AcceptsFarAhead)),
            ]);
            moves.push((1, arrives(Fate::IsQuick)));
            moves.extend([
                (1, arrives(Fate::ChargesAndFails)),
                (1, arrives(Fate::Fails)),
            ]);
            moves.extend([(1, arrives(Fate::Refuses)), (2, arrives(Fate::IsBusy))]);
            if place > 0 && world.machine.resubmits > 0 {
                moves.extend([(1, arrives(Fate::Mistakes)), (2, arrives(Fate::Refuses))]);
            }
            moves.push((1, Move::SubmitBreaks(place)));
        }
        Submit::Answered(_) => {
            moves.extend([
                (1, Move::SubmitBreaks(place)),
                (1, Move::SubmitIsMangled(place)),
            ]);
            if !world.is_recording() {
                moves.push((6, Move::SubmitReturns(place)));
            }
        }
        Submit::Broken if !world.is_recording() => moves.push((4, Move::SubmitReturns(place))),
        Submit::Broken => {}
    }
}

fn moves_of_the_wire(world: &World, moves: &mut Vec<(u32, Move)>) {
    if world.connecting {
        moves.push((6, Move::ConnectionIsThere));
        moves.push((2, Move::ConnectionFails { passing: true }));
        moves.push((1, Move::ConnectionFails { passing: false }));
    }
    if world.poll.is_some() {
        moves.extend([(8, Reading::Whole), (2, Reading::Cut), (1, Reading::Lost)].map(read));
        moves.extend([(1, Reading::Balancer), (1, Reading::Crash)].map(read));
        moves.push(read((1, Reading::Maintenance)));
    }
    if world.looking {
        moves.push((2, Move::LookupReturns { shows: true }));
        moves.push((2, Move::LookupReturns { shows: false }));
    }
    if world.other_may_poll() {
        let answered = [Reading::Whole, Reading::Cut];
        moves.extend(answered.map(|reading| (1, Move::OtherPolls(reading))));
    }
    if world.machine.timer().is_some() {
        moves.push((if world.rests() { 1 } else { 5 }, Move::TimerFires));
    }
    if world.reader {
        moves.push((4, Move::ClientReads));
    }
}

const fn read((weight, reading): (u32, Reading)) -> (u32, Move) {
    (weight, Move::PollReturns(reading))
}

fn moves_from_outside(world: &World, moves: &mut Vec<(u32, Move)>) {
    if world.machine.state() != State::Ended {
        moves.push((2, Move::ClientJoins));
    }
    if world.rests() {
        moves.push((1, Move::TimePasses(DAY)));
    }
    if world.crashes > 0 {
        moves.extend([true, false].map(|is_written| (2, Move::ProcessDies { is_written })));
    }
    for disturbance in &world.disturbances {
        match disturbance {
            Disturbance::Drain
            | Disturbance::Panic
            | Disturbance::SharedKey
            | Disturbance::StatementWithdrawn => {
                moves.push((1, Move::Disturbs(*disturbance)));
            }
            Disturbance::Operator if world.machine.state() == State::Doubtful => {
                let say = Move::OperatorSays;
                moves.extend([(1, say(Verdict::Executed)), (1, say(Verdict::NotExecuted))]);
            }
            Disturbance::Operator | Disturbance::BrokenSeal => {}
        }
    }
}

/// What happens next when nothing goes wrong any more; `None` once only a client, the operator or
/// the retention could go on.
pub(super) fn natural(world: &World) -> Option<Move> {
    if world.record.is_some() {
        return Some(Move::DiskWrites);
    }
    if world.connecting {
        return Some(Move::ConnectionIsThere);
    }
    if let Some(submit) = world.submits.first() {
        let place = 0;
        return Some(match submit {
            Submit::OnItsWay | Submit::Orphan => Move::SubmitArrives(place, Fate::Accepts),
            Submit::Answered(_) | Submit::Broken => Move::SubmitReturns(place),
        });
    }
    if world.gateway.has_running_task() && !is_awaited(world) {
        return Some(Move::TaskFinishes);
    }
    if world.poll.is_some() {
        return Some(Move::PollReturns(Reading::Whole));
    }
    if world.looking {
        return Some(Move::LookupReturns { shows: true });
    }
    if world.reader {
        return Some(Move::ClientReads);
    }
    (!world.rests() && world.machine.timer().is_some()).then_some(Move::TimerFires)
}

/// True while a slow task is to be polled some more times before it is done.
const fn is_awaited(world: &World) -> bool {
    let machine = &world.machine;
    let is_polled = matches!(machine.state(), State::Waiting | State::Polling);
    world.gateway.is_slow() && is_polled && machine.has_credentials && machine.pending < SLOW_POLLS
}

/// What a client does that wants its answer; `None` where it need not or cannot do more.
pub(super) fn patient(world: &World) -> Option<Move> {
    let timer = world.machine.timer();
    if timer.is_some_and(|(moment, _)| moment <= world.now) {
        // No time passes before that: the retention is over.
        return Some(Move::TimerFires);
    }
    match world.machine.state() {
        State::Doubtful if world.now.since(world.joined_at) < REPEAT => {
            Some(Move::TimePasses(REPEAT))
        }
        State::Doubtful | State::Undelivered => Some(Move::ClientJoins),
        State::Waiting if world.waits_for_repeat() => Some(Move::ClientJoins),
        State::Recording(_)
        | State::Connecting
        | State::Submitting
        | State::Waiting
        | State::Polling
        | State::Asking
        | State::Delivered
        | State::Ended => None,
    }
}

impl World {
    /// Makes the move that a choice stands for. Half of the choices leave things to their natural
    /// course, so that a run comes far and goes wrong in few places.
    pub(super) fn choose(&mut self, choice: u8) {
        let course = if choice < 128 { natural(self) } else { None };
        // Either half of the bytes is spread over all that is possible.
        let spread = choice.wrapping_mul(2);
        if let Some(chosen) = course.or_else(|| pick(&possible(self), spread)) {
            self.make(chosen);
        }
    }

    pub(super) fn make(&mut self, chosen: Move) {
        self.trace(|_| format!("{chosen:?}"));
        match chosen {
            Move::DiskWrites => self.end_record(true),
            Move::DiskFails => self.end_record(false),
            Move::ConnectionIsThere => self.hand_over(),
            Move::ConnectionFails { passing } => {
                self.connecting = false;
                self.tell(Event::ConnectFailed { passing });
            }
            Move::SubmitArrives(place, fate) => self.submit_arrives(place, fate),
            Move::SubmitBreaks(place) => self.submit_breaks(place),
            Move::SubmitIsMangled(place) => {
                self.submits[place] = Submit::Answered(Submitted::Unclear);
            }
            Move::SubmitReturns(place) => self.submit_returns(place),
            Move::PollReturns(reading) => self.poll_returns(reading),
            Move::OtherPolls(reading) => self.other_polls(reading),
            Move::LookupReturns { shows } => {
                self.looking = false;
                let found = shows.then(|| self.gateway.look_up()).flatten();
                let missing = Searched::NotFound { retry_after: None };
                self.tell(Event::LookedUp(found.map_or(missing, Searched::Found)));
            }
            Move::TaskFinishes => self.gateway.finish_tasks(),
            Move::ReplicaLags => {
                self.polled_pending = false;
                self.gateway.lag(self.now);
            }
            Move::TimerFires => self.wake(),
            Move::TimePasses(span) => self.pass(span),
            Move::ClientJoins => self.join(),
            Move::ClientReads => {
                self.reader = false;
                self.tell(Event::Acknowledged);
            }
            Move::OperatorSays(verdict) => {
                self.ledger.operator_spoke = true;
                self.disturbances
                    .retain(|other| *other != Disturbance::Operator);
                self.tell(Event::Resolved(verdict));
            }
            Move::Disturbs(disturbance) => self.disturb(disturbance),
            Move::ProcessDies { is_written } => self.crash(is_written),
        }
    }

    fn disturb(&mut self, disturbance: Disturbance) {
        self.disturbances.retain(|other| *other != disturbance);
        match disturbance {
            Disturbance::Drain => {
                let until = self.now + DRAIN;
                self.drained = Some(until);
                self.tell(Event::Draining {
                    polls_until: until - POLL,
                });
            }
            Disturbance::Panic => self.lose_driver(),
            Disturbance::SharedKey => self.tell(Event::KeyShared),
            Disturbance::StatementWithdrawn => {
                self.stated_resubmits = 0;
                self.tell(Event::ResubmitsLowered { most: 0 });
            }
            Disturbance::Operator | Disturbance::BrokenSeal => {}
        }
    }

    fn submit_arrives(&mut self, place: usize, fate: Fate) {
        let answer = self.gateway.take(fate, self.now);
        self.ledger.charged(&self.gateway);
        if matches!(self.submits[place], Submit::Orphan) {
            self.submits.remove(place);
            return;
        }
        self.submits[place] = Submit::Answered(answer);
    }

    fn submit_breaks(&mut self, place: usize) {
        if matches!(self.submits[place], Submit::Orphan) {
            self.submits.remove(place);
        } else {
            self.submits[place] = Submit::Broken;
        }
    }

    fn submit_returns(&mut self, place: usize) {
        let event = match self.submits.remove(place) {
            Submit::Answered(answer) => Event::SubmitAnswered(answer),
            Submit::OnItsWay | Submit::Broken | Submit::Orphan => Event::SubmitLost(Loss::Ended),
        };
        if matches!(event, Event::SubmitAnswered(Submitted::TooMany { .. })) {
            self.ledger.told_too_many();
        }
        let is_unclear = matches!(
            event,
            Event::SubmitLost(_) | Event::SubmitAnswered(Submitted::Unclear)
        );
        self.ledger.lost_was_told |= is_unclear && !self.counts_only();
        self.tell(event);
    }

    /// True where a submit's end changes nothing any more.
    fn counts_only(&self) -> bool {
        matches!(
            self.machine.state(),
            State::Waiting | State::Polling | State::Undelivered | State::Delivered | State::Ended
        )
    }

    fn poll_returns(&mut self, reading: Reading) {
        let Some(poll) = self.poll.take() else { return };
        let answer = self.gateway.poll(&poll.id, reading, self.now);
        self.polled_pending = matches!(answer, Some(Polled::Pending { .. }));
        self.tell(answer.map_or(Event::PollLost, Event::PollAnswered));
    }

    /// True where another exchange of the same task and credentials may ask for its result. What it is told
    /// is kept for those who have no credentials yet; the model knows only of a task that runs, and of the
    /// result of one that was given up.
    fn other_may_poll(&self) -> bool {
        let machine = &self.machine;
        let is_told = |id| machine.has_credentials || self.gateway.runs(id);
        let waits = machine.state() == State::Waiting && machine.ticket().is_some_and(is_told);
        waits || (self.has_turned_away() && self.task().is_some() && !machine.settled)
    }

    /// True where it waits for something else than its task.
    const fn has_turned_away(&self) -> bool {
        matches!(
            self.machine.state(),
            State::Connecting | State::Submitting | State::Asking | State::Doubtful
        )
    }

    fn other_polls(&mut self, reading: Reading) {
        let Some(id) = self.task().cloned() else {
            return;
        };
        if self.has_turned_away() {
            // The other came later, and under the same key.
            self.tell(Event::KeyShared);
            if !self.machine.gave_task_up() {
                return;
            }
        }
        let Some(answer) = self.gateway.poll(&id, reading, self.now) else {
            return;
        };
        if !self.machine.gave_task_up() {
            self.polled_pending = matches!(answer, Polled::Pending { .. });
            self.tell(Event::AnsweredElsewhere(answer));
        } else if let Polled::Firm(result) = answer {
            self.read_elsewhere = Some((id, result));
            if self.credentials {
                self.tell(Event::AnsweredElsewhere(answer));
            }
        }
    }
}
