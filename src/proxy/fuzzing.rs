//! What must hold of the head of a request.
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Request, Version};

use super::head;
use super::key::{GivenKey, Requester};
use crate::exchange::HashKey;
use crate::protocol::BEGATEWAY;

/// The head of a request as it comes on the wire, as far as it is one for the HTTP library.
fn parsed(data: &[u8]) -> Option<Parts> {
    let mut lines = [httparse::EMPTY_HEADER; 100];
    let mut read = httparse::Request::new(&mut lines);
    read.parse(data).ok()?.is_complete().then_some(())?;
    let mut request = Request::builder()
        .method(read.method?)
        .uri(read.path?)
        .version(match read.version? {
            0 => Version::HTTP_10,
            _ => Version::HTTP_11,
        });
    for line in read.headers.iter() {
        let name = HeaderName::from_bytes(line.name.as_bytes()).ok()?;
        request = request.header(name, HeaderValue::from_bytes(line.value).ok()?);
    }
    Some(request.body(()).ok()?.into_parts().0)
}

/// A request's head. True if it may go to a gateway.
pub(crate) fn head(data: &[u8]) -> bool {
    let Some(parts) = parsed(data) else {
        return false;
    };
    owner_and_key(&parts.headers);
    let Ok(host) = head::check(&parts) else {
        return false;
    };
    let named = parts.headers.get_all(header::HOST);
    assert_eq!(named.iter().count(), 1);
    assert!(named.iter().all(|it| it == host.as_str()));
    let stray = |it: char| it.is_whitespace() || it.is_control() || "@/\\?#".contains(it);
    assert!(!host.as_str().contains(stray), "{host:?}");
    assert!(parts.uri.authority().is_none_or(|it| *it == host));
    assert!(
        parts
            .method
            .as_str()
            .bytes()
            .all(|it| it.is_ascii_uppercase())
    );
    let codings = parts.headers.get_all(header::TRANSFER_ENCODING);
    assert!(codings.iter().count() <= 1, "two transfer codings");
    head::check_connection(&parts.headers, &BEGATEWAY).is_ok()
}

/// Whose it is and under which key it goes, where that can be told.
fn owner_and_key(fields: &HeaderMap) {
    let foreign = HeaderName::from_static("idempotency-key");
    if let Ok(key) = GivenKey::of(fields, &BEGATEWAY.key_field, Some(&foreign))
        && let Some(bytes) = key.bytes()
    {
        assert!((1..=255).contains(&bytes.len()));
        assert!(bytes.iter().all(|it| (b' '..=b'~').contains(it)));
    }
    let hash_key = HashKey::from([7; 32]);
    if Requester::of(&hash_key, "one", fields).is_ok() {
        assert_eq!(fields.get_all(header::AUTHORIZATION).iter().count(), 1);
    }
}
