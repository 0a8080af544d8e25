//! A submit, synchronous or not: let in, read, taken on, and answered as its words have it.
use bytes::{BufMut, Bytes, BytesMut};
use http::Request;
use http::header;
use hyper::body::Incoming;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::time::Duration;

use super::answer::{Answer, Problem, Version, refusal};
use super::faults::{RetryAfter, SubmitFault, SubmitWords, Words};
use super::gateway::Gateway;
use super::head::Head;
use super::ledger::Verdict;
use super::order::{self, Kind, Order};
use super::script::{Step, Takeover};
use super::state::{self, Asked, Begun};
use super::task::{Query, first};
use super::ticket::Ticket;
use crate::message::collect;

/// No request of a merchant is longer.
const LONGEST_BODY: usize = 1024 * 1024;

/// `Retry-After: date` says so long from now.
const RETRY_IN: Duration = Duration::from_secs(10);

/// What the path of a submit names.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    Transaction(Kind),
    Balance,
    Query(Query),
}

/// Answers a request for an operation.
pub(super) async fn submit(
    gateway: &Gateway,
    request: Request<Incoming>,
    operation: Operation,
    asynchronous: bool,
    drawn: Words,
) -> Result<Answer, Takeover> {
    let (parts, body) = request.into_parts();
    let head = Head::read(&parts, gateway.settings());
    let version = head.version.unwrap_or_default();
    let words = drawn.overlaid_by(head.words);
    let early = match words.submit.fault {
        Some(SubmitFault::Early(status)) => Some(status),
        _ if head.shop.is_none() => Some(401),
        _ => None,
    };
    if let Some(status) = early {
        return Ok(refuse_early(gateway, &head, &words, status));
    }
    let bytes = collect(body, LONGEST_BODY)
        .await
        .map_err(|_| Takeover::closing(Vec::new()))?;
    let Some((asked, json)) = read(&operation, &bytes, &head) else {
        record_refused(gateway, &head, None);
        return Ok(Problem::new(400, "E.1000", "The request is not valid JSON").answer(version));
    };
    let words = words.overlaid_by(Words::in_text(order::wording(&json)));
    let tracking_id = order::tracking_id(&json);
    let prevented = words
        .submit
        .fault
        .is_some_and(SubmitFault::prevents_the_task);
    if prevented && !words.submit.created {
        record_refused(gateway, &head, tracking_id);
    } else {
        let answer = begin(gateway, &head, tracking_id, &asked, &words, asynchronous).await;
        if !prevented {
            return dress(gateway, answer, &words.submit).await;
        }
    }
    let answer = instead(gateway, &words.submit, version)?;
    dress(gateway, answer, &words.submit).await
}

/// What is asked for, and the body; `None` if that is no JSON.
fn read(operation: &Operation, bytes: &Bytes, head: &Head) -> Option<(Asked, Value)> {
    let json = match operation {
        Operation::Query(_) => Value::Null,
        Operation::Balance | Operation::Transaction(_) => serde_json::from_slice(bytes).ok()?,
    };
    let asked = match operation {
        Operation::Query(query) => Asked::Query(query.clone()),
        Operation::Balance if head.version != Some(Version::Two) => {
            Asked::Invalid(Problem::new(400, "E.1000", "X-API-Version 2 is needed"))
        }
        Operation::Balance => {
            let currency = json
                .get("request")
                .and_then(|request| request.get("currency"));
            let currency = currency.and_then(Value::as_str).map(str::to_owned);
            Asked::Query(Query::Balance(currency))
        }
        Operation::Transaction(kind) => match Order::read(*kind, &json) {
            Ok(order) => Asked::Order(Box::new(order)),
            Err(problem) => Asked::Invalid(problem),
        },
    };
    Some((asked, json))
}

/// Takes the request on, and returns its plain answer.
async fn begin(
    gateway: &Gateway,
    head: &Head,
    tracking_id: Option<&str>,
    asked: &Asked,
    words: &Words,
    asynchronous: bool,
) -> Answer {
    let shop = head.shop.as_deref().unwrap_or_default();
    let version = head.version.unwrap_or_default();
    let ahead = SignedDuration::from_secs(words.task.clock.unwrap_or_default().into());
    let created_at = Timestamp::try_from(gateway.time_of_day())
        .and_then(|now| now.checked_add(ahead))
        .unwrap_or_default()
        .to_string();
    let request = state::Request {
        head,
        shop,
        tracking_id,
        asynchronous,
        asked,
        words,
        created_at: &created_at,
    };
    let (request_id, previous) = loop {
        let begun = gateway.state().begin(gateway.now(), &request);
        match begun {
            Begun::New(request_id, previous) => break (request_id, previous),
            Begun::Same(request_id) => break (request_id, None),
            Begun::Wait(request_id) => gateway.done(&request_id).await,
            Begun::Refused(problem) => return problem.answer(version),
        }
    };
    if asynchronous {
        let ticket = Ticket {
            request_id: &request_id,
            previous: previous.as_deref(),
            origin: &origin(gateway, head),
            version,
        };
        return ticket.answer(gateway.settings(), &words.submit);
    }
    gateway.done(&request_id).await;
    let state = gateway.state();
    state.tasks.get(&request_id).map_or_else(
        || Problem::not_found().answer(version),
        |task| state.result(gateway.now(), shop, &task.work, version),
    )
}

