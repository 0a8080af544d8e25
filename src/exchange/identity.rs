//! Who asks and for what, as keyed hashes: nothing in memory or in a log tells a secret.
use std::borrow::Cow;
use std::fmt;

use rustls::crypto::SecureRandom;

use crate::journal::AnswerKey;

/// The key for every hash of what a client sent. Random, so that a hash that leaks cannot be tried
/// against guesses: the journal's own key, or one of this process where there is no journal.
#[derive(Clone)]
pub struct HashKey([u8; 32]);

impl From<[u8; 32]> for HashKey {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// A shop at a gateway: the keyed hash of the gateway's name and the Basic user id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Owner(Digest);

/// The full credentials at a gateway; they open what was asked with them, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Credential(Digest);

/// What is remembered of the credentials of a delivered exchange.
pub(super) type CredentialTag = [u8; 12];

/// A request, byte for byte: equal requests of one shop have equal fingerprints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(Digest);

/// Something that several exchanges may have in common.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Common([u8; 16]);

/// A keyed hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Digest([u8; 32]);

impl Digest {
    /// The first half: what names a thing among few millions, where memory counts.
    fn half(self) -> [u8; 16] {
        let mut half = [0; 16];
        half.iter_mut()
            .zip(self.0)
            .for_each(|(to, from)| *to = from);
        half
    }
}

macro_rules! written_as_bytes {
    ($($name:ident),*) => {$(
        impl $name {
            /// The hash as it is written to disk.
            pub(super) const fn to_bytes(self) -> [u8; 32] {
                self.0.0
            }

            /// The hash as it was written to disk.
            pub(super) const fn of_bytes(bytes: [u8; 32]) -> Self {
                Self(Digest(bytes))
            }
        }
    )*};
}

written_as_bytes!(Owner, Credential, Fingerprint);

impl Credential {
    /// The first twelve bytes: what tells the secrets of a shop apart where memory counts.
    pub(super) fn tag(self) -> CredentialTag {
        let mut tag = [0; 12];
        tag.iter_mut()
            .zip(self.0.0)
            .for_each(|(to, from)| *to = from);
        tag
    }
}

impl fmt::Debug for Common {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Common(…)")
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Digest(…)")
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("HashKey(…)")
    }
}

/// The operating system gave no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to read random bytes from the operating system")]
pub struct NoRandom;

/// The parts of a request that make its fingerprint.
#[derive(Clone, Copy, Debug)]
pub struct FingerprintParts<'a> {
    /// The shop.
    pub owner: Owner,
    /// The method.
    pub method: &'a [u8],
    /// Path and query.
    pub path: &'a [u8],
    /// The values of the fields that shape the answer.
    pub shape: &'a [u8],
    /// The explicit idempotency key.
    pub key: Option<&'a [u8]>,
    /// The body.
    pub body: &'a [u8],
}

impl<'a> FingerprintParts<'a> {
    /// The same request with this body.
    pub fn with_body(self, body: &'a [u8]) -> Self {
        Self { body, ..self }
    }
}

/// How Basic credentials begin in their one spelling.
const BASIC: &[u8] = b"Basic ";

/// What Basic credentials are behind their scheme; `None` for any other scheme. The scheme may be in any
/// case, and blanks may stand around what follows it (RFC 9110 §11.1, RFC 7617 §2). Libraries differ in both.
pub fn basic(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, credentials) = authorization.split_at_checked(BASIC.len())?;
    let is_basic = scheme.eq_ignore_ascii_case(BASIC);
    is_basic.then(|| credentials.trim_ascii())
}

/// Credentials in one spelling, if they are Basic.
fn spelled(authorization: &[u8]) -> Cow<'_, [u8]> {
    match basic(authorization) {
        Some(plain) if authorization.strip_prefix(BASIC) != Some(plain) => {
            [BASIC, plain].concat().into()
        }
        Some(_) | None => authorization.into(),
    }
}

impl HashKey {
    /// A fresh key.
    pub fn random(random: &dyn SecureRandom) -> Result<Self, NoRandom> {
        let mut key = [0; 32];
        random.fill(&mut key).map_err(|_| NoRandom)?;
        Ok(Self(key))
    }

