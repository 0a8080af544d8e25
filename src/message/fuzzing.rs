//! What must hold of fields and of kept responses.
use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::fields::{named_by_connection, remove_hop_by_hop};
use super::{StoredResponse, wait_preference};

/// The fields of lines like `name: value`; lines that are no field are passed over.
pub(crate) fn fields_of(data: &[u8]) -> HeaderMap {
    let lines = data.split(|byte| *byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at_checked(colon)?;
        let name = HeaderName::from_bytes(name).ok()?;
        let value = HeaderValue::from_bytes(value.get(1..)?.trim_ascii()).ok()?;
        Some((name, value))
    });
    let mut fields = HeaderMap::new();
    for (name, value) in lines {
        fields.append(name, value);
    }
    fields
}

/// Fields. True if they have a preference for a wait.
pub(crate) fn fields(data: &[u8]) -> bool {
    let fields = fields_of(data);
    let wait = wait_preference(&fields);
    let shouted = fields_of(&data.to_ascii_uppercase());
    assert_eq!(wait_preference(&shouted), wait, "its case has no meaning");
    let named = named_by_connection(&fields);
    let mut left = fields;
    remove_hop_by_hop(&mut left);
    assert!(named.iter().all(|name| !left.contains_key(name)));
    assert!(!left.contains_key(http::header::CONNECTION));
    let mut again = left.clone();
    remove_hop_by_hop(&mut again);
    assert_eq!(again, left);
    wait.is_some()
}

/// A kept response. True if it is one.
pub(crate) fn stored(data: &[u8]) -> bool {
    let Ok(response) = StoredResponse::decode(&Bytes::copy_from_slice(data)) else {
        return false;
    };
    let written = Bytes::from(response.encode());
    assert_eq!(StoredResponse::decode(&written), Ok(response));
    true
}
