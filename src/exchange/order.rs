//! What a downstream request asks an exchange to do, parsed and whole.
use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request};
use std::sync::Arc;
use std::time::Duration;

use super::admission::Refusal;
use super::gateway::Gateway;
use super::identity::{Credential, Fingerprint, HashKey, Owner};
use crate::journal::AnswerKey;
use crate::listener::Presence;
use crate::message::fields::with_room;
use crate::message::{Body, TraceParent, copied_value, erasable_value};
use crate::protocol::{Conversion, MatchFacts};
use crate::timing::Moment;

/// Room for the fields that every request gets on its way: `Host` and `Connection`.
const ROOM_FOR_HOP: usize = 2;

/// A converted request that may not be sent twice.
#[derive(Clone)]
pub struct Order {
    /// Where it goes.
    pub gateway: Arc<Gateway>,
    /// What it is.
    pub conversion: &'static Conversion,
    /// Who asks for what.
    pub identity: Identity,
    /// The idempotency key that it leaves with.
    pub key: Key,
    /// By what its transaction is found again.
    pub facts: MatchFacts,
    /// The request as it leaves; boxed, because most of a flight's life goes without it.
    pub submission: Box<Submission>,
    /// What its polls carry.
    pub credentials: Box<Credentials>,
    /// When it was read whole.
    pub read_at: Moment,
    /// How long that took since its head had come.
    pub reading: Duration,
    /// Until when its connection is held.
    pub hold_until: Moment,
    /// Who asks, as far as the connection tells.
    pub client: Presence,
    /// Why it may not start an exchange, where that is so; it may join one all the same.
    pub barred: Option<Refusal>,
}

/// Who asks for what.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// The shop.
    pub owner: Owner,
    /// Its full credentials.
    pub credential: Credential,
    /// The request.
    pub fingerprint: Fingerprint,
}

/// The idempotency key of an exchange.
#[derive(Clone, Debug)]
pub struct Key {
    /// The value of the gateway's key field, the same on every submit.
    pub value: HeaderValue,
    /// True if the client gave a key, false if it was made here.
    pub explicit: bool,
}

/// The submit of an exchange. Dropped once the gateway has taken the task: it holds the card.
#[derive(Clone)]
pub struct Submission {
    /// The asynchronous twin's path.
    pub path: PathAndQuery,
    /// The client's end-to-end fields and the key.
    pub fields: HeaderMap,
    /// The client's body, byte for byte.
    pub body: Bytes,
}

impl Submission {
    /// The request to send.
    pub fn to_request(&self) -> Request<Body> {
        let mut request = Request::new(Body::from(self.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.path.clone().into();
        *request.headers_mut() = with_room(&self.fields, ROOM_FOR_HOP);
        request
    }
}

/// The fields that every poll and lookup carries: the client's credentials, what shapes the answer,
/// and the trace of its request. No idempotency key: a poll is another request.
#[derive(Clone)]
pub struct Credentials {
    authorization: HeaderValue,
    shape: Vec<(HeaderName, HeaderValue)>,
    trace: Option<TraceParent>,
}

impl Credentials {
    /// The credentials of a request with these fields; `None` without an `Authorization`.
    pub fn of(fields: &HeaderMap, shape_fields: &[HeaderName]) -> Option<Self> {
        let authorization = erasable_value(fields.get(AUTHORIZATION)?);
        let shape = shape_fields
            .iter()
            .flat_map(|name| {
                fields
                    .get_all(name)
                    .iter()
                    .map(|value| (name.clone(), copied_value(value)))
            })
            .collect();
        Some(Self {
            authorization,
            shape,
            trace: TraceParent::of(fields),
        })
    }

    /// The client's own `Authorization`.
    pub const fn authorization(&self) -> &HeaderValue {
        &self.authorization
    }

    /// The trace of the request that brought them.
    pub(super) const fn trace(&self) -> Option<TraceParent> {
        self.trace
    }

    /// The key of what is kept for them.
    pub(super) fn answer_key(&self, hash_key: &HashKey, gateway: &str) -> AnswerKey {
        hash_key.answer_key(gateway, self.authorization.as_bytes())
    }

    /// The values of the fields that shape the answer, as one text for the fingerprint.
    pub fn shape(&self) -> Vec<u8> {
        let lines = self.shape.iter().map(|(name, value)| {
            [name.as_str().as_bytes(), b":", value.as_bytes(), b"\n"].concat()
        });
        lines.collect::<Vec<_>>().concat()
    }

    /// A `GET` of `path` under these credentials. The answer must be readable, so no coding of it
    /// is accepted: where nothing is said any is (RFC 9110 §12.5.3).
    pub fn get(&self, path: PathAndQuery) -> Request<Body> {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = path.into();
        let fields = request.headers_mut();
        fields.reserve(5 + self.shape.len());
        fields.insert(AUTHORIZATION, self.authorization.clone());
        fields.insert(
            http::header::ACCEPT,
            HeaderValue::from_static("application/json"),
        );
        fields.insert(
            http::header::ACCEPT_ENCODING,
            HeaderValue::from_static("identity"),
        );
        for (name, value) in &self.shape {
            fields.append(name, value.clone());
        }
        if let Some(trace) = self.trace {
            fields.insert(TraceParent::name(), trace.to_value());
        }
        request
    }
}
