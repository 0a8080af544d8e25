//! The routes of the operator's listener.
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::about::About;
use super::page;
use super::policy::Policy;
use super::polling::Routes;
use super::readiness::{Listeners, Readiness};
use super::samples::{self, Samples};
use super::scrape::Scrape;
use super::task;
use super::tasks::{self, Census, Query};
use super::view::View;
use crate::drain::Drain;
use crate::exchange::Flights;
use crate::journal::Journal;
use crate::live::Live;
use crate::message::Body;
use crate::timing::{Clock, wall_clock};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

const HTML: &str = "text/html; charset=utf-8";

const JSON: &str = "application/json";

const ROUTES: &str = "/ /livez /readyz /metrics /tasks /tasks/ID\n";

/// The service of the operator's listener. It changes nothing and shows no body and no credential.
#[derive(Clone)]
pub struct Service(Arc<Shared>);

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
    /// Its clients' listeners.
    pub listeners: Listeners,
    /// Its configuration.
    pub about: Live<About>,
}

struct Shared {
    registry: Registry,
    flights: Flights,
    clock: Clock,
    journal: Option<Journal>,
    readiness: Readiness,
    about: Live<About>,
    policy: Policy,
    samples: Mutex<Samples>,
}

impl Shared {
    /// Sets the gauges that nothing else keeps true.
    fn observe(&self) {
        self.flights.observe();
        if let Some(journal) = &self.journal {
            journal.observe();
        }
    }

    fn samples(&self) -> MutexGuard<'_, Samples> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// The service over the metrics and the exchanges of the process.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Shared {
            registry: parts.registry,
            flights: parts.flights,
            clock: parts.clock,
            journal: parts.journal.clone(),
            readiness: Readiness::new(parts.drain, parts.listeners, parts.journal),
            about: parts.about,
            policy: Policy::of(page::STYLE, page::SCRIPT),
            samples: Mutex::default(),
        }))
    }

    /// Takes samples for the page's plots, and sees a change of readiness that no probe asks for,
    /// until the drain is over.
    pub async fn watch(self, drain: Drain) {
        let shared = self.0;
        loop {
            let now = shared.clock.now();
            shared.observe();
            let scrape = Scrape::of(&shared.registry);
            shared.samples().take(now, &scrape);
            // It is told in the log where it changed.
            let _ = shared.readiness.fault();
            tokio::select! {
                () = shared.clock.sleep_until(now + samples::EVERY) => {}
                () = drain.ended() => return,
            }
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
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
            "/" => self.page().await,
            "/livez" => text(StatusCode::OK, "ok\n"),
            "/readyz" => self.readyz(),
            "/metrics" => self.metrics(),
            "/tasks" => self.tasks(request.uri().query()),
            path => match path.strip_prefix("/tasks/") {
                Some(id) => self.task(id, task::wants_html(request.headers())).await,
                None => text(StatusCode::NOT_FOUND, ROUTES),
            },
        }
    }

    async fn task(&self, id: &str, as_html: bool) -> Response<Body> {
        let shared = &self.0;
        let stories = shared.flights.stories(shared.journal.as_ref(), id).await;
        let mut response = if as_html {
            self.document(task::page(&shared.about.now(), id, &stories))
        } else {
            let json = serde_json::to_string(&stories).unwrap_or_default();
            content(StatusCode::OK, JSON, json)
        };
        if stories.is_empty() {
            *response.status_mut() = StatusCode::NOT_FOUND;
        }
        let vary = HeaderValue::from_static("accept");
        response.headers_mut().insert(header::VARY, vary);
        response
    }

    async fn page(&self) -> Response<Body> {
        let shared = &self.0;
        let routes = Routes::drawn(shared.flights.sketches()).await;
        shared.observe();
        let about = shared.about.now();
        let view = View {
            about: &about,
            scrape: Scrape::of(&shared.registry),
            samples: &shared.samples(),
            census: Census::take(&shared.flights, shared.clock.now()),
            routes,
            fault: shared.readiness.fault(),
            time: wall_clock(),
        };
        self.document(page::overview(&view))
    }

    /// A document under the policy that lets in nothing but our own style and script.
    fn document(&self, document: String) -> Response<Body> {
        let mut response = content(StatusCode::OK, HTML, document);
        self.0.policy.put_on(response.headers_mut());
        response
    }

    fn readyz(&self) -> Response<Body> {
        match self.0.readiness.fault() {
            None => text(StatusCode::OK, "ok\n"),
            Some(parts) => {
                let parts = format!("{parts}\n");
                content(StatusCode::SERVICE_UNAVAILABLE, PLAIN_TEXT, parts)
            }
        }
    }

    fn tasks(&self, query: Option<&str>) -> Response<Body> {
        match Query::read(query) {
            Ok(query) => {
                let census = Census::take(&self.0.flights, self.0.clock.now());
                content(StatusCode::OK, JSON, tasks::json(&census, query))
            }
            Err(why) => content(StatusCode::BAD_REQUEST, PLAIN_TEXT, format!("{why}\n")),
        }
    }

    fn metrics(&self) -> Response<Body> {
        self.0.observe();
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
    // No other site's page may embed any of it.
    fields.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    );
    response
}

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.answer(request).await) })
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
