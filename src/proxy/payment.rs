//! A payment: ordered, and held until its exchange has an outcome.
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use uuid::Uuid;

use super::metrics::Slot;
use super::order::Holding;
use super::problem::Problem;
use super::respond::{self, About, Given};
use super::service::{Incomer, Proxy};
use crate::exchange::machine::{Doubt, Standing};
use crate::exchange::{Admission, Flight, Held, Order, Refusal, Told};
use crate::listener::{Delivery, Receipt, Reply};
use crate::protocol::Conversion;

/// What is there already its driver gives within a turn; who joins is not told before that how it stands.
const A_TURN: Duration = Duration::from_millis(50);

/// A held request: all that is left of it, nothing of its head and its body. It sees a client that
/// hangs up, since it is dropped then.
struct Waiting {
    proxy: Proxy,
    held: Held,
    holding: Holding,
    is_answered: bool,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.is_answered {
            let shared = &self.proxy.shared;
            let now = shared.clock.now();
            shared
                .metrics
                .client_gone(now.since(self.holding.arrived_at));
            self.held.flight.client_left(shared.flights.now());
        }
    }
}

impl Proxy {
    /// Reads a payment and takes it in.
    pub(super) async fn pay(self, mut incomer: Incomer, conversion: &'static Conversion) -> Reply {
        let (order, holding) = match self.order(&mut incomer, conversion).await {
            Ok(ordered) => ordered,
            Err(it) => return self.answer_with(it.problem, &it.about).into(),
        };
        let slot = self.shared.metrics.slot(self.config.held);
        let order = Order {
            barred: slot.is_none().then_some(Refusal::Held),
            ..order
        };
        let admission = self.shared.flights.request(order);
        let admission = Box::pin(admission.opened()).await;
        self.admitted(admission, holding, slot, incomer.body)
    }

    /// What an admitted request is told, now or later; its `body` is at its end.
    pub(super) fn admitted(
        self,
        admission: Admission,
        holding: Holding,
        slot: Option<Slot>,
        body: Incoming,
    ) -> Reply {
        match admission {
            Admission::Held(held) => {
                let waiting = Waiting {
                    proxy: self,
                    held,
                    holding,
                    is_answered: false,
                };
                Reply::later(body, waiting.answer(slot))
            }
            ended => self.answer_ended(ended, holding).into(),
        }
    }

    fn answer_held(&self, held: &Held, told: Told, holding: Holding) -> Delivery {
        let flight = &held.flight;
        let problem = match told {
            Told::Answer { answer, replayed } => {
                let given = self.given(flight, replayed, holding);
                let response = respond::answer(&answer, &named(flight.id(), holding), given);
                let (flight, waiter) = (Arc::clone(flight), held.waiter);
                let settle = move |delivered| flight.settle(waiter, delivered);
                return Delivery {
                    response,
                    receipt: Some(Receipt::new(settle)),
                };
            }
            Told::Refused(answer) => {
                let given = self.given(flight, false, holding);
                return respond::answer(&answer, &named(flight.id(), holding), given).into();
            }
            Told::NotSubmitted { why, cause } => Problem::NotSubmitted(why, cause),
            Told::InDoubt(doubt) => Problem::InDoubt(doubt),
            Told::Expired => Problem::Expired,
            // A waiter without a request to renew has started its exchange itself.
            Told::AsItStands | Told::Renew => unfinished(flight),
        };
        self.answer_with(problem, &About::of(flight, holding.wait))
            .into()
    }

    fn answer_ended(&self, ended: Admission, holding: Holding) -> Delivery {
        let about = |exchange| named(exchange, holding);
        match ended {
            Admission::Kept {
                exchange,
                answer,
                looked_up,
            } => respond::answer(&answer, &about(exchange), Given::again(looked_up)),
            // What is on disk has been read by now, and what is unfinished asked for.
            Admission::Stored(stored) => {
                self.answer_with(Problem::Spent, &about(stored.exchange()))
            }
            Admission::Unfinished(it) => self.answer_with(Problem::Unread, &about(it.exchange())),
            Admission::Spent { exchange } => self.answer_with(Problem::Spent, &about(exchange)),
            Admission::Unread { exchange } => self.answer_with(Problem::Unread, &about(exchange)),
            Admission::OtherSecret => self.refuse(Problem::OtherSecret),
            Admission::Refused(refusal) => self.refuse(Problem::Refused(refusal)),
            Admission::Held(held) => return self.answer_held(&held, Told::AsItStands, holding),
        }
        .into()
    }

    fn given(&self, flight: &Flight, replayed: bool, holding: Holding) -> Given {
        let (polls, submitted_at) = flight.progress();
        Given {
            replayed,
            looked_up: flight.was_looked_up(),
            submit: submitted_at
                .map(|at| at.since(flight.read_at()))
                .unwrap_or_default(),
            hold: self.shared.clock.now().since(holding.arrived_at),
            polls,
        }
    }
}

impl Waiting {
    /// The answer, when there is one. What it holds on to is held for every request, for minutes: an
    /// `async fn` would hold its arguments twice.
    #[expect(clippy::manual_async_fn, reason = "the documentation says why")]
    fn answer(mut self, slot: Option<Slot>) -> impl Future<Output = Delivery> + Send {
        async move {
            loop {
                let told = self.outcome(slot.is_some()).await;
                match (told, self.held.again.take()) {
                    (Told::Renew, Some(again)) => {
                        let flights = &self.proxy.shared.flights;
                        match Box::pin(flights.request(*again).opened()).await {
                            Admission::Held(renewed) => self.held = renewed,
                            ended => {
                                self.is_answered = true;
                                return self.proxy.answer_ended(ended, self.holding);
                            }
                        }
                    }
                    (told, _) => {
                        self.is_answered = true;
                        return self.proxy.answer_held(&self.held, told, self.holding);
                    }
                }
            }
        }
    }

    /// What the exchange has come to, or that it goes on when the hold is over. One for which
    /// `limits.held` has no place is not held.
    async fn outcome(&mut self, has_place: bool) -> Told {
        let shared = &self.proxy.shared;
        let now = shared.clock.now();
        let mut until = if has_place { self.holding.until } else { now };
        if self.held.joined {
            until = until.max(now + A_TURN);
        }
        let until = shared.clock.instant(until);
        match tokio::time::timeout_at(until, &mut self.held.told).await {
            Ok(Ok(told)) => told,
            Ok(Err(_)) => Told::InDoubt(Doubt::Driver),
            Err(_) if has_place => {
                self.hold_over();
                Told::AsItStands
            }
            Err(_) => Told::AsItStands,
        }
    }

    fn hold_over(&self) {
        let shared = &self.proxy.shared;
        let flight = &self.held.flight;
        shared.metrics.hold_expired();
        flight.hold_ended(shared.flights.now());
    }
}

/// What is told beside an answer of the gateway.
fn named(exchange: Uuid, holding: Holding) -> About {
    About {
        exchange: Some(exchange),
        wait_applied: holding.wait,
        ..About::default()
    }
}

/// What is told of a flight whose answer is not there.
pub(super) fn unfinished(flight: &Flight) -> Problem {
    match flight.standing() {
        (Standing::InProgress, _) => Problem::InProgress,
        // Without a doubt of its own it is in doubt because the process ends.
        (Standing::InDoubt, doubt) => doubt.map_or(Problem::Stopped, Problem::InDoubt),
    }
}
