//! A payment's order: what its head asks for, and its body, read whole.
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, HeaderMap, HeaderName, HeaderValue,
};
use http::request::Parts as Head;
use http::uri::PathAndQuery;
use hyper::body::Incoming;

use super::key::{GivenKey, KeyFault, Requester};
use super::problem::{BodyFault, Problem};
use super::respond::{self, About};
use super::service::{Incomer, Proxy, path_of};
use crate::exchange::{
    Credentials, Fingerprint, FingerprintParts, Gateway, HashKey, Identity, Key, Order, Submission,
};
use crate::message::fields::with_room;
use crate::message::{BodyError, collect_within, erasable_within, wait_preference};
use crate::protocol::{Conversion, MatchFacts};
use crate::timing::Moment;

/// So much of a body needs no room in `limits.bodies`: an ordinary payment takes a tenth of it, and its
/// repeat must be read whatever others send.
pub(super) const FREE_BODY: usize = 16 * 1024;

/// Room for the fields that a submit has beside the client's: its key, its trace, `Via`, and which codings
/// it accepts.
const ROOM_FOR_OURS: usize = 4;

/// A body that was not read whole, and why.
pub(super) enum PartialBody {
    Fault(BodyFault),
    /// It is over the limit; this is its beginning, or nothing where its length told.
    TooLarge {
        read: Bytes,
    },
    /// Its beginning is all that there is room for.
    NoRoom {
        read: Bytes,
    },
}

impl From<PartialBody> for Problem {
    fn from(unread: PartialBody) -> Self {
        Self::Body(match unread {
            PartialBody::Fault(fault) => fault,
            PartialBody::TooLarge { .. } => BodyFault::TooLarge,
            PartialBody::NoRoom { .. } => BodyFault::NoRoom,
        })
    }
}

/// What the head of a payment asks for: its order, but for the body.
pub(super) struct Asked<'a> {
    pub(super) head: &'a Head,
    gateway: &'a Arc<Gateway>,
    pub(super) requester: Requester,
    given: GivenKey<'a>,
    path: PathAndQuery,
    /// The path of its asynchronous twin.
    twin: PathAndQuery,
    pub(super) credentials: Credentials,
}

impl Asked<'_> {
    /// What makes it the same request as another one, but the body.
    pub(super) fn fingerprint_parts<'a>(&'a self, shape: &'a [u8]) -> FingerprintParts<'a> {
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
        let mut fields =
            respond::upstream_fields(with_room(&head.headers, ROOM_FOR_OURS), head.version);
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

/// Why a request made no order, and what is known of the exchange that it repeats.
#[derive(Debug)]
pub(super) struct Unordered {
    pub(super) problem: Problem,
    pub(super) about: About,
}

impl From<Problem> for Unordered {
    fn from(problem: Problem) -> Self {
        let about = About::default();
        Self { problem, about }
    }
}

/// What an order leaves with the request that is held for it.
#[derive(Clone, Copy)]
pub(super) struct Holding {
    pub(super) arrived_at: Moment,
    pub(super) until: Moment,
    /// The preference of the client that shortened the hold.
    pub(super) wait: Option<Duration>,
}

impl Proxy {
    /// Reads a request whole and makes it an order. Its body is at its end then.
    pub(super) async fn order(
        &self,
        incomer: &mut Incomer,
        conversion: &'static Conversion,
    ) -> Result<(Order, Holding), Unordered> {
        let asked = self.asked(&incomer.head, &incomer.gateway)?;
        match self
            .read_body(&mut incomer.body, self.config.max_body)
            .await
        {
            Ok(body) => Ok(self.ordered(asked, conversion, body, incomer.arrived_at)),
            Err(unread) => {
                let told = self.unread(unread, &asked, &mut incomer.body);
                Err(Box::pin(told).await)
            }
        }
    }

    /// Makes an order of what a head asks for and of its body.
    pub(super) fn ordered(
        &self,
        asked: Asked<'_>,
        conversion: &'static Conversion,
        body: Bytes,
        arrived_at: Moment,
    ) -> (Order, Holding) {
        let hash_key = self.shared.flights.hash_key();
        let shape = asked.credentials.shape();
        let parts = asked.fingerprint_parts(&shape).with_body(&body);
        let identity = asked.identity(hash_key.fingerprint(parts));
        let holding = self.holding(&asked.head.headers, arrived_at);
        let key = asked.key(hash_key);
        let read_at = self.shared.clock.now();
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
            reading: read_at.since(arrived_at),
            hold_until: holding.until,
            client: asked.head.extensions.get().cloned().unwrap_or_default(),
            barred: None,
        };
        (order, holding)
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

    /// Reads a body of no more than `most` bytes whole, into memory that is erased when it is let go.
    pub(super) async fn read_body(
        &self,
        body: &mut Incoming,
        most: usize,
    ) -> Result<Bytes, PartialBody> {
        let config = &self.config;
        let mut share = self.shared.bodies.share();
        let whole = collect_within(body, most, FREE_BODY, &mut share);
        let fault = match tokio::time::timeout(config.body_timeout, whole).await {
            Ok(Ok(body)) => return Ok(erasable_within(body, share)),
            Ok(Err(BodyError::NoRoom { read })) => {
                self.shared.metrics.body_turned_away();
                return Err(PartialBody::NoRoom { read });
            }
            Ok(Err(BodyError::TooLarge { read, .. })) => {
                let read = erasable_within(read, share);
                return Err(PartialBody::TooLarge { read });
            }
            Ok(Err(BodyError::Cut(_))) => BodyFault::Cut,
            Err(_) => BodyFault::TooSlow,
        };
        Err(PartialBody::Fault(fault))
    }

    /// How long the request is held: as its client prefers, if that is shorter.
    pub(super) fn holding(&self, fields: &HeaderMap, arrived_at: Moment) -> Holding {
        let longest = self.config.hold;
        let wait = wait_preference(fields).filter(|wait| *wait < longest);
        Holding {
            arrived_at,
            until: arrived_at + wait.unwrap_or(longest),
            wait,
        }
    }
}
