//! A body that finds no room in memory. It is read on and not kept: its fingerprint alone tells
//! whether it is the repeat of what runs, which must never be told that nothing was sent.
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::problem::{BodyFault, Problem};
use super::service::Proxy;
use crate::exchange::machine::Standing;
use crate::exchange::{Credential, Fingerprint, FingerprintParts, Flight};

impl Proxy {
    /// What is told of a request whose body has no room. `parts` has as much of the body as was
    /// read, the rest is in `body`.
    pub(super) async fn turn_away(
        &self,
        parts: FingerprintParts<'_>,
        credential: Credential,
        fields: &HeaderMap,
        body: &mut Incoming,
    ) -> Problem {
        let length = fields.get(CONTENT_LENGTH);
        let Some(length) = length.and_then(|it| it.to_str().ok()?.parse().ok()) else {
            return Problem::Unrecognised;
        };
        let limit = self.shared.config.body_timeout;
        let recognised = self.recognise(parts, length, body);
        match tokio::time::timeout(limit, recognised).await {
            Ok(Some(fingerprint)) => {
                let equal = self.shared.flights.equal(&fingerprint);
                equal.map_or(Problem::Body(BodyFault::NoRoom), |flight| {
                    if flight.opens_with(credential) {
                        unfinished(&flight)
                    } else {
                        Problem::OtherSecret
                    }
                })
            }
            Ok(None) => Problem::Body(BodyFault::Cut),
            Err(_) => Problem::Body(BodyFault::TooSlow),
        }
    }

    async fn recognise(
        &self,
        parts: FingerprintParts<'_>,
        length: u64,
        body: &mut Incoming,
    ) -> Option<Fingerprint> {
        let mut recogniser = self.shared.flights.hash_key().recogniser(parts, length);
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame.ok()?.into_data() {
                recogniser.read(&data);
            }
        }
        Some(recogniser.fingerprint())
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
