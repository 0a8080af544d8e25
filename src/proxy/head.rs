//! The checks of a request's head that hyper leaves to its user. What fails them is refused before
//! anything of it is read or sent.
use http::header::{self, HeaderMap, HeaderName};
use http::request::Parts;
use http::uri::Authority;
use http::{Method, Version};

use super::respond::VIA_NAME;
use crate::listener::Malformed;
use crate::message::fields::{elements, named_by_connection};
use crate::protocol::Profile;

/// Why a request's head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeadFault {
    /// No, more than one, or an unreadable `Host` (RFC 9112 §3.2).
    Host,
    /// The target is another authority than `Host` names.
    Authority,
    /// CONNECT, TRACE, or a method that is not in capital letters.
    Method,
    /// `Connection` names a field that is not the connection's (RFC 9110 §7.6.1).
    Connection,
    /// A body without a length.
    Length,
    /// A transfer coding other than exactly one `chunked`.
    TransferCoding,
    /// An expectation other than `100-continue` (RFC 9110 §10.1.1).
    Expectation,
    /// The request has passed here before (RFC 9110 §7.6.3).
    Loop,
    /// A line of the head ends in LF without CR.
    LineEnd,
    /// More than one length is declared (RFC 9112 §6.1).
    Lengths,
    /// The target has a fragment (RFC 9112 §3.2).
    Fragment,
    /// Nobody can tell where the request begins.
    Boundary,
}

impl HeadFault {
    /// Every fault, for the table of what is told.
    pub const ALL: [Self; 12] = [
        Self::Host,
        Self::Authority,
        Self::Method,
        Self::Connection,
        Self::Length,
        Self::TransferCoding,
        Self::Expectation,
        Self::Loop,
        Self::LineEnd,
        Self::Lengths,
        Self::Fragment,
        Self::Boundary,
    ];
}

impl From<Malformed> for HeadFault {
    fn from(malformed: Malformed) -> Self {
        match malformed {
            Malformed::LineEnd => Self::LineEnd,
            Malformed::Lengths => Self::Lengths,
            Malformed::Fragment => Self::Fragment,
            Malformed::Boundary => Self::Boundary,
        }
    }
}

/// Fields that a client may not declare to be the connection's own: a proxy would drop them, and
/// the gateway would act on another request than the client sent. The gateway's own fields, its
/// key and what shapes its answers, are such fields too.
const NEVER_HOP_BY_HOP: [HeaderName; 4] = [
    header::AUTHORIZATION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::HOST,
];

/// Checks a request's head as far as it is the same for every gateway, and says which host it asks
/// for.
pub(super) fn check(head: &Parts) -> Result<Authority, HeadFault> {
    if let Some(malformed) = head.extensions.get::<Malformed>() {
        return Err((*malformed).into());
    }
    check_method(&head.method)?;
    let host = host(head)?;
    check_framing(head)?;
    check_expectation(&head.headers)?;
    check_loop(&head.headers)?;
    Ok(host)
}

fn check_method(method: &Method) -> Result<(), HeadFault> {
    let capital = method
        .as_str()
        .bytes()
        .all(|byte| byte.is_ascii_uppercase());
    let served = capital && *method != Method::CONNECT && *method != Method::TRACE;
    served.then_some(()).ok_or(HeadFault::Method)
}

/// The one host that the request names. HTTP/1.0 needs none, but with several gateways behind a
/// listener there is no telling them apart without, so it is asked of every client.
fn host(head: &Parts) -> Result<Authority, HeadFault> {
    let mut lines = head.headers.get_all(header::HOST).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return Err(HeadFault::Host);
    };
    let host: Authority = line
        .to_str()
        .ok()
        .and_then(|line| line.parse().ok())
        .ok_or(HeadFault::Host)?;
    if host.host().is_empty() || host.as_str().contains('@') {
        return Err(HeadFault::Host);
    }
    match (head.uri.scheme(), head.uri.authority()) {
        // The authority alone is CONNECT's target (RFC 9112 §3.2.3).
        (None, Some(_)) => Err(HeadFault::Authority),
        (_, Some(target)) if target.as_str() != host.as_str() => Err(HeadFault::Authority),
        (_, _) => Ok(host),
    }
}

/// Checks that no field which the gateway is to see is declared to be the connection's own.
pub(super) fn check_connection(fields: &HeaderMap, profile: &Profile) -> Result<(), HeadFault> {
    let is_sent_on = |name: &HeaderName| {
        NEVER_HOP_BY_HOP.contains(name)
            || profile.key_field == *name
            || profile.shape_fields.contains(name)
    };
    let named = named_by_connection(fields);
    let allowed = !named.iter().any(is_sent_on);
    allowed.then_some(()).ok_or(HeadFault::Connection)
}

