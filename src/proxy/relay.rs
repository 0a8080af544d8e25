//! Requests that are not converted: passed through as they are, streaming both ways.
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts as Head;
use http::{Method, Request, Response};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::order::FREE_BODY;
use super::problem::Problem;
use super::respond;
use super::service::{Incomer, Proxy};
use crate::exchange::Gateway;
use crate::message::{Body, BodyError, Paced, collect};
use crate::upstream::{Cause, Sent};

impl Proxy {
    pub(super) async fn relay(self, incomer: Incomer) -> Response<Body> {
        let body = self.relayed(Bytes::new(), incomer.body);
        self.pass(incomer.head, &incomer.gateway, body).await
    }

    /// Passes a request on, with a body that was made ready for it. A small one is read whole first, so that
    /// who sends it slowly has no turn meanwhile, which others wait for.
    pub(super) async fn pass(
        &self,
        head: Head,
        gateway: &Arc<Gateway>,
        body: Body,
    ) -> Response<Body> {
        if let Some(problem) = self.refusal() {
            return self.refuse(problem);
        }
        let mut request = Request::new(body);
        *request.headers_mut() = respond::upstream_fields(head.headers, head.version);
        *request.method_mut() = head.method;
        *request.uri_mut() = head
            .uri
            .path_and_query()
            .cloned()
            .map(Into::into)
            .unwrap_or_default();
        let safe = request.method().is_safe();
        let is_post = *request.method() == Method::POST;
        self.shared.metrics.relayed(is_post);
        let size = request.body().size_hint().exact();
        if size.is_some_and(|size| size <= FREE_BODY as u64) {
            let body = std::mem::take(request.body_mut());
            let whole = tokio::time::timeout(self.config.hold, collect(body, FREE_BODY)).await;
            let Ok(Ok(whole)) = whole else {
                return self.refuse(Problem::Relay {
                    cause: Cause::RequestBody,
                    sent: Sent::Never,
                    safe,
                });
            };
            *request.body_mut() = whole.into();
        }
        self.forward(gateway, request, safe).await
    }

    /// A body as it goes on, of which `read` was read already. A small one has most often come with its
    /// head.
    pub(super) fn relayed(&self, read: Bytes, rest: Incoming) -> Body {
        if rest.is_end_stream() {
            return Body::from(read);
        }
        let is_sized = rest.size_hint().exact().is_some();
        let paced = Paced::new(rest.map_err(BodyError::cut), self.config.body_timeout);
        if !read.is_empty() {
            return Body::streamed(paced.after(read));
        }
        if !is_sized {
            return Body::streamed(paced);
        }
        paced.in_hand().map_or_else(Body::streamed, Body::from)
    }

    /// Sends a request as it is and gives the gateway's answer as it comes. A slow gateway may take
    /// as long as a held request may, and as long again for each piece of its answer. A `safe` one
    /// may be repeated freely.
    pub(super) async fn forward(
        &self,
        gateway: &Arc<Gateway>,
        request: Request<Body>,
        safe: bool,
    ) -> Response<Body> {
        let patience = self.config.hold;
        match gateway.client.relay(request, patience).await {
            Ok(mut response) => {
                let version = response.version();
                respond::pass_on(response.headers_mut(), version);
                response.map(|body| match body.whole() {
                    Some(_) => body,
                    None => Body::streamed(Paced::new(body, patience)),
                })
            }
            Err(error) => {
                let now = self.shared.clock.now();
                if let Some(untold) = self.shared.relay_failures.may_tell(now) {
                    tracing::warn!(gateway = %gateway.name, %error, untold, "a relayed request failed");
                }
                self.refuse(Problem::Relay {
                    cause: error.cause,
                    sent: error.sent,
                    safe,
                })
            }
        }
    }
}
