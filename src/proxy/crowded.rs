//! A body that finds no room in memory, or is larger than may be now. It is read on and not kept: its
//! fingerprint alone tells whether it is the repeat of what runs, which must never be told that nothing
//! was sent.
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::config::Config;
use super::convert::Unread;
use super::problem::{BodyFault, Problem};
use super::service::Proxy;
use crate::exchange::machine::Standing;
use crate::exchange::{Credential, Fingerprint, FingerprintParts, Flight, Recogniser};

impl Proxy {
    /// What is told of a request whose body was not read whole.
    pub(super) async fn unread(
        &self,
        unread: Unread,
        parts: FingerprintParts<'_>,
        credential: Credential,
        fields: &HeaderMap,
        rest: &mut Incoming,
    ) -> Problem {
        let length = fields.get(CONTENT_LENGTH);
        let length: Option<u64> = length.and_then(|it| it.to_str().ok()?.parse().ok());
        let (fault, read) = match (unread, length) {
            (Unread::NoRoom { read }, _) => (BodyFault::NoRoom, read),
            // What runs may have begun when more was allowed.
            (Unread::Fault(fault @ BodyFault::TooLarge), Some(length))
                if length <= Config::LARGEST_BODY as u64 && self.shared.flights.remembers() =>
            {
                (fault, Bytes::new())
            }
            (Unread::Fault(fault), _) => return Problem::Body(fault),
        };
        match length {
            Some(length) => {
                let read = (read, length);
                self.turn_away(parts, credential, read, rest, fault).await
            }
            None => Problem::Unrecognised,
        }
    }

    /// What is told of a request whose body is not kept: all but its body, what was read of that and how
    /// long it is, and the rest of it. `fault` where it is no repeat.
    async fn turn_away(
        &self,
        parts: FingerprintParts<'_>,
        credential: Credential,
        (read, length): (Bytes, u64),
        rest: &mut Incoming,
        fault: BodyFault,
    ) -> Problem {
        let flights = &self.shared.flights;
        let recogniser = flights
            .hash_key()
            .recogniser(parts.with_body(&read), length);
        // It has no share of the room any more.
        drop(read);
        let limit = self.config.body_timeout;
        match tokio::time::timeout(limit, recognise(recogniser, rest)).await {
            Ok(Some(fingerprint)) => match flights.equal(&fingerprint) {
                None => Problem::Body(fault),
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
