//! The answers that go downstream: the gateway's own, marked, and ours, in the one shape that every
//! known client understands.
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode, Version};
use serde::Serialize;
use uuid::Uuid;

use super::problem::{Fate, Problem};
use crate::exchange::Flight;
use crate::message::{Body, StoredResponse, TraceParent, fields};
use crate::timing::Stamp;

/// Our name in `Via`.
pub(super) const VIA_NAME: &str = "holdline";

const OUTCOME: HeaderName = HeaderName::from_static("holdline-outcome");
const EXCHANGE: HeaderName = HeaderName::from_static("holdline-exchange");
const SOURCE: HeaderName = HeaderName::from_static("holdline-source");
const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Fields by which holdline speaks; an upstream that sets one would speak in its name.
static OURS: [HeaderName; 6] = [
    OUTCOME,
    EXCHANGE,
    SOURCE,
    PROXY_STATUS,
    REPLAYED,
    PREFERENCE_APPLIED,
];

/// What is told of the exchange beside its answer or its problem.
#[derive(Clone, Debug, Default)]
pub(super) struct About {
    pub(super) exchange: Option<Uuid>,
    pub(super) request_id: Option<String>,
    pub(super) key: Option<HeaderValue>,
    pub(super) tracking_id: Option<Box<str>>,
    pub(super) parent_uid: Option<Box<str>>,
    pub(super) submitted_at: Option<SystemTime>,
    pub(super) wait_applied: Option<Duration>,
}

impl About {
    /// What is told of an exchange that a request waits for.
    pub(super) fn of(flight: &Flight, wait_applied: Option<Duration>) -> Self {
        Self {
            request_id: flight.ticket(),
            key: Some(flight.key().value.clone()),
            tracking_id: flight.facts().tracking_id.clone(),
            parent_uid: flight.facts().parent_uid.clone(),
            submitted_at: flight.sent().map(Stamp::time_of_day),
            exchange: Some(flight.id()),
            wait_applied,
        }
    }
}

/// How an answer came to be given.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Given {
    pub(super) replayed: bool,
    pub(super) looked_up: bool,
    pub(super) submit: Duration,
    pub(super) hold: Duration,
    pub(super) polls: u32,
}

impl Given {
    /// One that was kept, or that of a query in its place.
    pub(super) fn again(looked_up: bool) -> Self {
        Self {
            replayed: !looked_up,
            looked_up,
            ..Self::default()
        }
    }
}

/// The gateway's standard answer, byte for byte, with what is told beside it.
pub(super) fn answer(stored: &StoredResponse, about: &About, given: Given) -> Response<Body> {
    let mut response = stored.to_response();
    let fields = response.headers_mut();
    pass_on(fields, Version::HTTP_11);
    tell(fields, Fate::Completed, about);
    let cache = if given.replayed {
        "holdline; hit"
    } else {
        "holdline; fwd=miss"
    };
    fields.append(CACHE_STATUS, HeaderValue::from_static(cache));
    if given.replayed {
        fields.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    if given.looked_up {
        fields.insert(SOURCE, HeaderValue::from_static("lookup"));
    }
    let timing = format!(
        "submit;dur={}, hold;dur={}, polls;desc=\"{}\"",
        given.submit.as_millis(),
        given.hold.as_millis(),
        given.polls
    );
    if let Ok(timing) = HeaderValue::try_from(timing) {
        fields.append(SERVER_TIMING, timing);
    }
    response
}

/// Readies the fields of a gateway's answer for the downstream: its hop is
/// noted, and no field speaks in our name.
pub(super) fn pass_on(fields: &mut HeaderMap, received: Version) {
    fields::remove_each(fields, |name| OURS.iter().any(|ours| ours == name));
    add_via(fields, received);
}

/// Notes in `Via` that a message passed here (RFC 9110 §7.6.3).
pub(super) fn add_via(fields: &mut HeaderMap, received: Version) {
    let hop = match received {
        Version::HTTP_10 => "1.0 holdline",
        Version::HTTP_2 => "2 holdline",
        _ => "1.1 holdline",
    };
    fields.append(header::VIA, HeaderValue::from_static(hop));
}

/// The body of our own answers. PHP, Ruby (both versions) and Python clients alike understand it as
/// an error, and none as a payment that runs or succeeded.
#[derive(Serialize)]
struct Union<'a> {
    message: &'a str,
    errors: Errors<'a>,
    response: Nested<'a>,
    code: &'a str,
    friendly_message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracking_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_uid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    submitted_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exchange: Option<String>,
}

