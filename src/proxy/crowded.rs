//! A body that finds no room in memory, or is larger than may be now. It is read on for its
//! fingerprint alone, which tells whether it is the repeat of what runs or was paid: that must never be
//! told that nothing was sent.
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::config::Config;
use super::order::{Asked, FREE_BODY, PartialBody, Unordered};
use super::payment::unfinished;
use super::problem::{BodyFault, Problem};
use super::respond::About;
use super::service::Proxy;
use crate::exchange::{Fingerprint, FingerprintParts, Known};

/// So much of a body is hashed in one go: a tenth of a millisecond, in which others wait.
const PIECE: usize = 256 * 1024;

impl Proxy {
    /// What is told of a request whose body was not read whole, by what it asks for and the rest of its
    /// body.
    pub(super) async fn unread(
        &self,
        unread: PartialBody,
        asked: &Asked<'_>,
        rest: &mut Incoming,
    ) -> Unordered {
        let (fault, read) = match unread {
            PartialBody::NoRoom { read } => (BodyFault::NoRoom, read),
            // What runs may have begun when more was allowed.
            PartialBody::TooLarge { read } => (BodyFault::TooLarge, read),
            PartialBody::Fault(fault) => return Problem::Body(fault).into(),
        };
        // Nothing can be equal.
        if !self.shared.flights.remembers() {
            return Problem::Body(fault).into();
        }
        let shape = asked.credentials.shape();
        let parts = asked.fingerprint_parts(&shape);
        let length = asked.head.headers.get(CONTENT_LENGTH);
        let length: Option<u64> = length.and_then(|it| it.to_str().ok()?.parse().ok());
        let recognised = async {
            match (length, fault) {
                (Some(length), _) => self.recognised(parts, read, length, rest).await,
                (None, BodyFault::TooLarge) => self.gathered(parts, read, rest).await,
                (None, _) => Err(Problem::Unrecognised),
            }
        };
        let recognised = tokio::time::timeout(self.config.body_timeout, recognised).await;
        let fingerprint = match recognised {
            Ok(Ok(fingerprint)) => fingerprint,
            Ok(Err(problem)) => return problem.into(),
            Err(_) => return Problem::Body(BodyFault::TooSlow).into(),
        };
        let credential = asked.requester.credential;
        let problem = match self.shared.flights.known(&fingerprint, credential) {
            None => Problem::Body(fault),
            Some(Known::Unended(flight)) => {
                return Unordered {
                    problem: unfinished(&flight),
                    about: About::of(&flight, None),
                };
            }
            Some(Known::OtherSecret) => Problem::OtherSecret,
            // It is given what is kept once it is read whole, which one that is too large never is.
            Some(Known::Ended { is_kept: true }) if fault != BodyFault::TooLarge => Problem::Unread,
            Some(Known::Ended { .. }) => Problem::Spent,
        };
        problem.into()
    }

    /// Lets the rest of a body pass by whose length is known.
    async fn recognised(
        &self,
        parts: FingerprintParts<'_>,
        read: Bytes,
        length: u64,
        rest: &mut Incoming,
    ) -> Result<Fingerprint, Problem> {
        if length > Config::LARGEST_BODY as u64 {
            return Err(Problem::Body(BodyFault::TooLarge));
        }
        let hash_key = self.shared.flights.hash_key();
        let mut recogniser = hash_key.recogniser(parts.with_body(&read), length);
        // What has passed by is not kept, nor its share of the room.
        drop(read);
        while let Some(data) = next_of(rest).await? {
            recogniser.read(&data);
        }
        Ok(recogniser.fingerprint())
    }

    /// Gathers the rest of a body whose length nobody told: a fingerprint begins with the length.
    async fn gathered(
        &self,
        parts: FingerprintParts<'_>,
        read: Bytes,
        rest: &mut Incoming,
    ) -> Result<Fingerprint, Problem> {
        let mut share = self.shared.bodies.share();
        let mut whole = BytesMut::from(read);
        loop {
            if whole.len() > Config::LARGEST_BODY {
                return Err(Problem::Body(BodyFault::TooLarge));
            }
            if !share.grow_to(whole.len().saturating_sub(FREE_BODY)) {
                return Err(Problem::Unrecognised);
            }
            match next_of(rest).await? {
                Some(data) => whole.extend_from_slice(&data),
                None => break,
            }
        }
        let hash_key = self.shared.flights.hash_key();
        let mut recogniser = hash_key.recogniser(parts, whole.len() as u64);
        for piece in whole.chunks(PIECE) {
            recogniser.read(piece);
            tokio::task::yield_now().await;
        }
        Ok(recogniser.fingerprint())
    }
}

/// The next bytes of a body; `None` at its end.
async fn next_of(body: &mut Incoming) -> Result<Option<Bytes>, Problem> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::Body(BodyFault::Cut))?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}
