//! A kept response as bytes, for what is written to disk.
//!
//! ```text
//! 1        the layout, 1
//! 2        the status code
//! 2        how many fields follow; for each of them:
//!   2        the length of its name, and the name
//!   4        the length of its value, and the value
//! the rest the body
//! ```
//!
//! Every number is big-endian.
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::StoredResponse;

/// The layout that is written.
const LAYOUT: u8 = 1;
/// As many fields as can be counted.
const MOST_FIELDS: usize = u16::MAX as usize;
/// The bytes of the layout, the status code and the count.
const BESIDE_FIELDS: usize = 5;
/// The bytes of a field beside its name and its value.
const BESIDE_FIELD: usize = 6;

/// The bytes are no response in a layout that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are no kept response")]
pub struct NoResponse;

impl StoredResponse {
    /// The response as bytes, in as much memory as they need. A field that does not fit a length is left
    /// out: nothing that was received over HTTP/1 or HTTP/2 is that long.
    pub fn encode(&self) -> Vec<u8> {
        let fields = || self.fields.iter().filter_map(encodable).take(MOST_FIELDS);
        let (mut count, mut size) = (0_u16, BESIDE_FIELDS + self.body.len());
        for (_, name, _, value) in fields() {
            count += 1;
            size += BESIDE_FIELD + name.len() + value.len();
        }
        let mut bytes = Vec::with_capacity(size);
        bytes.push(LAYOUT);
        bytes.extend(self.status.as_u16().to_be_bytes());
        bytes.extend(count.to_be_bytes());
        for (name_length, name, value_length, value) in fields() {
            bytes.extend(name_length.to_be_bytes());
            bytes.extend(name);
            bytes.extend(value_length.to_be_bytes());
            bytes.extend(value);
        }
        bytes.extend(&self.body);
        bytes
    }

    /// The response that [`StoredResponse::encode`] made these bytes of. Its body is a slice of
    /// them.
    pub fn decode(bytes: &Bytes) -> Result<Self, NoResponse> {
        let mut rest = bytes.as_ref();
        let [layout] = take(&mut rest)?;
        if layout != LAYOUT {
            return Err(NoResponse);
        }
        let status = u16::from_be_bytes(take(&mut rest)?);
        let status = StatusCode::from_u16(status).map_err(|_| NoResponse)?;
        let count = u16::from_be_bytes(take(&mut rest)?);
        let mut fields = HeaderMap::new();
        for _ in 0..count {
            let length = u16::from_be_bytes(take(&mut rest)?);
            let name = HeaderName::from_bytes(split(&mut rest, length.into())?);
            let length = u32::from_be_bytes(take(&mut rest)?);
            let length = usize::try_from(length).map_err(|_| NoResponse)?;
            let value = HeaderValue::from_bytes(split(&mut rest, length)?);
            let (Ok(name), Ok(value)) = (name, value) else {
                return Err(NoResponse);
            };
            fields.try_append(name, value).map_err(|_| NoResponse)?;
        }
        Ok(Self {
            status,
            fields,
            body: bytes.slice_ref(rest),
        })
    }
}

type Encodable<'a> = (u16, &'a [u8], u32, &'a [u8]);

fn encodable<'a>((name, value): (&'a HeaderName, &'a HeaderValue)) -> Option<Encodable<'a>> {
    let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
    let lengths = (u16::try_from(name.len()), u32::try_from(value.len()));
    let (Ok(name_length), Ok(value_length)) = lengths else {
        return None;
    };
    Some((name_length, name, value_length, value))
}

fn split<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], NoResponse> {
    let (first, after) = rest.split_at_checked(length).ok_or(NoResponse)?;
    *rest = after;
    Ok(first)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], NoResponse> {
    let (first, after) = rest.split_first_chunk().ok_or(NoResponse)?;
    *rest = after;
    Ok(*first)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn any_response() -> impl Strategy<Value = StoredResponse> {
        let field = ("[a-z][a-z0-9-]{0,20}", "[ -~\u{e0}-\u{ff}]{0,80}");
        let parts = (100..1000_u16, vec(field, 0..12), vec(any::<u8>(), 0..500));
        parts.prop_map(|(status, lines, body)| {
            let mut fields = HeaderMap::new();
            for (name, value) in lines {
                let name = HeaderName::try_from(name).unwrap();
                fields.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            StoredResponse {
                status: StatusCode::from_u16(status).unwrap(),
                fields,
                body: body.into(),
            }
        })
    }

    proptest! {
        #[test]
        fn a_response_is_the_same_after_the_way_to_bytes_and_back(response in any_response()) {
            let bytes = Bytes::from(response.encode());
            let decoded = StoredResponse::decode(&bytes).unwrap();
            prop_assert_eq!(&decoded, &response);
            let order = |response: &StoredResponse| {
                let lines = response.fields.iter();
                lines.map(|(name, value)| (name.clone(), value.clone())).collect::<Vec<_>>()
            };
            prop_assert_eq!(order(&decoded), order(&response));
        }

        #[test]
        fn any_bytes_are_a_response_or_an_error(mut bytes in vec(any::<u8>(), 0..300), valid: bool) {
            if valid && let Some(first) = bytes.first_mut() {
                *first = LAYOUT;
            }
            if let Ok(response) = StoredResponse::decode(&bytes.clone().into()) {
                // Whatever can be read is written as it was read.
                let again = Bytes::from(response.encode());
                prop_assert_eq!(StoredResponse::decode(&again), Ok(response));
            }
        }

        #[test]
        fn a_response_cut_within_its_fields_is_an_error(response in any_response(), cut: prop::sample::Index) {
            let bytes = Bytes::from(response.encode());
            let head = bytes.len() - response.body.len();
            let cut = bytes.slice(..cut.index(head));
            prop_assert_eq!(StoredResponse::decode(&cut), Err(NoResponse));
        }
    }
}
