//! What an earlier process left: from the journal's memory of it to flights and facts.
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{HeaderValue, Method};

use super::past::Past;
use crate::exchange::context::Context;
use crate::exchange::driver::supervise;
use crate::exchange::flights::{Began, Core, Flight, Kin, Subject, Told};
use crate::exchange::gateway::{Gateway, Home};
use crate::exchange::handle::Flights;
use crate::exchange::identity::{Credential, Fingerprint, HashKey, Owner};
use crate::exchange::machine::{Actions, Doubt, Machine, Restored, State, Stood};
use crate::exchange::on_disk::OnDisk;
use crate::exchange::order::{Identity, Key};
use crate::exchange::telling::What;
use crate::journal::{Head, LastRecord, Remembered};
use crate::protocol::{BEGATEWAY, Conversion, MatchFacts, Operation, RequestId};
use crate::timing::Ages;

/// What was found of earlier processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Tasks that the gateway works on; the first repeat of each asks for its result.
    pub waiting: usize,
    /// Answers that wait for their clients.
    pub undelivered: usize,
    /// Exchanges that may have been executed.
    pub in_doubt: usize,
    /// Delivered ones that are remembered for a repeat.
    pub facts: usize,
}

impl Flights {
    /// Takes in what earlier processes left. Called once, before anybody is served. No limit drops
    /// any of it, though all of it counts towards them.
    pub fn recover(&self, past: Past, gateways: &[Arc<Gateway>]) -> Recovered {
        let facts = past.remains.facts.len();
        {
            let mut table = self.0.table();
            table.remains = past.remains;
            table.rivals = past.rivals;
        }
        let mut recovery = Recovery {
            context: Arc::clone(&self.0),
            ages: past.ages,
            gateways,
            found: Recovered {
                facts,
                ..Recovered::default()
            },
        };
        // The newest first: should two have one request, it is the newest that a repeat finds.
        for exchange in past.unsettled.into_iter().rev() {
            recovery.resume(&exchange);
        }
        recovery.found
    }
}

struct Recovery<'a> {
    context: Arc<Context>,
    ages: Ages,
    gateways: &'a [Arc<Gateway>],
    found: Recovered,
}

impl Recovery<'_> {
    /// An exchange that has not ended: a flight like any other, with a driver and nothing at hand.
    fn resume(&mut self, exchange: &Remembered) {
        let context = Arc::clone(&self.context);
        let (home, cause) = self.home(exchange);
        if let Some(cause @ (Doubt::GatewayGone | Doubt::OriginChanged)) = cause {
            tracing::warn!(
                target: "holdline::exchange",
                exchange = %exchange.head.exchange,
                gateway = %exchange.head.gateway,
                origin = %exchange.head.origin,
                cause = cause.name(),
                "in doubt: it is asked for nowhere else, and its repeat under another gateway's \
                 name would be a new payment"
            );
        }
        let mut subject = subject(&context.hash_key, &self.ages, exchange, home);
        subject.identity.fingerprint = self.free_place(subject.identity.fingerprint);
        let restored = self.restored(exchange, &subject, cause);
        let stood = restored.stood;
        let now = context.clock.now();
        let terms = context.terms(subject.home.name(), subject.conversion.operation);
        let machine = Machine::restored(terms, restored, now, fastrand::u64(..));
        let flight = Arc::new(Flight::new(subject, machine, None));
        flight.handed_over.store(true, Ordering::Release);
        // What has an outcome was counted by the process that brought it about; what is in doubt because that
        // process ended has no duration.
        let counted = stood != Stood::Accepted;
        flight.counted.store(counted, Ordering::Release);
        flight.note(What::Resumed, context.stamps.now());
        prime(&mut flight.core(), exchange, stood);
        self.enter(&flight);
        let driver = supervise(Arc::clone(&context), flight, Actions::new(), None);
        context.drain.spawn(driver);
    }

    /// What its machine begins with.
    fn restored(&self, exchange: &Remembered, subject: &Subject, cause: Option<Doubt>) -> Restored {
        let ticket: Option<RequestId> = exchange.ticket.as_deref().and_then(|it| it.parse().ok());
        let word = exchange.ruled.as_ref();
        let ruled = word.and_then(|it| Doubt::of_name(&it.cause));
        let ruled = ruled.filter(|it| *it == Doubt::Executed);
        // The operator's word holds wherever the gateway is.
        let cause = cause.map(|cause| ruled.unwrap_or(cause));
        Restored {
            explicit_key: subject.key.explicit,
            has_tracking_id: subject.facts.tracking_id.is_some(),
            submitted_at: subject.read_at,
            remembered_since: subject.remembered_since,
            changed_at: self.ages.remembered_since(exchange.changed),
            // A clock that anybody can set does not tell how old a key is.
            age_is_sure: !subject.began.is_of_earlier_boot(),
            resubmits: exchange.resubmits,
            stood: stood(exchange, ticket.as_ref(), cause),
            ruled,
            ticket,
        }
    }

    fn enter(&mut self, flight: &Arc<Flight>) {
        let context = &self.context;
        let task = {
            let core = flight.core();
            let ticket = core.machine.ticket().cloned();
            match core.machine.state() {
                State::Waiting => {
                    self.found.waiting += 1;
                    ticket
                }
                State::Undelivered => {
                    self.found.undelivered += 1;
                    ticket
                }
                State::Recording(_)
                | State::Connecting
                | State::Submitting
                | State::Polling
                | State::Asking
                | State::Doubtful
                | State::Delivered
                | State::Ended => {
                    self.found.in_doubt += 1;
                    None
                }
            }
        };
        let mut table = context.table();
        table.enter(flight);
        let counted = flight.core().counts_as();
        table.count_as(flight, counted);
        if let Some(task) = task {
            let place = context.place_at(flight, &task);
            let step = {
                let mut core = flight.core();
                core.take_place(place);
                core.answer_step
            };
            table.enter_task(place, flight);
            if let Some(step) = step {
                let on_disk = OnDisk {
                    exchange: flight.id,
                    result: place.result,
                    place: flight.place(step),
                    expires_at: flight.remembered_since + context.rules.now().policy.retention,
                };
                table.remains.keep_answer(on_disk);
                let credential = flight.identity.credential;
                let asked = context.hash_key.asked(credential, place.task);
                table.remains.keep_newest_on_disk(asked, on_disk);
            }
        }
    }

    /// Where the flight is found. An older one of the same request stands aside: no repeat comes to
    /// it, but it is told of, may be settled, and is never dropped.
    fn free_place(&self, first: Fingerprint) -> Fingerprint {
        let context = &self.context;
        let table = context.table();
        let aside = (0..u32::MAX).map(|number| context.hash_key.beside(first, u32::MAX - number));
        std::iter::once(first)
            .chain(aside)
            .find(|place| table.find(place).is_none())
            .unwrap_or(first)
    }

    /// Where it belongs, and why nobody may be asked for it if that is so.
    fn home(&self, exchange: &Remembered) -> (Home, Option<Doubt>) {
        let head = &exchange.head;
        let gone = || Home::Gone(head.gateway.clone());
        let gateway = self.gateways.iter().find(|it| it.name == head.gateway);
        match gateway {
            None => (gone(), Some(Doubt::GatewayGone)),
            Some(gateway) if !gateway.client.origin().is_written(&head.origin) => {
                (gone(), Some(Doubt::OriginChanged))
            }
            Some(gateway) => (Home::InForce(Arc::clone(gateway)), None),
        }
    }
}