    /// The shop that a Basic user id names at a gateway.
    pub fn owner(&self, gateway: &str, user_id: &[u8]) -> Owner {
        Owner(self.digest("owner", [gateway.as_bytes(), user_id]))
    }

    /// The full credentials at a gateway.
    pub fn credential(&self, gateway: &str, authorization: &[u8]) -> Credential {
        let spelled = spelled(authorization);
        Credential(self.digest("credential", [gateway.as_bytes(), &spelled]))
    }

    /// The key of what is kept for these credentials: without them nothing of it opens.
    pub fn answer_key(&self, gateway: &str, authorization: &[u8]) -> AnswerKey {
        let spelled = spelled(authorization);
        let Digest(key) = self.digest("answers", [gateway.as_bytes(), &spelled]);
        AnswerKey::new(key)
    }

    /// The fingerprint of a request.
    pub fn fingerprint(&self, parts: FingerprintParts<'_>) -> Fingerprint {
        self.recogniser(parts, parts.body.len() as u64)
            .fingerprint()
    }

    /// The fingerprint of a request whose body is not at hand as a whole: `parts` has its beginning,
    /// and it is `length` bytes long.
    pub fn recogniser(&self, parts: FingerprintParts<'_>, length: u64) -> Recogniser {
        let before_body = [
            parts.owner.0.0.as_slice(),
            parts.method,
            parts.path,
            parts.shape,
            &[u8::from(parts.key.is_some())],
            parts.key.unwrap_or_default(),
        ];
        let mut hasher = Box::new(self.hasher("fingerprint", before_body));
        hasher.update(&length.to_le_bytes());
        hasher.update(parts.body);
        Recogniser(hasher)
    }

    /// The fingerprint of an equal request that is meant to run beside the others: another with each number.
    pub fn beside(&self, fingerprint: Fingerprint, number: u32) -> Fingerprint {
        let number = number.to_be_bytes();
        Fingerprint(self.digest("beside", [fingerprint.0.0.as_slice(), &number]))
    }

    /// Where an answer is kept: for these credentials and this key only. What it answers may have the name of
    /// another exchange's task, because a gateway's ids may come again.
    pub fn result(&self, credential: Credential, key: &[u8], name: &str) -> [u8; 16] {
        let parts = [credential.0.0.as_slice(), key, name.as_bytes()];
        self.digest("result", parts).half()
    }

    /// A task of a shop.
    pub(super) fn task(&self, owner: Owner, id: &str) -> [u8; 16] {
        let parts = [owner.0.0.as_slice(), id.as_bytes()];
        self.digest("task", parts).half()
    }

    /// The result of a task, as it is asked for by hand with these credentials.
    pub(super) fn asked(&self, credential: Credential, task: [u8; 16]) -> [u8; 16] {
        let parts = [credential.0.0.as_slice(), &task];
        self.digest("asked", parts).half()
    }

    /// Under which name a delivered exchange is remembered for the repeat of its request, whatever the
    /// secret of the shop is by then.
    pub(super) fn fact(&self, fingerprint: Fingerprint) -> [u8; 16] {
        self.digest("fact", [fingerprint.0.0.as_slice()]).half()
    }

    /// The key under which a request goes that came with another service's key.
    pub fn foreign_key(&self, owner: Owner, path: &str, key: &[u8]) -> [u8; 16] {
        let parts = [owner.0.0.as_slice(), path.as_bytes(), key];
        self.digest("foreign key", parts).half()
    }

    /// What two exchanges of one shop have in common, under a name of its own.
    pub fn common<const N: usize>(
        &self,
        purpose: &'static str,
        owner: Owner,
        parts: [&[u8]; N],
    ) -> Common {
        let parts = std::iter::once(owner.0.0.as_slice()).chain(parts);
        Common(self.digest(purpose, parts).half())
    }

    fn digest<'a>(&self, purpose: &'a str, parts: impl IntoIterator<Item = &'a [u8]>) -> Digest {
        Digest(*self.hasher(purpose, parts).finalize().as_bytes())
    }

    /// Each part is hashed behind its length, so that no two lists of parts look alike.
    fn hasher<'a>(
        &self,
        purpose: &'a str,
        parts: impl IntoIterator<Item = &'a [u8]>,
    ) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for part in std::iter::once(purpose.as_bytes()).chain(parts) {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher
    }
}

