//! What must hold of everything that is read of the gateway's and of requests' paths and bodies.
use std::time::{Duration, SystemTime};

use http::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use http::uri::PathAndQuery;
use http::{Method, StatusCode};
use serde_json::Value;

use super::{
    BEGATEWAY, Conversion, Found, MatchFacts, Operation, PollAnswer, RequestId, Route, Search,
    SubmitAnswer, Times, classify_poll, classify_submit, gateway_time, listed, retry_after,
    transaction_by_uid,
};

/// A method's number and a path. True if it converts.
pub(crate) fn route(data: &[u8]) -> bool {
    const METHODS: [Method; 4] = [Method::GET, Method::POST, Method::HEAD, Method::PUT];
    let Some((first, text)) = data.split_first() else {
        return false;
    };
    let (Some(method), Ok(text)) = (
        METHODS.get(usize::from(*first) % METHODS.len()),
        PathAndQuery::try_from(text),
    ) else {
        return false;
    };
    let path = text.path();
    if let Some(task) = BEGATEWAY.asks_of_task(path) {
        assert!(path.ends_with(task.as_str()));
    }
    match BEGATEWAY.route(method, path) {
        Route::Converted(conversion) => {
            assert!(!is_odd(path), "{path} may be read as another path");
            assert!(path.starts_with(conversion.path) && conversion.method == *method);
            let twin = BEGATEWAY.async_path(&text).map(|it| it.to_string());
            let expected = format!("{}{text}", BEGATEWAY.async_prefix);
            assert!(twin.is_none_or(|twin| twin == expected));
            true
        }
        Route::Parameters(read) => {
            assert!(read.safe && read.method == *method && path.contains(';'));
            assert!(path.starts_with(read.path) && BEGATEWAY.asks_of_task(path).is_none());
            false
        }
        Route::Disguised => {
            assert!(
                is_suspicious(path) || path != once_decoded(path),
                "{path} is refused for nothing"
            );
            false
        }
        Route::Other => {
            let read = once_decoded(path);
            let read = read.trim_end_matches('/');
            let hides = |it: &&Conversion| it.method == *method && it.path == read;
            assert!(!BEGATEWAY.conversions.iter().any(|it| hides(&it)), "{path}");
            false
        }
    }
}

/// True for a path that some servers read as another one.
fn is_odd(path: &str) -> bool {
    let read = once_decoded(path);
    let slashes = |text: &str| text.matches('/').count();
    read.split('/').any(|it| it == "." || it == "..")
        || read.chars().any(|it| it.is_ascii_control())
        || read.contains("//")
        || read.contains('\\')
        || path.contains(';')
        || (path.ends_with('/') && path.len() > 1)
        || slashes(&read) != slashes(path)
}

/// True for one that some servers may read as another, if they decode twice or drop what is no ASCII.
fn is_suspicious(path: &str) -> bool {
    let read = once_decoded(path);
    is_odd(path)
        || read.contains(['%', ';', '\u{fffd}'])
        || read.chars().any(char::is_control)
        || read.split('/').any(|it| it.trim() != it)
}

