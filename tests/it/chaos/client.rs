//! A buyer: it asks, hangs up, repeats, loses answers, and goes on until it knows.
use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use futures_util::FutureExt;
use holdline::exchange::Held;
use holdline::exchange::machine::{Doubt, Withdrawal};
use holdline::message::StoredResponse;
use holdline::timing::Moment;
use http::{HeaderMap, StatusCode};
use uuid::Uuid;

use super::coalesced::Cells;
use super::plan::Intent;
use super::wire;
use crate::simulated::host::Host;
use crate::simulated::world::{Answered, Ask, Reply, World};

/// After so many attempts it neither hangs up nor loses an answer any more.
const UNSTEADY: u32 = 6;
const ATTEMPTS: u32 = 40;
/// After so many doubts it believes that nobody can tell.
const DOUBTS: u32 = 5;

/// How the harness itself breaks a rule, to see that the judges find it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Harness {
    /// It does not.
    #[default]
    Honest,
    /// An answer that was written counts as delivered.
    WriteIsDelivery,
    /// A driver that panicked takes its entry in the map along.
    PanicFrees,
    /// Equal requests share a cell in which the first of them pays.
    PaysInACell,
    /// A doubt is told as "not submitted".
    DoubtIsDenied,
    /// A task that the gateway does not know is told as "not submitted".
    UnknownIsDenied,
    /// A repeat of the submit that was refused is told as a refusal.
    ConflictIsRefusal,
    /// A running payment is told as declined.
    Declines,
    /// An answer is told as a doubt.
    Doubts,
    /// A kept answer is told in other words than the first time.
    Restates,
    /// The secret is not asked for when somebody joins.
    AsksNoSecret,
    /// It leaves the cheating to the world.
    Cheats,
}

/// What a buyer was told once.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) intent: usize,
    pub(super) round: u32,
    pub(super) at: Moment,
    /// The exchange and its key, where the request was held.
    pub(super) flight: Option<(Uuid, String)>,
    /// `None`: it hung up, or the process went away or was not there.
    pub(super) reply: Option<Reply>,
    /// It was the last word of this round.
    pub(super) is_last: bool,
}

/// A buyer of one intent.
pub(super) struct Buyer {
    pub(super) host: Host,
    /// Flights that know of none, for a harness that frees what a panic had.
    pub(super) amnesia: Option<World>,
    /// For a harness that pays in cells.
    pub(super) cells: Cells,
    pub(super) number: usize,
    pub(super) intent: Intent,
    pub(super) rng: Rng,
    pub(super) harness: Harness,
}

enum Next {
    Again(Duration),
    Done,
}

type Waiting = Pin<Box<dyn Future<Output = Option<Reply>>>>;

impl Buyer {
    /// Buys, round after round, and says what it was told.
    pub(super) async fn buy(mut self) -> Vec<Told> {
        let mut told = Vec::new();
        for round in 0..self.intent.rounds {
            self.pause(10..8_000).await;
            if !self.round(round, &mut told).await {
                break;
            }
        }
        told
    }

    /// One purchase; false if it ended without an answer.
    async fn round(&mut self, round: u32, log: &mut Vec<Told>) -> bool {
        let mut abandoned: Vec<Waiting> = Vec::new();
        let mut doubts = 0;
        for attempt in 0..ATTEMPTS {
            let seen = Rc::new(RefCell::new(None));
            let mut asking = self.ask(&seen);
            let patience = self.patience(attempt);
            let ended = tokio::time::timeout(patience, &mut asking).await;
            if ended.is_err() && self.rng.bool() {
                abandoned.push(asking);
            }
            let reply = ended.ok().flatten();
            doubts += u32::from(matches!(reply, Some(Reply::InDoubt(_))));
            let next = self.react(reply.as_ref(), attempt, doubts);
            let is_last = matches!(next, Next::Done) || attempt + 1 == ATTEMPTS;
            let has_answer = matches!(reply, Some(Reply::Answer(_) | Reply::Refused(_)));
            log.push(Told {
                intent: self.number,
                round,
                at: self.host.clock().now(),
                flight: seen.take(),
                reply: reply.map(|reply| self.tell(reply)),
                is_last,
            });
            match next {
                Next::Again(pause) => tokio::time::sleep(pause).await,
                Next::Done => {
                    forget(abandoned);
                    return has_answer;
                }
            }
        }
        false
    }

    fn ask(&self, seen: &Rc<RefCell<Option<(Uuid, String)>>>) -> Waiting {
        let (host, ask, seen) = (self.host.clone(), self.intent.ask.clone(), Rc::clone(seen));
        if self.harness == Harness::PaysInACell {
            let cells = self.cells.clone();
            return Box::pin(async move { cells.pay(&host, &ask).await });
        }
        let world = self.amnesia.clone().or_else(|| host.running());
        Box::pin(async move {
            let see = |held: &Held| {
                let key = held.flight.key().value.to_str().unwrap().to_owned();
                *seen.borrow_mut() = Some((held.flight.id(), key));
            };
            host.pay_at(world?, &ask, see).await
        })
    }

