//! The door: which exchange a request joins or starts, and what it is told if neither.
use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::sync::oneshot;
use uuid::{Builder, Uuid};

use super::stored::Stored;
use super::unfinished::{Unfinished, awaits_payer};
use crate::exchange::context::Context;
use crate::exchange::driver::supervise;
use crate::exchange::flights::{
    Answer, Began, Command, Entrance, Fact, Flight, Join, Kin, Subject, Table, Told, own_or_first,
};
use crate::exchange::gateway::Home;
use crate::exchange::identity::{Credential, Fingerprint};
use crate::exchange::machine::{Begun, Machine};
use crate::exchange::on_disk::OnDisk;
use crate::exchange::order::{Identity, Order};
use crate::exchange::telling::What;
use crate::listener::Presence;
use crate::timing::Moment;
use crate::upstream::Cause;

/// What becomes of a request that asks for an exchange.
pub enum Admission {
    /// It waits for a flight.
    Held(Held),
    /// Its exchange has ended; this is the answer.
    Kept {
        /// The ended exchange.
        exchange: Uuid,
        /// Its answer.
        answer: Answer,
        /// True if it is that of the query for the transaction, which was finished since.
        looked_up: bool,
    },
    /// Its exchange has ended, and the answer is on disk: it is read first.
    Stored(Stored),
    /// Its exchange has ended with a transaction that its payer had yet to finish: what has become of it is asked
    /// first.
    Unfinished(Unfinished),
    /// Its exchange has ended, and the answer is no longer kept or was another origin's.
    Spent {
        /// The ended exchange.
        exchange: Uuid,
    },
    /// Its exchange has ended, and the answer cannot be read from the disk now.
    Unread {
        /// The ended exchange.
        exchange: Uuid,
    },
    /// An equal request of the same shop, under another secret, is unsettled or undelivered, or has a key and
    /// was answered.
    OtherSecret,
    /// It may not start now; nothing was submitted.
    Refused(Refusal),
}

/// Why a new exchange may not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// `limits.running` is reached.
    Running,
    /// `limits.held` is reached.
    Held,
    /// `limits.per_owner` is reached.
    Owner,
    /// `limits.undelivered` or `limits.answers` is reached, or `limits.per_owner` by what waits.
    Undelivered,
    /// `limits.facts` is reached.
    Facts,
    /// The journal cannot be written now.
    JournalDown,
    /// `journal.max_bytes` is reached by what may not be dropped: facts of payments with a key, answers
    /// and doubts that wait.
    JournalFull,
    /// The process is stopping.
    Draining,
    /// The gateway accepts no connections; this is why the last attempt failed.
    Unreachable(Cause),
    /// Its route is not converted any more.
    Route,
}

impl Refusal {
    /// Every refusal, for the table of what is told; the causes have a table of their own.
    pub const ALL: [Self; 10] = [
        Self::Running,
        Self::Held,
        Self::Owner,
        Self::Undelivered,
        Self::Facts,
        Self::JournalDown,
        Self::JournalFull,
        Self::Draining,
        Self::Unreachable(Cause::Refused),
        Self::Route,
    ];
}

/// A request's place at a flight.
pub struct Held {
    /// The flight.
    pub flight: Arc<Flight>,
    /// The request's number there.
    pub waiter: u64,
    /// True if the exchange was there before the request.
    pub joined: bool,
    /// The request once more, where it joined: if the exchange turns out to be over, it is a new one.
    pub again: Option<Box<Order>>,
    /// Brings what the waiter is told. It ends without a word only when the flight's task died in
    /// a way that its supervisor could not see.
    pub told: oneshot::Receiver<Told>,
}

/// What is known of a task whose result is asked for by hand.
pub enum TaskAnswer {
    /// Its answer.
    Kept(Answer),
    /// Its answer is on disk: it is read first.
    OnDisk(OnDisk),
    /// A flight polls it: a second reader could spend its once-only answer.
    Running,
    /// Nothing.
    Unknown,
}

/// What is known of a request by its fingerprint and its credentials alone.
pub enum Known {
    /// An equal one runs, is in doubt, or waits for its client.
    Unended(Arc<Flight>),
    /// The same, but it was asked for under another secret of the shop; or its exchange has ended, had a key,
    /// and was asked for so.
    OtherSecret,
    /// Its exchange has ended.
    Ended {
        /// True if its answer may still be given.
        is_kept: bool,
    },
}

