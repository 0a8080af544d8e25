//! A body that finds no room in memory. It is read on and not kept: its fingerprint alone tells
//! whether it is the repeat of what runs, which must never be told that nothing was sent.
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::problem::{BodyFault, Problem};
use super::service::Proxy;
use crate::exchange::machine::Standing;
use crate::exchange::{Credential, Fingerprint, FingerprintParts, Flight, Recogniser};

impl Proxy {
    /// What is told of a request whose body has no room: all but its body, what was `read` of that,
    /// and the rest of it.
    pub(super) async fn turn_away(
        &self,
        parts: FingerprintParts<'_>,
        credential: Credential,
        fields: &HeaderMap,
        read: Bytes,
        rest: &mut Incoming,
    ) -> Problem {
        let length = fields.get(CONTENT_LENGTH);
        let Some(length) = length.and_then(|it| it.to_str().ok()?.parse().ok()) else {
            return Problem::Unrecognised;
        };
        let flights = &self.shared.flights;
        let recogniser = flights
            .hash_key()
            .recogniser(parts.with_body(&read), length);
        // It has no share of the room any more.
        drop(read);
        let limit = self.config.body_timeout;
        match tokio::time::timeout(limit, recognise(recogniser, rest)).await {
            Ok(Some(fingerprint)) => match flights.equal(&fingerprint) {
                None => Problem::Body(BodyFault::NoRoom),
                Some(flight) if flight.opens_with(credential) => unfinished(&flight),
                Some(_) => Problem::OtherSecret,
            },
            Ok(None) => Problem::Body(BodyFault::Cut),
            Err(_) => Problem::Body(BodyFault::TooSlow),
        }
    }
}

/// Lets the rest of a body pass by.
async fn recognise(mut recogniser: Recogniser, rest: &mut Incoming) -> Option<Fingerprint> {
    while let Some(frame) = rest.frame().await {
        if let Ok(data) = frame.ok()?.into_data() {
            recogniser.read(&data);
        }
    }
    Some(recogniser.fingerprint())
}

/// What is told of a flight whose answer is not there.
pub(super) fn unfinished(flight: &Flight) -> Problem {
    match flight.standing() {
        (Standing::InProgress, _) => Problem::InProgress,
        // Without a doubt of its own it is in doubt because the process ends.
        (Standing::InDoubt, doubt) => doubt.map_or(Problem::Stopped, Problem::InDoubt),
    }
}
