//! Whose request it is and under which key it goes: read from its fields alone.
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use crate::exchange::{Credential, HashKey, Key, Owner, basic};
use crate::journal::AnswerKey;
use crate::message::copied_value;

/// The longest key that a client may give.
const LONGEST_KEY: usize = 255;

/// Why a request's owner or key cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyFault {
    /// No `Authorization`, or none that is Basic.
    NoCredentials,
    /// More than one `Authorization`.
    DoubledCredentials,
    /// A key that is empty, doubled, over 255 bytes, or not printable ASCII.
    Key,
}

impl KeyFault {
    /// Every fault, for the table of what is told.
    pub const ALL: [Self; 3] = [Self::NoCredentials, Self::DoubledCredentials, Self::Key];
}

/// Whose request it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Requester {
    pub(super) owner: Owner,
    pub(super) credential: Credential,
}

impl Requester {
    /// The requester that Basic credentials name (RFC 7617). The user id is the shop; the secret
    /// counts for the credential only.
    pub(super) fn of(
        hash_key: &HashKey,
        gateway: &str,
        fields: &HeaderMap,
    ) -> Result<Self, KeyFault> {
        let mut lines = fields.get_all(AUTHORIZATION).iter();
        let line = lines.next().ok_or(KeyFault::NoCredentials)?;
        if lines.next().is_some() {
            return Err(KeyFault::DoubledCredentials);
        }
        let user_id = basic_user_id(line).ok_or(KeyFault::NoCredentials)?;
        Ok(Self {
            owner: hash_key.owner(gateway, &user_id),
            credential: hash_key.credential(gateway, line.as_bytes()),
        })
    }
}

/// The key of what is kept for the credentials that a request brings.
pub(super) fn answer_key(
    hash_key: &HashKey,
    gateway: &str,
    fields: &HeaderMap,
) -> Option<AnswerKey> {
    let line = fields.get(AUTHORIZATION)?;
    Some(hash_key.answer_key(gateway, line.as_bytes()))
}

fn basic_user_id(authorization: &HeaderValue) -> Option<Vec<u8>> {
    let mut decoded = STANDARD.decode(basic(authorization.as_bytes())?).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    decoded.truncate(colon);
    Some(decoded)
}

/// The key that a client gave, in the gateway's own field or in a foreign one.
#[derive(Clone, Copy, Debug)]
pub(super) enum GivenKey<'a> {
    Own(&'a HeaderValue),
    Foreign(&'a HeaderValue),
    None,
}

impl<'a> GivenKey<'a> {
    pub(super) fn of(
        fields: &'a HeaderMap,
        own: &HeaderName,
        foreign: Option<&HeaderName>,
    ) -> Result<Self, KeyFault> {
        if let Some(key) = one_key(fields, own)? {
            return Ok(Self::Own(key));
        }
        let foreign = foreign.map_or(Ok(None), |name| one_key(fields, name))?;
        Ok(foreign.map_or(Self::None, Self::Foreign))
    }

    /// The bytes that count for the fingerprint.
    pub(super) fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Own(key) | Self::Foreign(key) => Some(key.as_bytes()),
            Self::None => None,
        }
    }

    /// The key that the submit leaves with. One that was given to another service is hashed with
    /// the path, so that it cannot meet an equal one of the gateway's; none becomes a random one.
    pub(super) fn to_key(self, hash_key: &HashKey, owner: Owner, path: &str) -> Key {
        match self {
            Self::Own(key) => Key {
                value: copied_value(key),
                explicit: true,
            },
            Self::Foreign(key) => {
                let hash = hash_key.foreign_key(owner, path, key.as_bytes());
                Key {
                    value: uuid_value(Uuid::from_bytes(hash)),
                    explicit: true,
                }
            }
            Self::None => Key {
                value: uuid_value(Uuid::new_v4()),
                explicit: false,
            },
        }
    }
}

fn uuid_value(id: Uuid) -> HeaderValue {
    let mut buffer = Uuid::encode_buffer();
    let text: &str = id.hyphenated().encode_lower(&mut buffer);
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The one key of this name, if it has the form of one.
///
/// The vendor asks for keys that are unique, such as UUIDs
/// (<https://docs.bepaid.by/en/using_api/idempotent_requests/>), and names no alphabet. So the gateway
/// judges its own field: what a client may send to it, spaces inside included, goes along as it came.
/// A foreign `Idempotency-Key` is a quoted string, which may have spaces too (RFC 9651 §3.3.3). What is
/// refused is what two readers may take for two keys: controls, and bytes beyond ASCII, whose meaning
/// HTTP leaves open (RFC 9110 §5.5).
fn one_key<'a>(
    fields: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a HeaderValue>, KeyFault> {
    let mut lines = fields.get_all(name).iter();
    let Some(key) = lines.next() else {
        return Ok(None);
    };
    let bytes = key.as_bytes();
    let printable = bytes.iter().all(|byte| (b' '..=b'~').contains(byte));
    let fits = !bytes.is_empty() && bytes.len() <= LONGEST_KEY && printable;
    if lines.next().is_some() || !fits {
        Err(KeyFault::Key)
    } else {
        Ok(Some(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::BEGATEWAY;

    fn fields(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn the_user_id_is_read_from_basic_credentials_only() {
        let user = |value: &'static str| basic_user_id(&HeaderValue::from_static(value));
        assert_eq!(
            user("Basic MzYxOnNlY3JldA==").as_deref(),
            Some(b"361".as_slice())
        );
        assert_eq!(user("basic MzYxOg==").as_deref(), Some(b"361".as_slice()));
        assert_eq!(user("Bearer MzYxOg=="), None);
        assert_eq!(user("Basic ???"), None);
        assert_eq!(user("Basic MzYx"), None);
    }

    #[test]
    fn a_key_is_taken_from_either_field_and_the_gateways_own_first() {
        let foreign = HeaderName::from_static("idempotency-key");
        let read = |lines: &[(&'static str, &str)]| {
            let fields = fields(lines);
            let key = GivenKey::of(&fields, &BEGATEWAY.key_field, Some(&foreign));
            key.map(|key| key.bytes().map(<[u8]>::to_vec))
        };
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("requestid", "a")]), Ok(Some(b"a".to_vec())));
        assert_eq!(read(&[("idempotency-key", "b")]), Ok(Some(b"b".to_vec())));
        assert_eq!(
            read(&[("idempotency-key", "b"), ("requestid", "a")]),
            Ok(Some(b"a".to_vec()))
        );
        for text in ["order 17", "\"order 17\"", "a/b;c=~"] {
            assert_eq!(read(&[("requestid", text)]), Ok(Some(text.into())));
        }
        for text in ["", "a\tb", "\u{e9}"] {
            assert_eq!(read(&[("requestid", text)]), Err(KeyFault::Key));
        }
        assert_eq!(
            read(&[("requestid", "a"), ("requestid", "a")]),
            Err(KeyFault::Key)
        );
        assert_eq!(read(&[("requestid", &"a".repeat(256))]), Err(KeyFault::Key));
    }
}