/// Percent-decoded by a reader that passes over what is no pair of digits.
fn once_decoded(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let digit = |at: usize| {
            let digit = char::from(*tail.get(at)?).to_digit(16)?;
            u8::try_from(digit).ok()
        };
        if let (b'%', Some(high), Some(low)) = (first, digit(0), digit(1)) {
            bytes.push(high << 4 | low);
            rest = tail.get(2..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A request's body. True if its transaction can be looked up.
pub(crate) fn order_facts(data: &[u8]) -> bool {
    let whole: Option<Value> = serde_json::from_slice(data).ok();
    let mut found = false;
    for conversion in BEGATEWAY.conversions {
        let facts = MatchFacts::of(conversion, data);
        let texts = [
            &facts.amount,
            &facts.currency,
            &facts.tracking_id,
            &facts.parent_uid,
        ];
        for fact in texts.into_iter().flatten() {
            assert!(fact.len() <= 1024, "a fact of {} bytes", fact.len());
        }
        for digits in [facts.last_four, facts.recipients_last_four] {
            assert!(digits.is_none_or(|it| it.iter().all(u8::is_ascii_digit)));
        }
        if let (Some(id), Some(whole)) = (&facts.tracking_id, &whole) {
            let read = whole.pointer("/request/tracking_id");
            // A whole number counts too, but as a float it has lost its digits.
            let is_same = |read: &Value| match read {
                Value::String(read) => **read == **id,
                other => other.is_f64() || serde_json::from_str(id).ok().as_ref() == Some(other),
            };
            assert!(
                read.is_some_and(is_same),
                "{read:?} is another id than {id}"
            );
        }
        found |= facts.tracking_id.is_some();
    }
    found
}

/// An operation's number, a status and a body. True for an answer that ends or begins a task.
pub(crate) fn answers(data: &[u8]) -> bool {
    let Some(([which, high, low], body)) = data.split_first_chunk() else {
        return false;
    };
    let operation = Operation::ALL.get(usize::from(*which) % Operation::ALL.len());
    let status = StatusCode::from_u16(100 + u16::from_be_bytes([*high, *low]) % 900);
    let (Some(&operation), Ok(status)) = (operation, status) else {
        return false;
    };
    let submitted = submit(operation, status, body);
    let polled = poll(operation, status, body);
    submitted || polled
}

fn submit(operation: Operation, status: StatusCode, body: &[u8]) -> bool {
    match classify_submit(&BEGATEWAY, operation, status, body) {
        SubmitAnswer::Accepted(ticket) => {
            assert!(status.is_success() || status.is_client_error());
            let id = &ticket.request_id;
            assert_eq!(id.as_str().parse().as_ref(), Ok(id));
            let path = BEGATEWAY.result_of(id);
            let read = path.and_then(|path| BEGATEWAY.task_of(path.path()));
            assert_eq!(
                read.as_ref(),
                Some(id),
                "its result would be another task's"
            );
            true
        }
        SubmitAnswer::Standard => {
            assert!(status.is_success() && is_object(body));
            assert!(
                !tells_only_of_a_task(body),
                "a task's word is no standard answer"
            );
            true
        }
        SubmitAnswer::Refused => {
            assert!(status.is_client_error());
            false
        }
        SubmitAnswer::TooMany => {
            assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
            false
        }
        SubmitAnswer::Unclear => {
            // One that gives a task of no usable name says both, and one that breaks off may have.
            assert!(
                !status.is_client_error() || body.trim_ascii_start().starts_with(b"{"),
                "a refusal is clear"
            );
            false
        }
    }
}

/// True for a body that has a task's word and nothing of a result. One that this reader refuses says
/// nothing here.
fn tells_only_of_a_task(body: &[u8]) -> bool {
    const OF_RESULTS: [&str; 5] = ["transaction", "transactions", "uid", "response", "result"];
    let whole: Option<Value> = serde_json::from_slice(body).ok();
    whole.is_some_and(|it| {
        let word = it.get("status").and_then(Value::as_str);
        word.is_some_and(|word| BEGATEWAY.results.task_statuses.contains(&word))
            && OF_RESULTS.iter().all(|name| it.get(name).is_none())
    })
}

fn poll(operation: Operation, status: StatusCode, body: &[u8]) -> bool {
    let Ok(id) = "10203".parse::<RequestId>() else {
        return false;
    };
    let class = classify_poll(&BEGATEWAY, operation, &id, status, body);
    if !matches!(class, PollAnswer::Transient | PollAnswer::Broken) {
        assert!(is_object(body), "{class:?} of what is no object");
    }
    let told = |name: &str| {
        let whole: Option<Value> = serde_json::from_slice(body).ok();
        whole.map(|it| it.get(name).and_then(Value::as_str).map(str::to_owned))
    };
    match class {
        PollAnswer::Pending => {
            // A body that this reader refuses says nothing here.
            let named = told("request_id");
            assert!(named.is_none_or(|it| it.as_deref() == Some(id.as_str())));
        }
        PollAnswer::Unknown => assert_eq!(status, StatusCode::NOT_FOUND),
        PollAnswer::Odd => assert_eq!(status, StatusCode::OK),
        PollAnswer::Soft => assert_ne!(status, StatusCode::OK),
        PollAnswer::Broken => assert_ne!(status, StatusCode::NOT_FOUND),
        PollAnswer::Firm | PollAnswer::Transient => {}
    }
    class == PollAnswer::Firm
}

fn is_object(body: &[u8]) -> bool {
    let (first, last) = (
        body.trim_ascii_start().first(),
        body.trim_ascii_end().last(),
    );
    (first, last) == (Some(&b'{'), Some(&b'}'))
}

/// The answer to a search, which is also read as the answer to a query. True if it finds one.
pub(crate) fn lookup(data: &[u8]) -> bool {
    let facts = MatchFacts {
        transaction_type: "payment",
        amount: Some("100".into()),
        currency: Some("USD".into()),
        tracking_id: Some("demo-1".into()),
        last_four: Some(*b"0000"),
        ..MatchFacts::default()
    };
    let submitted_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let search = Search {
        facts: &facts,
        times: Some(Times {
            submitted_at,
            told_at: submitted_at + Duration::from_hours(24 * 365 * 10),
        }),
    };
    let known = Found {
        uid: "4107-310b0da80b".into(),
    };
    let accepted = search.accepts(&BEGATEWAY, &known, data);
    let listed = listed(data).unwrap_or_default();
    let Some(found) = search.choose(&listed, |_| false) else {
        return accepted;
    };
    let path = transaction_by_uid(&BEGATEWAY, &found);
    assert!(path.is_some_and(|it| it.path().ends_with(&*found.uid) && !is_odd(it.path())));
    let again = search.choose(&listed, |uid| *uid == *found.uid);
    assert_eq!(again, None, "one that is another's is taken");
    true
}

/// A value of `Retry-After` and `Date`. True if it is a time.
pub(crate) fn dates(data: &[u8]) -> bool {
    let Ok(value) = HeaderValue::from_bytes(data) else {
        return false;
    };
    let fields = HeaderMap::from_iter([(RETRY_AFTER, value.clone()), (DATE, value)]);
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let waits = retry_after(&fields, now);
    let read = gateway_time(&fields);
    if let (Some(waits), Some(at)) = (waits, read) {
        assert_eq!(waits, at.duration_since(now).unwrap_or_default());
    }
    waits.is_some()
}