impl Context {
    /// Takes a request in. What runs already is looked up before any limit is, so that the repeat
    /// of a running payment is never told that nothing was sent.
    pub(in crate::exchange) fn admit(self: &Arc<Self>, order: Order) -> Admission {
        let kin = Kin::of(&self.hash_key, order.identity, &order.key, &order.facts);
        let now = self.clock.now();
        let mut table = self.table();
        let fingerprint = self.place_of(&table, order.identity, &kin, &order.client);
        let identity = Identity {
            fingerprint,
            ..order.identity
        };
        let order = match self.repeat(&table, identity, order, now) {
            ControlFlow::Break(admission) => return admission,
            ControlFlow::Continue(first) => first,
        };
        if let Err(refusal) = self.may_start(&mut table, &order, now) {
            self.metrics.refused(refusal);
            return Admission::Refused(refusal);
        }
        self.start(&mut table, Order { identity, ..order }, kin)
    }

    /// What is known of a request of which there is no more than this. Whether it is wanted beside its
    /// equals cannot be told, so where they stand beside each other it may be the repeat of any.
    pub(in crate::exchange) fn known(
        &self,
        fingerprint: &Fingerprint,
        credential: Credential,
    ) -> Option<Known> {
        let table = self.table();
        let left = table.left_beside(fingerprint, credential);
        let equals = left.into_iter().chain(table.find(fingerprint));
        let equals = equals.chain(table.beside(fingerprint));
        if let Some(flight) = own_or_first(equals, credential) {
            return Some(if flight.identity.credential == credential {
                Known::Unended(Arc::clone(flight))
            } else {
                Known::OtherSecret
            });
        }
        let name = self.hash_key.fact(*fingerprint);
        let now = self.clock.now();
        let fact = table.remains.facts.find(&name, now)?;
        if !fact.is_of(credential) {
            return Some(Known::OtherSecret);
        }
        let is_kept = fact.on_disk().is_some() || self.results.find(&fact.result, now).is_some();
        Some(Known::Ended { is_kept })
    }

    /// What becomes of a request that equals one that runs or has ended; the order itself if none does.
    fn repeat(
        self: &Arc<Self>,
        table: &Table,
        identity: Identity,
        order: Order,
        now: Moment,
    ) -> ControlFlow<Admission, Order> {
        // A flight is newer than any fact of the same request.
        if let Some(flight) = table.find(&identity.fingerprint) {
            if flight.identity.credential != identity.credential {
                return ControlFlow::Break(Admission::OtherSecret);
            }
            return ControlFlow::Break(self.join(Arc::clone(flight), order));
        }
        let name = self.hash_key.fact(identity.fingerprint);
        match table.remains.facts.find(&name, now) {
            Some(fact) if fact.is_of(identity.credential) => {
                ControlFlow::Break(self.ended(&fact, order))
            }
            // Its key may not be honoured, and the gateway may take it for another payment's.
            Some(_) => ControlFlow::Break(Admission::OtherSecret),
            None => ControlFlow::Continue(order),
        }
    }

    /// The fingerprint under which the request is found or starts. A merchant that wants equal
    /// transactions side by side (`duplicate_check: false`) joins only where the earlier requester
    /// has gone; otherwise its request stands beside. The gone ones come before a free place: theirs
    /// may be the request that is repeated. If this request's own client has already gone, it may be the
    /// original, read late, of a repeat that already runs; so it joins that one.
    fn place_of(
        &self,
        table: &Table,
        asked: Identity,
        kin: &Kin,
        client: &Presence,
    ) -> Fingerprint {
        let (first, credential) = (asked.fingerprint, asked.credential);
        if kin.beside.is_none() {
            return first;
        }
        let equal = table.left_beside(&first, credential).or_else(|| {
            let runs = own_or_first(table.beside(&first).iter(), credential);
            runs.filter(|_| client.has_ended())
        });
        if let Some(equal) = equal {
            return equal.identity.fingerprint;
        }
        // At random: counting up to a free place would hash once for each equal.
        let beside = std::iter::repeat_with(|| self.hash_key.beside(first, fastrand::u32(1..)));
        let mut places = std::iter::once(first).chain(beside);
        places
            .find(|fingerprint| table.find(fingerprint).is_none())
            .unwrap_or(first)
    }