fn check_framing(head: &Parts) -> Result<(), HeadFault> {
    let fields = &head.headers;
    let mut codings = fields.get_all(header::TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        let only_chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked")
            && codings.next().is_none()
            && head.version == Version::HTTP_11;
        return only_chunked.then_some(()).ok_or(HeadFault::TransferCoding);
    }
    let may_lack_body = !matches!(head.method, Method::POST | Method::PUT | Method::PATCH);
    let framed = may_lack_body || fields.contains_key(header::CONTENT_LENGTH);
    framed.then_some(()).ok_or(HeadFault::Length)
}

fn check_expectation(fields: &HeaderMap) -> Result<(), HeadFault> {
    let known = fields
        .get_all(header::EXPECT)
        .iter()
        .all(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    known.then_some(()).ok_or(HeadFault::Expectation)
}

fn check_loop(fields: &HeaderMap) -> Result<(), HeadFault> {
    let passed_here = elements(fields, &header::VIA)
        .filter_map(|hop| hop.split_ascii_whitespace().nth(1))
        .any(|name| name.eq_ignore_ascii_case(VIA_NAME));
    if passed_here {
        Err(HeadFault::Loop)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::protocol::BEGATEWAY;

    fn checked(
        build: impl FnOnce(http::request::Builder) -> http::request::Builder,
    ) -> Result<(), HeadFault> {
        let builder = Request::builder()
            .method("POST")
            .uri("/transactions/payments");
        let (head, ()) = build(builder).body(()).unwrap().into_parts();
        check(&head)?;
        check_connection(&head.headers, &BEGATEWAY)
    }

    #[test]
    fn an_ordinary_request_passes() {
        assert_eq!(
            checked(|it| it
                .header("host", "pay.local:8080")
                .header("content-length", "2")),
            Ok(())
        );
        assert_eq!(
            checked(|it| it
                .header("host", "pay.local")
                .header("transfer-encoding", "chunked")
                .header("expect", "100-continue")
                .header("connection", "keep-alive, te")),
            Ok(())
        );
        assert_eq!(checked(|it| it.method("GET").header("host", "a")), Ok(()));
    }

    #[test]
    fn the_host_is_one_plain_authority() {
        let fault = |build: fn(http::request::Builder) -> http::request::Builder| {
            checked(|it| build(it.header("content-length", "0"))).unwrap_err()
        };
        assert_eq!(fault(|it| it), HeadFault::Host);
        assert_eq!(fault(|it| it.header("host", "")), HeadFault::Host);
        assert_eq!(
            fault(|it| it.header("host", "a").header("host", "a")),
            HeadFault::Host
        );
        assert_eq!(fault(|it| it.header("host", "user@a")), HeadFault::Host);
        assert_eq!(fault(|it| it.header("host", "a/b")), HeadFault::Host);
        assert_eq!(
            fault(|it| it.uri("http://b/x").header("host", "a")),
            HeadFault::Authority
        );
    }

    #[test]
    fn framing_method_and_expectation_are_plain() {
        let fault = |build: fn(http::request::Builder) -> http::request::Builder| {
            checked(|it| build(it.header("host", "a"))).unwrap_err()
        };
        assert_eq!(fault(|it| it), HeadFault::Length);
        assert_eq!(
            fault(|it| it.header("transfer-encoding", "gzip, chunked")),
            HeadFault::TransferCoding
        );
        assert_eq!(
            fault(|it| it.header("transfer-encoding", "chunked, chunked")),
            HeadFault::TransferCoding
        );
        assert_eq!(
            fault(|it| it.header("transfer-encoding", "identity")),
            HeadFault::TransferCoding
        );
        assert_eq!(fault(|it| it.method("post")), HeadFault::Method);
        assert_eq!(fault(|it| it.method("TRACE")), HeadFault::Method);
        let sized =
            |it: http::request::Builder| it.header("host", "a").header("content-length", "0");
        assert_eq!(
            checked(|it| sized(it).header("expect", "200-ok")),
            Err(HeadFault::Expectation)
        );
        for own in ["close, Authorization", "RequestID", "X-Api-Version, close"] {
            assert_eq!(
                checked(|it| sized(it).header("connection", own)),
                Err(HeadFault::Connection)
            );
        }
        assert_eq!(
            checked(|it| sized(it).header("via", "1.1 other, 1.1 holdline")),
            Err(HeadFault::Loop)
        );
    }
}
