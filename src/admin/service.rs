//! The routes of the operator's listener.
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::tasks;
use crate::drain::Drain;
use crate::exchange::Flights;
use crate::journal::Journal;
use crate::message::Body;
use crate::timing::Clock;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

/// The service of the operator's listener. It changes nothing and shows no body and no credential.
#[derive(Clone)]
pub struct Service(Arc<Parts>);

/// What the operator is told of.
pub struct Parts {
    /// The metrics of the process.
    pub registry: Registry,
    /// Its exchanges.
    pub flights: Flights,
    /// Its clock.
    pub clock: Clock,
    /// Its end.
    pub drain: Drain,
    /// Its journal, unless everything is in memory.
    pub journal: Option<Journal>,
}

impl Service {
    /// The service over the metrics and the exchanges of the process.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        if !is_local(request.headers()) {
            return text(
                StatusCode::MISDIRECTED_REQUEST,
                "the Host is not this listener's\n",
            );
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "read-only\n");
            response
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match request.uri().path() {
            "/livez" => text(StatusCode::OK, "ok\n"),
            "/readyz" => self.readyz(),
            "/metrics" => self.metrics(),
            "/tasks" => {
                let json = tasks::json(&self.0.flights, self.0.clock.now());
                content(StatusCode::OK, "application/json", json)
            }
            _ => text(StatusCode::NOT_FOUND, "/livez /readyz /metrics /tasks\n"),
        }
    }

    fn readyz(&self) -> Response<Body> {
        if self.0.drain.is_draining() {
            return text(StatusCode::SERVICE_UNAVAILABLE, "draining\n");
        }
        if let Some(Err(why)) = self.0.journal.as_ref().map(Journal::may_start) {
            let why = format!("{why}\n");
            return content(StatusCode::SERVICE_UNAVAILABLE, PLAIN_TEXT, why);
        }
        text(StatusCode::OK, "ok\n")
    }

    fn metrics(&self) -> Response<Body> {
        self.0.flights.observe();
        let mut written = String::new();
        match encode(&mut written, &self.0.registry) {
            Ok(()) => content(StatusCode::OK, OPEN_METRICS, written),
            Err(_) => text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "failed to write the metrics\n",
            ),
        }
    }
}

/// A page in a browser must not reach this listener under a name of its own (DNS rebinding): the
/// host is an address, or a name that cannot be registered.
fn is_local(fields: &HeaderMap) -> bool {
    let mut lines = fields.get_all(header::HOST).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return false;
    };
    let Some(authority) = line
        .to_str()
        .ok()
        .and_then(|it| it.parse::<http::uri::Authority>().ok())
    else {
        return false;
    };
    let host = authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    address.parse::<std::net::IpAddr>().is_ok() || !host.contains('.')
}

fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    content(status, PLAIN_TEXT, text.to_owned())
}

fn content(status: StatusCode, kind: &'static str, content: String) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::from(content)));
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        ready(Ok(self.answer(&request)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_or_a_name_without_a_dot_is_this_listeners() {
        let local = |host: &'static str| {
            let mut fields = HeaderMap::new();
            fields.insert(header::HOST, HeaderValue::from_static(host));
            is_local(&fields)
        };
        assert!(local("127.0.0.1:9900"));
        assert!(local("[::1]:9900"));
        assert!(local("localhost"));
        assert!(local("holdline:9900"));
        assert!(!local("evil.example"));
        assert!(!local("127.0.0.1.evil.example:9900"));
        assert!(!is_local(&HeaderMap::new()));
    }
}