    fn patience(&mut self, attempt: u32) -> Duration {
        let is_unsteady = attempt < UNSTEADY && self.rng.u8(..3) == 0;
        let longest = if is_unsteady {
            self.rng.u64(1..40_000)
        } else {
            86_400_000
        };
        Duration::from_millis(longest)
    }

    fn react(&mut self, reply: Option<&Reply>, attempt: u32, doubts: u32) -> Next {
        let soon = Duration::from_millis(self.rng.u64(1..3_000));
        match reply {
            Some(Reply::Answer(answered)) => {
                if attempt < UNSTEADY && self.rng.u8(..5) == 0 {
                    answered.settle(self.harness == Harness::WriteIsDelivery);
                    return Next::Again(soon);
                }
                answered.settle(true);
                Next::Done
            }
            Some(Reply::InDoubt(doubt)) if doubts < DOUBTS => {
                if self.harness == Harness::PanicFrees && *doubt == Doubt::Driver {
                    self.amnesia = self.host.running().map(|world| self.host.forgetful(&world));
                }
                Next::Again(Duration::from_millis(self.rng.u64(1_000..40_000)))
            }
            Some(
                Reply::Refused(_)
                | Reply::InDoubt(_)
                | Reply::Expired
                | Reply::Spent
                | Reply::Unread
                | Reply::OtherSecret,
            ) => Next::Done,
            Some(Reply::NotSubmitted(_) | Reply::InProgress | Reply::NotAdmitted(_)) | None => {
                Next::Again(soon)
            }
        }
    }

    /// What the client is told, as the harness has it.
    fn tell(&self, reply: Reply) -> Reply {
        let is_answer = matches!(reply, Reply::Answer(_));
        if self.harness == Harness::ConflictIsRefusal && is_answer {
            return self.conflict().unwrap_or(reply);
        }
        self.harness.told(reply)
    }

    /// The conflict that a repeat of the submit met, if it met one.
    fn conflict(&self) -> Option<Reply> {
        let key = self.intent.ask.key.as_deref()?;
        let calls = wire::calls(&self.host.network().wires());
        let mine = calls
            .into_iter()
            .filter(|call| call.is_submit() && call.key == key);
        let mut answers = mine.filter_map(|call| call.answer);
        let conflict = answers.find(|answer| answer.status == 409)?;
        let refusal = StoredResponse {
            status: StatusCode::CONFLICT,
            fields: HeaderMap::new(),
            body: conflict.body.into(),
        };
        Some(Reply::Refused(refusal.into()))
    }

    async fn pause(&mut self, millis: std::ops::Range<u64>) {
        let pause = Duration::from_millis(self.rng.u64(millis));
        tokio::time::sleep(pause).await;
    }
}

impl Harness {
    /// What the client is told instead of the truth.
    fn told(self, reply: Reply) -> Reply {
        match (self, reply) {
            (Self::DoubtIsDenied, Reply::InDoubt(_)) => Reply::NotSubmitted(Withdrawal::Connect),
            (Self::UnknownIsDenied, Reply::InDoubt(Doubt::TaskUnknown)) => {
                Reply::NotSubmitted(Withdrawal::Connect)
            }
            (Self::Doubts, Reply::Answer(_)) => Reply::InDoubt(Doubt::SubmitLost),
            (Self::Declines, Reply::Answer(answered)) => declined(answered),
            (Self::Restates, Reply::Answer(answered)) if answered.replayed => declined(answered),
            (_, reply) => reply,
        }
    }
}

fn declined(mut answered: Answered) -> Reply {
    let mut answer = (*answered.answer).clone();
    answer.body = r#"{"transaction":{"status":"failed"}}"#.into();
    answered.answer = answer.into();
    Reply::Answer(answered)
}

/// Requests that nobody reads from any more: whatever came for them did not arrive.
fn forget(abandoned: Vec<Waiting>) {
    for asking in abandoned {
        if let Some(Some(Reply::Answer(answered))) = asking.now_or_never() {
            answered.settle(false);
        }
    }
}

/// Somebody with another secret of the same shop, or another shop's, asks for what others bought,
/// again and again, without ever starting anything.
pub(super) async fn spy(host: Host, ask: Ask, mut rng: Rng, harness: Harness) -> Vec<Reply> {
    let secret = if ask.shop == "1:one" {
        "1:other"
    } else {
        "1:one"
    };
    let ask = Ask {
        barred: Some(holdline::exchange::Refusal::Held),
        ..if harness == Harness::AsksNoSecret {
            ask
        } else {
            ask.by(secret)
        }
    };
    let mut replies = Vec::new();
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(rng.u64(100..9_000))).await;
        replies.extend(host.pay(&ask).await);
    }
    replies
}