#[derive(Serialize)]
struct Nested<'a> {
    message: &'a str,
    errors: Errors<'a>,
}

#[derive(Clone, Copy, Serialize)]
struct Errors<'a> {
    base: [&'a str; 1],
}

/// Our own answer to a problem.
pub(super) fn problem(problem: Problem, about: &About) -> Response<Body> {
    let words = problem.words();
    let errors = Errors {
        base: [words.message],
    };
    let body = Union {
        message: words.message,
        errors,
        response: Nested {
            message: words.message,
            errors,
        },
        code: words.code,
        friendly_message: words.message,
        request_id: about.request_id.as_deref(),
        idempotency_key: about.key.as_ref().and_then(|key| key.to_str().ok()),
        tracking_id: about.tracking_id.as_deref(),
        parent_uid: about.parent_uid.as_deref(),
        submitted_at: about.submitted_at.and_then(http_date),
        exchange: about.exchange.map(|exchange| exchange.to_string()),
    };
    let body = serde_json::to_vec(&body).unwrap_or_default();
    let mut response = Response::new(Body::from(Bytes::from(body)));
    *response.status_mut() = words.status;
    let fields = response.headers_mut();
    fields.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    fields.insert(PROXY_STATUS, words.error.field(words.message));
    if let Some(seconds) = words.retry_after {
        fields.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if words.status == StatusCode::METHOD_NOT_ALLOWED {
        // RFC 9110 §15.5.6 asks for the methods that are served.
        let served = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
        fields.insert(header::ALLOW, served);
    }
    if words.status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("Basic realm=\"gateway\"");
        fields.insert(header::WWW_AUTHENTICATE, challenge);
    }
    if matches!(problem, Problem::Head(_)) {
        // What follows such a head may not be what it seems (RFC 9112 §11.2).
        fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    tell(fields, words.fate, about);
    response
}

/// A time as HTTP writes it (RFC 9110 §5.6.7); `None` for one before 1970 or after 9999, for which the crate
/// that writes it panics.
fn http_date(at: SystemTime) -> Option<String> {
    const YEAR_10000: u64 = 253_402_300_800;
    let since_1970 = at.duration_since(UNIX_EPOCH).ok()?;
    (since_1970.as_secs() < YEAR_10000).then(|| httpdate::fmt_http_date(at))
}

fn tell(fields: &mut HeaderMap, fate: Fate, about: &About) {
    fields.insert(OUTCOME, HeaderValue::from_static(fate.token()));
    if let Some(exchange) = about.exchange
        && let Ok(exchange) = HeaderValue::try_from(exchange.to_string())
    {
        fields.insert(EXCHANGE, exchange);
    }
    if let Some(wait) = about.wait_applied
        && let Ok(applied) = HeaderValue::try_from(format!("wait={}", wait.as_secs()))
    {
        fields.insert(PREFERENCE_APPLIED, applied);
    }
}

/// The end-to-end fields of a downstream request as they go upstream: framing, hop and host are
/// made anew, and no field may change the method behind our back.
pub(super) fn upstream_fields(mut sent: HeaderMap, version: Version) -> HeaderMap {
    fields::remove_hop_by_hop(&mut sent);
    fields::remove_each(&mut sent, |name| {
        matches!(
            name,
            "host"
                | "content-length"
                | "expect"
                | "x-http-method-override"
                | "x-http-method"
                | "x-method-override"
        )
    });
    TraceParent::settle(&mut sent);
    add_via(&mut sent, version);
    sent
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::exchange::Refusal;
    use crate::exchange::machine::{Doubt, Withdrawal};
    use crate::proxy::{BodyFault, HeadFault, KeyFault};
    use crate::upstream::{Cause, Sent};

    #[test]
    fn a_time_that_http_cannot_write_is_not_told() {
        let told = |at| {
            let about = About {
                submitted_at: Some(at),
                ..About::default()
            };
            problem(Problem::InProgress, &about).status()
        };
        let (second, year) = (Duration::from_secs(1), Duration::from_hours(366 * 24));
        assert_eq!(
            http_date(UNIX_EPOCH + second).as_deref(),
            Some("Thu, 01 Jan 1970 00:00:01 GMT")
        );
        for at in [UNIX_EPOCH - second, UNIX_EPOCH + 10_000 * year] {
            assert_eq!(http_date(at), None);
            assert_eq!(told(at), StatusCode::GATEWAY_TIMEOUT);
        }
    }

    fn every_problem() -> Vec<Problem> {
        let mut problems = vec![
            Problem::InProgress,
            Problem::Stopped,
            Problem::OtherSecret,
            Problem::Expired,
            Problem::Unrecognised,
            Problem::Spent,
            Problem::Unread,
        ];
        problems.extend(Doubt::ALL.map(Problem::InDoubt));
        problems.extend(Withdrawal::ALL.map(|why| Problem::NotSubmitted(why, None)));
        let connect = |cause| Problem::NotSubmitted(Withdrawal::Connect, Some(cause));
        problems.extend(Cause::ALL.map(connect));
        problems.extend(Refusal::ALL.map(Problem::Refused));
        problems.extend(HeadFault::ALL.map(Problem::Head));
        problems.extend(KeyFault::ALL.map(Problem::Key));
        problems.extend(BodyFault::ALL.map(Problem::Body));
        problems.extend([
            Problem::NoGateway,
            Problem::Disguised,
            Problem::RouteRefused,
        ]);
        for (sent, safe) in [
            (Sent::Never, false),
            (Sent::Maybe, true),
            (Sent::Maybe, false),
        ] {
            let relay = |cause| Problem::Relay { cause, sent, safe };
            problems.extend(Cause::ALL.map(relay));
        }
        problems.extend([Problem::Read, Problem::TooEarly]);
        problems
    }

    #[test]
    fn the_failure_table_is_as_it_was_agreed() {
        let mut table = String::new();
        for problem in every_problem() {
            let words = problem.words();
            let retry = words
                .retry_after
                .map(|s| format!(" retry {s} s"))
                .unwrap_or_default();
            let status = words.status.as_u16();
            let (code, fate, error) = (words.code, words.fate.token(), words.error.token());
            let head = format!("{status} {code} {fate} {error}{retry}");
            let text = words.message;
            let _ = writeln!(table, "{problem:?}\n  {head}\n  {text}");
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn our_own_body_has_the_shape_that_every_client_understands() {
        let about = About {
            exchange: Some(Uuid::nil()),
            request_id: Some("10203".to_owned()),
            key: Some(HeaderValue::from_static("k")),
            ..About::default()
        };
        let response = problem(Problem::InProgress, &about);
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(response.headers()["holdline-outcome"], "in-progress");
        assert_eq!(response.headers()["retry-after"], "1");
        let body = futures_util::FutureExt::now_or_never(crate::message::collect(
            response.into_body(),
            10_000,
        ));
        let value: serde_json::Value = serde_json::from_slice(&body.unwrap().unwrap()).unwrap();
        let message = &value["message"];
        assert_eq!(value["errors"]["base"][0], *message);
        assert_eq!(value["response"]["message"], *message);
        assert_eq!(value["response"]["errors"]["base"][0], *message);
        assert_eq!(value["friendly_message"], *message);
        assert_eq!(value["code"], "P.1019");
        assert_eq!(value["request_id"], "10203");
        assert!(
            value.get("status").is_none(),
            "a status would look like a task or a payment"
        );
    }

    #[test]
    fn an_upstream_cannot_speak_in_our_name() {
        let mut fields = HeaderMap::new();
        for name in &OURS {
            fields.insert(name, HeaderValue::from_static("forged"));
        }
        pass_on(&mut fields, Version::HTTP_11);
        assert_eq!(fields.len(), 1, "only Via is left: {fields:?}");
    }
}