/// The origin that poll URLs show.
pub(super) fn origin(gateway: &Gateway, head: &Head) -> String {
    gateway.settings().public_url.clone().unwrap_or_else(|| {
        let host = head.host.as_deref().unwrap_or("localhost");
        format!("http://{host}")
    })
}

fn refuse_early(gateway: &Gateway, head: &Head, words: &Words, status: u16) -> Answer {
    record_refused(gateway, head, None);
    refused(
        gateway,
        &words.submit,
        status,
        head.version.unwrap_or_default(),
    )
}

fn record_refused(gateway: &Gateway, head: &Head, tracking_id: Option<&str>) {
    let now = gateway.now();
    gateway
        .state()
        .record_submit(now, head, tracking_id, Verdict::Refused, None);
}

/// The answer of a fault that stands in the acceptance's place.
fn instead(gateway: &Gateway, words: &SubmitWords, version: Version) -> Result<Answer, Takeover> {
    match words.fault {
        Some(SubmitFault::BadGateway) => Ok(Answer::bad_gateway()),
        Some(SubmitFault::Unavailable) => Ok(Answer::unavailable()),
        Some(SubmitFault::Redirect(status)) => Ok(Answer::redirect(status)),
        Some(SubmitFault::Refuse(status) | SubmitFault::Early(status)) => {
            Ok(refused(gateway, words, status, version))
        }
        Some(SubmitFault::Switch) => Err(Takeover::closing(vec![Step::Write(Bytes::from_static(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        ))])),
        Some(
            SubmitFault::Reset(_)
            | SubmitFault::Swallow
            | SubmitFault::Silent
            | SubmitFault::CutFields
            | SubmitFault::CutBody(_)
            | SubmitFault::Status(_)
            | SubmitFault::Interim(_)
            | SubmitFault::Huge(_),
        )
        | None => Err(Takeover::reset()),
    }
}

/// A refusal, as the words and the settings have it.
pub(super) fn refused(
    gateway: &Gateway,
    words: &SubmitWords,
    status: u16,
    version: Version,
) -> Answer {
    let body = words.body.unwrap_or(gateway.settings().refusal_body);
    let answer = refusal(status, body, version);
    let retry_after = words.retry_after.map(|retry_after| match retry_after {
        RetryAfter::Seconds(seconds) => seconds.to_string(),
        RetryAfter::Date => httpdate::fmt_http_date(gateway.time_of_day() + RETRY_IN),
        RetryAfter::Garbage => "soon, maybe".to_owned(),
    });
    match retry_after {
        Some(value) => answer.with(header::RETRY_AFTER, value),
        None if status == 401 => answer.with(
            header::WWW_AUTHENTICATE,
            "Basic realm=\"gateway\"".to_owned(),
        ),
        None => answer,
    }
}

/// Sends the answer as the fault has it: late, with another code, cut, or not at all.
async fn dress(
    gateway: &Gateway,
    mut answer: Answer,
    words: &SubmitWords,
) -> Result<Answer, Takeover> {
    if let Some(span) = words.late {
        tokio::time::sleep(span).await;
    }
    let date = httpdate::fmt_http_date(gateway.time_of_day());
    let whole = |answer: Answer| {
        let answer = answer.with(header::DATE, date);
        (answer.head_bytes(), answer.body)
    };
    let steps = match words.fault {
        Some(SubmitFault::Swallow) => Vec::new(),
        Some(SubmitFault::Silent) => vec![Step::UntilClosed],
        Some(SubmitFault::CutFields) => {
            let (head, _) = whole(answer);
            vec![Step::Write(first(&head, head.len() / 2))]
        }
        Some(SubmitFault::CutBody(count)) => {
            let (head, body) = whole(answer);
            vec![Step::Write(head), Step::Write(first(&body, count))]
        }
        Some(SubmitFault::Interim(count)) => {
            let (head, body) = whole(answer);
            vec![
                Step::Write(interim(count)),
                Step::Write(head),
                Step::Write(body),
            ]
        }
        Some(SubmitFault::Status(status)) => {
            answer.status = status;
            if status >= 200 {
                return Ok(answer);
            }
            let (head, body) = whole(answer);
            vec![Step::Write(head), Step::Write(body)]
        }
        Some(
            SubmitFault::Refuse(_)
            | SubmitFault::Early(_)
            | SubmitFault::BadGateway
            | SubmitFault::Unavailable
            | SubmitFault::Redirect(_)
            | SubmitFault::Switch
            | SubmitFault::Reset(_)
            | SubmitFault::Huge(_),
        )
        | None => return Ok(answer),
    };
    Err(Takeover::closing(steps))
}

/// So many interim answers (RFC 9110 §15.2), none of which says anything.
fn interim(count: u32) -> Bytes {
    let mut bytes = BytesMut::new();
    for _ in 0..count {
        bytes.put_slice(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n");
    }
    bytes.freeze()
}
