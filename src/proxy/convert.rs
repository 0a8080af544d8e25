//! A payment: read whole, turned into an order, held until its exchange has an outcome.
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, HeaderMap, HeaderName, HeaderValue,
};
use http::request::Parts as Head;
use http::uri::PathAndQuery;
use hyper::body::Incoming;

use super::crowded::unfinished;
use super::key::{GivenKey, KeyFault, Requester};
use super::metrics::Place;
use super::problem::{BodyFault, Problem};
use super::respond::{self, About, Given};
use super::service::{Incomer, Proxy, path_of};
use crate::exchange::machine::Doubt;
use crate::exchange::{
    Admission, Credentials, Fingerprint, FingerprintParts, Flight, Gateway, HashKey, Held,
    Identity, Key, Order, Submission, Told,
};
use crate::listener::{Receipt, Reply};
use crate::message::{Body, BodyError, collect_within, erasable_within, wait_preference};
use crate::protocol::{Conversion, MatchFacts};
use crate::timing::{Moment, wall_clock};

/// So much of a body needs no room in `limits.bodies`: an ordinary payment takes a tenth of it, and its
/// repeat must be read whatever others send.
pub(super) const FREE_BODY: usize = 16 * 1024;

/// Why a body was not read whole.
pub(super) enum Unread {
    Fault(BodyFault),
    /// It is over `limits.body`; this is its beginning, or nothing where its length told.
    TooLarge {
        read: Bytes,
    },
    /// Its beginning is all that there is room for.
    NoRoom {
        read: Bytes,
    },
}

impl From<Unread> for Problem {
    fn from(unread: Unread) -> Self {
        Self::Body(match unread {
            Unread::Fault(fault) => fault,
            Unread::TooLarge { .. } => BodyFault::TooLarge,
            Unread::NoRoom { .. } => BodyFault::NoRoom,
        })
    }
}

/// What the head of a payment asks for: its order, but for the body.
pub(super) struct Asked<'a> {
    head: &'a Head,
    gateway: &'a Arc<Gateway>,
    requester: Requester,
    given: GivenKey<'a>,
    path: PathAndQuery,
    /// The path of its asynchronous twin.
    twin: PathAndQuery,
    credentials: Credentials,
}

impl Asked<'_> {
    /// What makes it the same request as another one, but the body.
    fn fingerprint_parts<'a>(&'a self, shape: &'a [u8]) -> FingerprintParts<'a> {
        FingerprintParts {
            owner: self.requester.owner,
            method: self.head.method.as_str().as_bytes(),
            path: self.path.as_str().as_bytes(),
            shape,
            key: self.given.bytes(),
            body: &[],
        }
    }

    fn identity(&self, fingerprint: Fingerprint) -> Identity {
        Identity {
            owner: self.requester.owner,
            credential: self.requester.credential,
            fingerprint,
        }
    }

    fn key(&self, hash_key: &HashKey) -> Key {
        let owner = self.requester.owner;
        self.given.to_key(hash_key, owner, self.path.as_str())
    }

    /// The client's fields as its submit carries them.
    fn submit_fields(&self, key: &Key) -> HeaderMap {
        let head = self.head;
        let mut fields = respond::upstream_fields(head.headers.clone(), head.version);
        fields.remove(HeaderName::from_static("prefer"));
        // The answer's body must be read to know its class.
        fields.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let key_field = self.gateway.profile.key_field.clone();
        fields.insert(key_field, key.value.clone());
        let authorization = self.credentials.authorization().clone();
        fields.insert(AUTHORIZATION, authorization);
        fields
    }
}

/// What an order leaves with the request that is held for it.
#[derive(Clone, Copy)]
pub(super) struct Holding {
    arrived_at: Moment,
    until: Moment,
    /// The preference of the client that shortened the hold.
    wait: Option<Duration>,
}

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
            self.held.flight.client_left(now);
        }
    }
}

impl Proxy {
    pub(super) async fn exchange(
        self,
        mut incomer: Incomer,
        conversion: &'static Conversion,
    ) -> Reply {
        let (order, holding) = match self.order(&mut incomer, conversion).await {
            Ok(ordered) => ordered,
            Err(problem) => return self.refuse(problem).into(),
        };
        let place = self.shared.metrics.place(self.config.held);
        let order = Order {
            has_place: place.is_some(),
            ..order
        };
        let admission = self.shared.flights.request(order);
        let admission = Box::pin(admission.opened()).await;
        self.admitted(admission, holding, place, incomer.body)
    }

