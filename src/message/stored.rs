//! A response that was read whole and can be given again, byte for byte.
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::fields::with_room;
use super::{Body, erasable};

/// Room for the fields that are told beside a response's own.
const ROOM_FOR_OURS: usize = 6;

/// The value in memory of its own, for one that outlives the message that it came with.
pub fn copied_value(value: &HeaderValue) -> HeaderValue {
    let mut copied = HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| value.clone());
    copied.set_sensitive(value.is_sensitive());
    copied
}

/// The value in memory of its own that is erased when its last holder lets go: for a secret.
pub fn erasable_value(value: &HeaderValue) -> HeaderValue {
    let bytes = erasable(Bytes::copy_from_slice(value.as_bytes()));
    let mut secret = HeaderValue::from_maybe_shared(bytes).unwrap_or_else(|_| value.clone());
    secret.set_sensitive(true);
    secret
}

/// A whole response: status, end-to-end fields and body bytes, as the gateway sent them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResponse {
    /// The status code.
    pub status: StatusCode,
    /// The end-to-end fields; hop-by-hop fields and framing are gone (RFC 9110 §7.6.1).
    pub fields: HeaderMap,
    /// The body, exactly as it came.
    pub body: Bytes,
}

impl StoredResponse {
    /// The response in memory of its own, where its fields and body may be slices of a larger buffer.
    pub fn copied(&self) -> Self {
        let mut fields = HeaderMap::with_capacity(self.fields.len());
        for (name, value) in &self.fields {
            fields.append(name, copied_value(value));
        }
        Self {
            status: self.status,
            fields,
            body: Bytes::copy_from_slice(&self.body),
        }
    }

    /// True if status and body are equal. Fields may differ by what only tells of this message: its
    /// date, a trace id, a cookie.
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.status == other.status && self.body == other.body
    }

    /// The bytes that this response takes in memory, about: for limits, not for accounts.
    pub fn weight(&self) -> usize {
        let fields: usize = self
            .fields
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 64)
            .sum();
        self.body.len() + fields + size_of::<Self>()
    }

    /// The response as a message to send.
    pub fn to_response(&self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body.clone()));
        *response.status_mut() = self.status;
        *response.headers_mut() = with_room(&self.fields, ROOM_FOR_OURS);
        response
    }
}