    fn ended(self: &Arc<Self>, fact: &Fact, order: Order) -> Admission {
        let exchange = fact.exchange;
        if let Some(answer) = self.results.find(&fact.result, self.clock.now()) {
            return self.kept(exchange, answer, Box::new(order));
        }
        match fact.on_disk() {
            Some(on_disk) => Admission::Stored(Stored::new(Arc::clone(self), on_disk, order)),
            None => Admission::Spent { exchange },
        }
    }

    /// What becomes of the repeat of a request with this answer.
    pub(super) fn kept(
        self: &Arc<Self>,
        exchange: Uuid,
        answer: Answer,
        order: Box<Order>,
    ) -> Admission {
        if awaits_payer(&answer) {
            let context = Arc::clone(self);
            return Admission::Unfinished(Unfinished::new(context, exchange, answer, order));
        }
        self.metrics.replayed();
        Admission::Kept {
            exchange,
            answer,
            looked_up: false,
        }
    }

    fn join(&self, flight: Arc<Flight>, order: Order) -> Admission {
        let (waiter, told) = self.waiter(order.client.clone());
        let number = waiter.number;
        self.metrics.joined();
        flight.ask(Command::Join(Box::new(Join {
            waiter,
            entrance: Entrance {
                hold_until: order.hold_until,
                facts: order.facts.clone(),
                submission: order.submission.clone(),
                credentials: order.credentials.clone(),
            },
        })));
        let again = Some(Box::new(order));
        Admission::Held(Held {
            flight,
            waiter: number,
            joined: true,
            again,
            told,
        })
    }

    fn may_start(&self, table: &mut Table, order: &Order, now: Moment) -> Result<(), Refusal> {
        let rules = self.rules.now();
        let limits = &rules.config;
        let (all, owned) = (table.tally(), table.owned_by(order.identity.owner));
        if let Some(why) = order.barred {
            Err(why)
        } else if self.drain.is_draining() {
            Err(Refusal::Draining)
        } else if all.running >= limits.running {
            Err(Refusal::Running)
        } else if all.waiting >= limits.undelivered
            || owned.waiting >= limits.per_owner
            || self.results.pinned_bytes() >= limits.answers
        {
            Err(Refusal::Undelivered)
        } else if owned.running >= limits.per_owner {
            Err(Refusal::Owner)
        } else if order.key.explicit && table.remains.facts.purge(now) >= limits.facts {
            Err(Refusal::Facts)
        } else {
            self.recorder.may_start()?;
            // Last, because who may try is the one that finds out.
            let client = &order.gateway.client;
            client.may_try().map_err(Refusal::Unreachable)
        }
    }

    fn start(self: &Arc<Self>, table: &mut Table, order: Order, kin: Kin) -> Admission {
        let (waiter, told) = self.waiter(order.client);
        let number = waiter.number;
        let (machine, first) = Machine::start(
            self.terms(&order.gateway.name, order.conversion.operation),
            Begun {
                explicit_key: order.key.explicit,
                has_tracking_id: order.facts.tracking_id.is_some(),
                read_at: order.read_at,
                hold_until: order.hold_until,
            },
            fastrand::u64(..),
        );
        let subject = Subject {
            // It names the exchange and guards nothing, so it needs no system call.
            id: Builder::from_random_bytes(fastrand::u128(..).to_le_bytes()).into_uuid(),
            number: self.recorder.begin(),
            home: Home::InForce(order.gateway),
            conversion: order.conversion,
            identity: order.identity,
            kin,
            key: order.key,
            facts: order.facts,
            read_at: order.read_at,
            reading: order.reading,
            remembered_since: order.read_at,
            began: Began::here(self.stamps.of(order.read_at)),
        };
        let flight = Arc::new(Flight::new(subject, machine, Some(waiter)));
        flight.core().trace = order.credentials.trace();
        flight.note(What::Began, flight.began.origin);
        if table.enter(&flight) {
            self.metrics.overlapping();
        }
        self.drain.spawn(supervise(
            Arc::clone(self),
            Arc::clone(&flight),
            first,
            Some((order.submission, order.credentials)),
        ));
        Admission::Held(Held {
            flight,
            waiter: number,
            joined: false,
            again: None,
            told,
        })
    }
}