    /// What an admitted request is told, now or later; its `body` is at its end.
    pub(super) fn admitted(
        self,
        admission: Admission,
        holding: Holding,
        place: Option<Place>,
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
                Reply::later(body, waiting.answer(place))
            }
            ended => self.tell_ended(ended, holding).into(),
        }
    }

    /// Reads a request whole and makes it an order. Its body is at its end then.
    async fn order(
        &self,
        incomer: &mut Incomer,
        conversion: &'static Conversion,
    ) -> Result<(Order, Holding), Problem> {
        let asked = self.asked(&incomer.head, &incomer.gateway)?;
        self.ordered(asked, conversion, &mut incomer.body, incomer.arrived_at)
            .await
    }

    /// Makes an order of what a head asks for and of its body, which is at its end then.
    pub(super) async fn ordered(
        &self,
        asked: Asked<'_>,
        conversion: &'static Conversion,
        incoming: &mut Incoming,
        arrived_at: Moment,
    ) -> Result<(Order, Holding), Problem> {
        let hash_key = self.shared.flights.hash_key();
        let fields = &asked.head.headers;
        let shape = asked.credentials.shape();
        let parts = asked.fingerprint_parts(&shape);
        let body = match self.read_body(incoming).await {
            Ok(body) => body,
            Err(unread) => {
                let credential = asked.requester.credential;
                let told = self.unread(unread, parts, credential, fields, incoming);
                return Err(Box::pin(told).await);
            }
        };
        let read_at = self.shared.clock.now();
        let holding = self.holding(fields, arrived_at);
        let identity = asked.identity(hash_key.fingerprint(parts.with_body(&body)));
        let key = asked.key(hash_key);
        let order = Order {
            facts: MatchFacts::of(conversion, &body),
            conversion,
            identity,
            submission: Box::new(Submission {
                fields: asked.submit_fields(&key),
                path: asked.twin,
                body,
            }),
            key,
            credentials: Box::new(asked.credentials),
            gateway: Arc::clone(asked.gateway),
            read_at,
            hold_until: holding.until,
            has_place: true,
        };
        Ok((order, holding))
    }

    /// Reads a payment's head.
    pub(super) fn asked<'a>(
        &'a self,
        head: &'a Head,
        gateway: &'a Arc<Gateway>,
    ) -> Result<Asked<'a>, Problem> {
        let (fields, profile) = (&head.headers, gateway.profile);
        let hash_key = self.shared.flights.hash_key();
        let requester = Requester::of(hash_key, &gateway.name, fields).map_err(Problem::Key)?;
        let foreign = self.config.key_field.as_ref();
        let given = GivenKey::of(fields, &profile.key_field, foreign).map_err(Problem::Key)?;
        if fields.contains_key(CONTENT_ENCODING) {
            return Err(Problem::Body(BodyFault::Coding));
        }
        let path = path_of(head);
        let twin = profile.async_path(&path).ok_or(Problem::Disguised)?;
        let credentials = Credentials::of(fields, &profile.shape_fields)
            .ok_or(Problem::Key(KeyFault::NoCredentials))?;
        Ok(Asked {
            head,
            gateway,
            requester,
            given,
            path,
            twin,
            credentials,
        })
    }

    /// Reads a body whole, into memory that is erased when it is let go.
    pub(super) async fn read_body(&self, body: &mut Incoming) -> Result<Bytes, Unread> {
        let config = &self.config;
        let mut share = self.shared.bodies.share();
        let whole = collect_within(body, config.max_body, FREE_BODY, &mut share);
        let fault = match tokio::time::timeout(config.body_timeout, whole).await {
            Ok(Ok(body)) => return Ok(erasable_within(body, share)),
            Ok(Err(BodyError::NoRoom { read })) => {
                self.shared.metrics.body_turned_away();
                return Err(Unread::NoRoom { read });
            }
            Ok(Err(BodyError::TooLarge { read, .. })) => return Err(Unread::TooLarge { read }),
            Ok(Err(BodyError::Cut(_))) => BodyFault::Cut,
            Err(_) => BodyFault::TooSlow,
        };
        Err(Unread::Fault(fault))
    }

    /// How long the request is held: as its client prefers, if that is shorter.
    fn holding(&self, fields: &HeaderMap, arrived_at: Moment) -> Holding {
        let longest = self.config.hold;
        let wait = wait_preference(fields).filter(|wait| *wait < longest);
        Holding {
            arrived_at,
            until: arrived_at + wait.unwrap_or(longest),
            wait,
        }
    }

    fn tell_told(&self, held: &Held, told: Told, holding: Holding) -> Response<Body> {
        let flight = &held.flight;
        let about = self.about(flight, holding);
        let problem = match told {
            Told::Answer { answer, replayed } => {
                let given = self.given(flight, replayed, holding);
                let mut response = respond::answer(&answer, &about, given);
                let (flight, waiter) = (Arc::clone(flight), held.waiter);
                let settle = move |delivered| flight.settle(waiter, delivered);
                response.extensions_mut().insert(Receipt::new(settle));
                return response;
            }
            Told::Refused(answer) => {
                let given = self.given(flight, false, holding);
                return respond::answer(&answer, &about, given);
            }
            Told::NotSubmitted { why, cause } => Problem::NotSubmitted(why, cause),
            Told::InDoubt(doubt) => Problem::InDoubt(doubt),
            Told::Expired => Problem::Expired,
            // A waiter without a request to renew has started its exchange itself.
            Told::HoldOver | Told::Renew => unfinished(flight),
        };
        self.tell(problem, &about)
    }

    fn tell_ended(&self, ended: Admission, holding: Holding) -> Response<Body> {
        let about = |exchange| About {
            exchange: Some(exchange),
            wait_applied: holding.wait,
            ..About::default()
        };
        match ended {
            Admission::Kept { exchange, answer } => {
                respond::answer(&answer, &about(exchange), Given::again())
            }
            // What is on disk has been read by now.
            Admission::Stored(stored) => self.tell(Problem::Spent, &about(stored.exchange())),
            Admission::Spent { exchange } => self.tell(Problem::Spent, &about(exchange)),
            Admission::OtherSecret => self.refuse(Problem::OtherSecret),
            Admission::Refused(refusal) => self.refuse(Problem::Refused(refusal)),
            Admission::Held(held) => self.tell_told(&held, Told::HoldOver, holding),
        }
    }

    fn about(&self, flight: &Flight, holding: Holding) -> About {
        let now = self.shared.clock.now();
        let submitted_at = flight
            .first_sent()
            .and_then(|sent| wall_clock().checked_sub(now.since(sent)));
        About {
            exchange: Some(flight.id()),
            request_id: flight.ticket(),
            key: Some(flight.key().value.clone()),
            tracking_id: flight.facts().tracking_id.clone(),
            submitted_at,
            wait_applied: holding.wait,
        }
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
    fn answer(mut self, place: Option<Place>) -> impl Future<Output = Response<Body>> + Send {
        async move {
            loop {
                let told = if place.is_some() {
                    self.told().await
                } else {
                    Told::HoldOver
                };
                match (told, self.held.again.take()) {
                    (Told::Renew, Some(again)) => {
                        let flights = &self.proxy.shared.flights;
                        match Box::pin(flights.request(*again).opened()).await {
                            Admission::Held(renewed) => self.held = renewed,
                            ended => {
                                self.is_answered = true;
                                return self.proxy.tell_ended(ended, self.holding);
                            }
                        }
                    }
                    (told, _) => {
                        self.is_answered = true;
                        return self.proxy.tell_told(&self.held, told, self.holding);
                    }
                }
            }
        }
    }

    async fn told(&mut self) -> Told {
        let shared = &self.proxy.shared;
        let until = shared.clock.instant(self.holding.until);
        match tokio::time::timeout_at(until, &mut self.held.told).await {
            Ok(Ok(told)) => told,
            Ok(Err(_)) => Told::InDoubt(Doubt::Driver),
            Err(_) => {
                self.hold_over();
                Told::HoldOver
            }
        }
    }

    fn hold_over(&self) {
        let shared = &self.proxy.shared;
        let flight = &self.held.flight;
        shared.metrics.hold_expired();
        flight.hold_ended(shared.clock.now());
    }
}
