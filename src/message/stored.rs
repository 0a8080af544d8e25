//! A response that was read whole and can be given again, byte for byte.
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};

use super::Body;

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
        *response.headers_mut() = self.fields.clone();
        response
    }
}