/// A fingerprint in the making, while a body passes by. The hasher keeps the body's last bytes, so it
/// stays in one place of the heap, which is erased with it, and is not copied from frame to frame.
pub struct Recogniser(Box<blake3::Hasher>);

impl Recogniser {
    /// Takes the next bytes of the body.
    pub fn read(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The fingerprint, once the body has passed.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(Digest(*self.0.finalize().as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::journal::{Number, Place};

    fn key() -> HashKey {
        HashKey([7; 32])
    }

    fn parts(owner: Owner) -> FingerprintParts<'static> {
        FingerprintParts {
            owner,
            method: b"POST",
            path: b"/transactions/payments",
            shape: b"",
            key: None,
            body: b"{}",
        }
    }

    #[test]
    fn credentials_are_the_same_however_they_are_spelled() {
        let key = HashKey([7; 32]);
        let of = |line: &str| key.credential("sim", line.as_bytes());
        let plain = of("Basic MzYxOmE=");
        for line in ["basic MzYxOmE=", "BASIC   MzYxOmE=", "Basic MzYxOmE= \t"] {
            assert_eq!(of(line), plain, "{line}");
        }
        for line in [
            "Basic MzYxOmI=",
            "BasicMzYxOmE=",
            "Basic",
            "Bearer MzYxOmE=",
        ] {
            assert_ne!(of(line), plain, "{line}");
        }
        // What was kept before is found by it.
        let digest = key.digest("credential", [b"sim".as_slice(), b"Basic MzYxOmE="]);
        assert_eq!(plain, Credential(digest));
    }

    #[test]
    fn what_is_kept_for_credentials_opens_however_they_are_spelled() {
        let of = |line: &str| key().answer_key("sim", line.as_bytes());
        let place = Place {
            number: Number(1),
            step: 0,
        };
        let sealed = of("Basic MzYxOmE=").seal(Uuid::nil(), place, b"answer");
        let sealed = sealed.unwrap();
        for line in ["basic MzYxOmE=", "BASIC   MzYxOmE=", "Basic MzYxOmE= \t"] {
            let opened = of(line).open(Uuid::nil(), place, &sealed);
            assert_eq!(opened.unwrap(), b"answer".as_slice(), "{line}");
        }
        let another = of("Basic MzYxOmI=").open(Uuid::nil(), place, &sealed);
        assert!(another.is_err());
    }

    #[test]
    fn equal_requests_are_equal_and_every_part_counts() {
        let key = key();
        let owner = key.owner("g", b"361");
        let one = key.fingerprint(parts(owner));
        assert_eq!(one, key.fingerprint(parts(owner)));
        for other in [
            FingerprintParts {
                owner: key.owner("g", b"362"),
                ..parts(owner)
            },
            FingerprintParts {
                owner: key.owner("h", b"361"),
                ..parts(owner)
            },
            FingerprintParts {
                method: b"PUT",
                ..parts(owner)
            },
            FingerprintParts {
                path: b"/transactions/payment",
                ..parts(owner)
            },
            FingerprintParts {
                shape: b"3",
                ..parts(owner)
            },
            FingerprintParts {
                key: Some(b""),
                ..parts(owner)
            },
            FingerprintParts {
                key: Some(b"{}"),
                body: b"",
                ..parts(owner)
            },
            FingerprintParts {
                body: b"{ }",
                ..parts(owner)
            },
        ] {
            assert_ne!(one, key.fingerprint(other), "{other:?}");
        }
    }

    #[test]
    fn a_body_that_passes_by_in_pieces_has_the_same_fingerprint() {
        let key = key();
        let whole = FingerprintParts {
            key: Some(b"k"),
            body: b"one two three",
            ..parts(key.owner("g", b"361"))
        };
        let begun = FingerprintParts {
            body: b"one",
            ..whole
        };
        let mut recogniser = key.recogniser(begun, 13);
        recogniser.read(b" two");
        recogniser.read(b" three");
        assert_eq!(recogniser.fingerprint(), key.fingerprint(whole));
    }

    #[test]
    fn a_hash_tells_nothing_when_printed() {
        let owner = key().owner("g", b"361");
        assert_eq!(format!("{owner:?}"), "Owner(Digest(…))");
    }
}
