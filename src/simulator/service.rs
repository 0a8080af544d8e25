//! Which request goes where: operations, polls, queries, and the tests' own control paths.
use std::borrow::Cow;

use bytes::Bytes;
use http::{Method, Request, Response, header};
use hyper::body::Incoming;
use serde_json::json;

use super::answer::{Answer, Problem, Version};
use super::faults::{SubmitWords, Words};
use super::gateway::Gateway;
use super::head::Head;
use super::ledger::PollStep;
use super::order::Kind;
use super::poll::poll;
use super::script::Takeover;
use super::submit::{Operation, refused, submit};
use super::task::Query;
use super::wire::Drawn;
use crate::message::{Body, collect};

/// Fault words that a test sends to `/__next`.
const LONGEST_WORDS: usize = 16 * 1024;

/// Where a request goes.
#[derive(Debug)]
enum Route {
    Submit(Operation),
    AsyncSubmit(Operation),
    Poll(PollStep, String),
    Query(Query),
    Control(Control),
    Elsewhere,
}

/// The paths by which a test steers the gateway and looks into it.
#[derive(Debug)]
enum Control {
    Ledger,
    Reset,
    FinishHeld,
    Finish(String),
    Next,
}

/// Answers one request.
pub(super) async fn serve(
    gateway: Gateway,
    request: Request<Incoming>,
    drawn: Drawn,
) -> Result<Response<Body>, Takeover> {
    let drawn = drawn.take();
    let answer = match route(request.method(), request.uri().path()) {
        Route::Control(control) => Ok(steer(&gateway, control, request.into_body()).await),
        route => on_its_way(&gateway, route, request, drawn).await,
    }?;
    // The Date is the gateway's own, so that paused and shifted clocks are told the same way.
    let date = httpdate::fmt_http_date(gateway.time_of_day());
    Ok(answer.with(header::DATE, date).into_response())
}

async fn on_its_way(
    gateway: &Gateway,
    route: Route,
    request: Request<Incoming>,
    drawn: Words,
) -> Result<Answer, Takeover> {
    let trip = gateway.settings().round_trip;
    if let Route::Poll(step, request_id) = route {
        let (parts, _) = request.into_parts();
        let head = Head::read(&parts, gateway.settings());
        return poll(gateway, &head, step, &request_id, trip).await;
    }
    if !trip.is_zero() {
        tokio::time::sleep(trip).await;
    }
    match route {
        Route::Submit(operation) => submit(gateway, request, operation, false, drawn).await,
        Route::AsyncSubmit(operation) => submit(gateway, request, operation, true, drawn).await,
        Route::Query(query) => {
            let (parts, _) = request.into_parts();
            Ok(answer_query(
                gateway,
                &Head::read(&parts, gateway.settings()),
                &query,
            ))
        }
        Route::Poll(..) | Route::Control(_) | Route::Elsewhere => {
            Ok(Problem::not_found().answer(Version::default()))
        }
    }
}

fn answer_query(gateway: &Gateway, head: &Head, query: &Query) -> Answer {
    let version = head.version.unwrap_or_default();
    let Some(shop) = head.shop.as_deref() else {
        return refused(gateway, &SubmitWords::default(), 401, version);
    };
    let now = gateway.now();
    let mut state = gateway.state();
    state.record_query(now, &head.path, shop);
    state.read(now, shop, query, version)
}

async fn steer(gateway: &Gateway, control: Control, body: Incoming) -> Answer {
    match control {
        Control::Ledger => {
            // A ledger is plain data with text keys: it always has a JSON form.
            let ledger = serde_json::to_value(gateway.ledger()).unwrap_or_default();
            Answer::json(200, &ledger)
        }
        Control::Reset => {
            gateway.reset();
            Answer::json(200, &json!({}))
        }
        Control::FinishHeld => Answer::json(200, &json!({"finished": gateway.finish_held()})),
        Control::Finish(request_id) => {
            let finished = gateway.finish(&request_id);
            let status = if finished { 200 } else { 404 };
            Answer::json(status, &json!({"finished": u8::from(finished)}))
        }
        Control::Next => {
            let text = collect(body, LONGEST_WORDS).await.unwrap_or_default();
            arm(gateway, &text)
        }
    }
}

fn arm(gateway: &Gateway, text: &Bytes) -> Answer {
    match String::from_utf8_lossy(text).parse::<Words>() {
        Ok(words) => {
            gateway.arm(words);
            Answer::json(200, &json!({}))
        }
        Err(error) => Answer::message(400, &error.to_string()),
    }
}

fn route(method: &Method, path: &str) -> Route {
    if let Some(control) = path.strip_prefix("/__") {
        return self::control(method, control).map_or(Route::Elsewhere, Route::Control);
    }
    if method == Method::GET {
        for (prefix, step) in [
            ("/async/status/", PollStep::Status),
            ("/async/result/", PollStep::Result),
        ] {
            if let Some(request_id) = path.strip_prefix(prefix) {
                return Route::Poll(step, request_id.to_owned());
            }
        }
    }
    match path.strip_prefix("/async") {
        Some(rest) => operation(method, rest).map_or(Route::Elsewhere, Route::AsyncSubmit),
        None => match operation(method, path) {
            Some(Operation::Query(query)) => Route::Query(query),
            Some(operation) => Route::Submit(operation),
            None => Route::Elsewhere,
        },
    }
}

fn operation(method: &Method, path: &str) -> Option<Operation> {
    if method == Method::GET {
        let query = match path.strip_prefix("/v2/transactions/tracking_id/") {
            Some(id) => Query::TrackingId(percent_decoded(id)),
            None => Query::Uid(path.strip_prefix("/transactions/")?.to_owned()),
        };
        return Some(Operation::Query(query));
    }
    if method != Method::POST {
        return None;
    }
    match path {
        "/balance" => Some(Operation::Balance),
        _ => Kind::of_segment(path.strip_prefix("/transactions/")?).map(Operation::Transaction),
    }
}

fn control(method: &Method, path: &str) -> Option<Control> {
    let control = match path {
        "ledger" => return (method == Method::GET).then_some(Control::Ledger),
        "reset" => Control::Reset,
        "finish" => Control::FinishHeld,
        "next" => Control::Next,
        _ => Control::Finish(path.strip_prefix("finish/")?.to_owned()),
    };
    (method == Method::POST).then_some(control)
}

/// The text behind `%XX` (RFC 3986 §2.1); what is no such triple stays.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = tail.get(..2).filter(|_| byte == b'%');
        let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok());
        if let Some(decoded) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            bytes.push(decoded);
            rest = tail.get(2..).unwrap_or_default();
        } else {
            bytes.push(byte);
            rest = tail;
        }
    }
    Cow::into_owned(String::from_utf8_lossy(&bytes))
}
