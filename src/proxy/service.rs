//! The service behind a listener: where each request goes.
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt;
use http::request::Parts as Head;
use http::uri::PathAndQuery;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;

use super::config::Config;
use super::head;
use super::metrics::Metrics;
use super::problem::Problem;
use super::respond::{self, About};
use super::site::Sites;
use crate::drain::Drain;
use crate::exchange::{Flights, Gateway, ReadPolicy, Refusal};
use crate::listener::Reply;
use crate::live::Live;
use crate::message::{Body, Budget};
use crate::protocol::{Conversion, Disposition, RequestId, Route};
use crate::telemetry::Seldom;
use crate::timing::{Clock, Moment};

/// What the proxy is built from.
pub struct Parts {
    /// `[hold]`, `[routes]` and limits.
    pub config: Live<Config>,
    /// The exchanges.
    pub flights: Flights,
    /// Room for the bodies of requests: `limits.bodies`.
    pub bodies: Budget,
    /// How reads poll.
    pub read_policy: Live<ReadPolicy>,
    /// The process's clock.
    pub clock: Clock,
    /// The process's stop.
    pub drain: Drain,
    /// What is counted.
    pub metrics: Metrics,
    /// Lines about relayed requests that fail, which anybody may send.
    pub relay_failures: Seldom,
}

/// The service of one listener. Cloning it is cheap; every connection has its own clone.
#[derive(Clone)]
pub struct Proxy {
    pub(super) shared: Arc<Parts>,
    sites: Sites,
    /// What was in force when the request came that this clone serves.
    pub(super) config: Arc<Config>,
}

/// A downstream request that has a gateway.
pub(super) struct Incomer {
    pub(super) head: Head,
    pub(super) body: Incoming,
    pub(super) gateway: Arc<Gateway>,
    pub(super) arrived_at: Moment,
}

/// What is done with a request.
enum Way {
    Pay(&'static Conversion),
    Read(&'static Conversion),
    Task(RequestId),
    /// Not converted any more: the repeat of what was, or this.
    Former(&'static Conversion, Disposition),
    Relay,
    Refuse(Problem),
}

impl Proxy {
    /// The service of a listener whose clients ask for `sites`.
    pub fn new(shared: Arc<Parts>, sites: Sites) -> Self {
        let config = shared.config.now();
        Self {
            shared,
            sites,
            config,
        }
    }

    async fn serve(self, request: Request<Incoming>) -> Reply {
        let arrived_at = self.shared.clock.now();
        let (head, body) = request.into_parts();
        let host = match head::check(&head) {
            Ok(host) => host,
            Err(fault) => return self.refuse(Problem::Head(fault)).into(),
        };
        let Some(gateway) = self.sites.find(&host).map(Arc::clone) else {
            return self.refuse(Problem::NoGateway).into();
        };
        if let Err(fault) = head::check_connection(&head.headers, gateway.profile) {
            return self.refuse(Problem::Head(fault)).into();
        }
        let way = self.way(&head, &gateway);
        let incomer = Incomer {
            head,
            body,
            gateway,
            arrived_at,
        };
        match way {
            Way::Pay(conversion) => self.pay(incomer, conversion).await,
            // These hold whole messages; boxed, they cost a payment nothing.
            Way::Read(conversion) => Box::pin(self.read(incomer, conversion)).await.into(),
            Way::Task(id) => Box::pin(self.task(incomer, id)).await.into(),
            Way::Former(conversion, otherwise) => {
                Box::pin(self.former(incomer, conversion, otherwise)).await
            }
            Way::Relay => Box::pin(self.relay(incomer)).await.into(),
            Way::Refuse(problem) => self.refuse(problem).into(),
        }
    }

    fn way(&self, head: &Head, gateway: &Gateway) -> Way {
        let path = head.uri.path();
        match gateway.profile.route(&head.method, path) {
            Route::Converted(conversion) => {
                let disposition = self.config.routes.disposition(conversion.operation);
                let may_repeat = !conversion.safe && self.shared.flights.remembers();
                match disposition {
                    Disposition::Relay | Disposition::Refuse if may_repeat => {
                        Way::Former(conversion, disposition)
                    }
                    Disposition::Convert if conversion.safe => Way::Read(conversion),
                    Disposition::Convert => Way::Pay(conversion),
                    Disposition::Relay => Way::Relay,
                    Disposition::Refuse => Way::Refuse(Problem::RouteRefused),
                }
            }
            Route::Parameters(read) => match self.config.routes.disposition(read.operation) {
                Disposition::Convert | Disposition::Relay => Way::Relay,
                Disposition::Refuse => Way::Refuse(Problem::RouteRefused),
            },
            Route::Disguised => Way::Refuse(Problem::Disguised),
            // A gateway may well read a HEAD as a GET whose body it drops.
            Route::Other if matches!(head.method, Method::GET | Method::HEAD) => {
                let asked = gateway.profile.asks_of_task(path);
                asked.map_or(Way::Relay, Way::Task)
            }
            Route::Other => Way::Relay,
        }
    }

    /// Why nothing new may be asked of a gateway now. What runs is a matter of the exchanges.
    pub(super) fn refusal(&self) -> Option<Problem> {
        let draining = self.shared.drain.is_draining();
        draining.then_some(Problem::Refused(Refusal::Draining))
    }

    pub(super) fn refuse(&self, problem: Problem) -> Response<Body> {
        self.answer_with(problem, &About::default())
    }

    pub(super) fn answer_with(&self, problem: Problem, about: &About) -> Response<Body> {
        self.shared.metrics.answered(problem);
        respond::problem(problem, about)
    }
}

impl Service<Request<Incoming>> for Proxy {
    type Response = Reply;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Reply, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let proxy = Self {
            shared: Arc::clone(&self.shared),
            sites: self.sites.clone(),
            config: self.shared.config.now(),
        };
        Box::pin(proxy.serve(request).map(Ok))
    }
}

/// Path and query of a request; `*` and an authority alone have none.
pub(super) fn path_of(head: &Head) -> PathAndQuery {
    let path = head.uri.path_and_query().cloned();
    path.unwrap_or_else(|| PathAndQuery::from_static("/"))
}
