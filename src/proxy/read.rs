//! A safe operation: converted where the gateway gives a receipt for it, relayed where it does not.
use http::header::{ACCEPT_ENCODING, HeaderValue};
use http::uri::PathAndQuery;
use http::{Request, Response};

use super::problem::{BodyFault, Problem};
use super::respond::{self, About, Given};
use super::service::{Incomer, Proxy};
use crate::exchange::{Credentials, Read, ReadOutcome};
use crate::message::{Body, BodyError, collect, wait_preference};
use crate::protocol::Conversion;
use crate::timing::Moment;

impl Proxy {
    pub(super) async fn read(
        self,
        incomer: Incomer,
        conversion: &'static Conversion,
    ) -> Response<Body> {
        let Incomer {
            head,
            body,
            gateway,
            arrived_at,
        } = incomer;
        let config = &self.shared.config;
        // Without credentials there is nothing to poll with; the gateway says so itself.
        let credentials = Credentials::of(&head.headers, &gateway.profile.shape_fields);
        let path = head.uri.path_and_query().cloned();
        let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
        let read = tokio::time::timeout(config.body_timeout, collect(body, config.max_body)).await;
        let body = match read {
            Ok(Ok(body)) => body,
            Ok(Err(BodyError::TooLarge { .. })) => {
                return self.refuse(Problem::Body(BodyFault::TooLarge));
            }
            Ok(Err(BodyError::Cut(_))) => return self.refuse(Problem::Body(BodyFault::Cut)),
            Err(_) => return self.refuse(Problem::Body(BodyFault::TooSlow)),
        };
        let mut plain = Request::new(Body::from(body.clone()));
        *plain.method_mut() = head.method.clone();
        *plain.headers_mut() = respond::upstream_fields(&head.headers, head.version);
        *plain.uri_mut() = path.clone().into();
        let converted = gateway.profile.async_path(&path);
        let (Some(credentials), Some(async_path)) = (credentials, converted) else {
            return self.forward(&gateway, plain).await;
        };
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = head.method;
        *request.headers_mut() = plain.headers().clone();
        request
            .headers_mut()
            .insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        *request.uri_mut() = async_path.into();
        let wait = wait_preference(&head.headers)
            .unwrap_or(config.hold)
            .min(config.hold);
        let hold_until: Moment = arrived_at + wait;
        let gateway_of_read = gateway.clone();
        let read = Read {
            gateway: gateway_of_read,
            conversion,
            request,
            credentials,
            hold_until,
        };
        match read.run(self.shared.read_policy, self.shared.clock).await {
            ReadOutcome::Answer(answer) => {
                let hold = self.shared.clock.now().since(arrived_at);
                let given = Given {
                    hold,
                    ..Given::default()
                };
                respond::answer(&answer, &About::default(), given)
            }
            ReadOutcome::NotAsynchronous => self.forward(&gateway, plain).await,
            ReadOutcome::Failed => self.refuse(Problem::Read),
        }
    }
}
