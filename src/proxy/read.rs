//! A safe operation: converted where the gateway gives a receipt for it, relayed where it does not.
use std::sync::Arc;

use http::header::{ACCEPT_ENCODING, HeaderValue};
use http::{Request, Response};

use super::problem::Problem;
use super::respond::{self, About, Given};
use super::service::{Incomer, Proxy, path_of};
use crate::exchange::{Credentials, Read, ReadOutcome, ReadPolicy};
use crate::message::{Body, StoredResponse, wait_preference};
use crate::protocol::Conversion;
use crate::timing::Moment;

impl Proxy {
    pub(super) async fn read(
        self,
        incomer: Incomer,
        conversion: &'static Conversion,
    ) -> Response<Body> {
        if let Some(problem) = self.refusal() {
            return self.refuse(problem);
        }
        let hold = self.config.hold;
        let wait = wait_preference(&incomer.head.headers).unwrap_or(hold);
        let until = incomer.arrived_at + wait.min(hold);
        let Incomer {
            head,
            mut body,
            gateway,
            arrived_at,
        } = incomer;
        let body = match self.read_body(&mut body).await {
            Ok(body) => body,
            Err(unread) => return self.refuse(unread.into()),
        };
        let path = path_of(&head);
        let mut plain = Request::new(Body::from(body.clone()));
        *plain.method_mut() = head.method.clone();
        *plain.headers_mut() = respond::upstream_fields(head.headers.clone(), head.version);
        *plain.uri_mut() = path.clone().into();
        let answered = async {
            // Without credentials there is nothing to poll with; the gateway says so itself.
            let credentials = Credentials::of(&head.headers, &gateway.profile.shape_fields);
            let twin = gateway.profile.async_path(&path).zip(credentials);
            if let Some((path, credentials)) = twin {
                let mut request = Request::new(Body::from(body));
                *request.method_mut() = head.method;
                *request.headers_mut() = plain.headers().clone();
                let identity = HeaderValue::from_static("identity");
                request.headers_mut().insert(ACCEPT_ENCODING, identity);
                *request.uri_mut() = path.into();
                let read = Read {
                    gateway: Arc::clone(&gateway),
                    conversion,
                    request,
                    credentials,
                    held_until: until,
                };
                let policy = ReadPolicy::clone(&self.shared.read_policy.now());
                match read.run(policy, self.shared.clock).await {
                    ReadOutcome::Answer(answer) => return self.give(&answer, arrived_at),
                    ReadOutcome::NotAsynchronous => {}
                    ReadOutcome::Failed => return self.refuse(Problem::Read),
                }
            }
            self.forward(&gateway, plain, true).await
        };
        let until = self.shared.clock.instant(until);
        let answered = tokio::time::timeout_at(until, answered).await;
        answered.unwrap_or_else(|_| self.refuse(Problem::Read))
    }

    fn give(&self, answer: &StoredResponse, arrived_at: Moment) -> Response<Body> {
        let given = Given {
            hold: self.shared.clock.now().since(arrived_at),
            ..Given::default()
        };
        respond::answer(answer, &About::default(), given)
    }
}