/// Gives a flight what its records tell beside where it stood.
fn prime(core: &mut Core, exchange: &Remembered, stood: Stood) {
    let sealed = exchange.answer.or(exchange.candidate);
    core.sent = Some(exchange.submitted);
    core.next_step = exchange.next_step;
    core.answer_step = exchange.answer.map(|place| place.step);
    core.sealed_step = sealed.map(|place| place.step);
    if let Stood::InDoubt(doubt) = stood {
        core.told = Some(Told::InDoubt(doubt));
    }
}

/// Which exchange it is, in this room's words.
pub(in crate::exchange) fn subject(
    hash_key: &HashKey,
    ages: &Ages,
    exchange: &Remembered,
    home: Home,
) -> Subject {
    let head = &exchange.head;
    let stamps = ages.stamps();
    let conversion = conversion(head);
    let facts = facts(head, conversion);
    let identity = Identity {
        owner: Owner::of_bytes(head.owner),
        credential: Credential::of_bytes(head.credential),
        fingerprint: Fingerprint::of_bytes(head.fingerprint),
    };
    let key = Key {
        value: HeaderValue::from_str(&head.key).unwrap_or_else(|_| HeaderValue::from_static("")),
        explicit: head.explicit,
    };
    let kin = Kin {
        beside: head.beside.map(Fingerprint::of_bytes),
        ..Kin::of(hash_key, identity, &key, &facts)
    };
    Subject {
        id: head.exchange,
        number: exchange.number,
        home,
        conversion,
        identity,
        kin,
        key,
        facts,
        read_at: stamps.moment(exchange.submitted),
        reading: Duration::ZERO,
        remembered_since: ages.remembered_since(exchange.submitted),
        began: Began::earlier(exchange.submitted, stamps),
    }
}

/// The table of the restart.
fn stood(exchange: &Remembered, ticket: Option<&RequestId>, cause: Option<Doubt>) -> Stood {
    let recorded = match &exchange.last_record {
        LastRecord::InDoubt(doubt) => Doubt::of_name(&doubt.cause),
        LastRecord::Submitted
        | LastRecord::Accepted
        | LastRecord::Completed
        | LastRecord::Delivered
        | LastRecord::Ended => None,
    };
    if let Some(cause) = cause {
        return Stood::InDoubt(cause);
    }
    match &exchange.last_record {
        LastRecord::Accepted if ticket.is_some() => Stood::Accepted,
        LastRecord::Completed if exchange.answer.is_some() => Stood::Completed,
        LastRecord::Completed => Stood::InDoubt(Doubt::SealBroken),
        LastRecord::Submitted
        | LastRecord::Accepted
        | LastRecord::InDoubt(_)
        | LastRecord::Delivered
        | LastRecord::Ended => Stood::InDoubt(recorded.unwrap_or(Doubt::Restart)),
    }
}

/// What an operation of another version is taken for: no transaction is of its type, so that no
/// lookup finds one.
static UNKNOWN: Conversion = Conversion {
    operation: Operation::Payment,
    method: Method::POST,
    path: "",
    safe: false,
    transaction_type: "",
};

fn conversion(head: &Head) -> &'static Conversion {
    let mut conversions = BEGATEWAY.conversions.iter();
    let named = conversions.find(|it| it.operation.name() == &*head.operation);
    named.unwrap_or(&UNKNOWN)
}

/// What is known of the request: all but its parent and its cards, which a repeat brings.
fn facts(head: &Head, conversion: &Conversion) -> MatchFacts {
    MatchFacts {
        transaction_type: conversion.transaction_type,
        amount: head.amount.clone(),
        currency: head.currency.clone(),
        tracking_id: head.reference.clone(),
        duplicates_wanted: head.beside.is_some(),
        ..MatchFacts::default()
    }
}
