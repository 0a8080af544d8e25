//! A safe operation: converted where the gateway gives a receipt for it, relayed where it does not.
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Response};
use http_body::Body as _;

use super::key::KeyFault;
use super::order::Holding;
use super::problem::Problem;
use super::respond::{self, About, Given};
use super::service::{Incomer, Proxy, path_of};
use crate::exchange::{Credentials, Gateway, Read, ReadOutcome, ReadPolicy};
use crate::message::{Body, StoredResponse};
use crate::protocol::{Conversion, Profile};
use crate::upstream::{Cause, Sent};

/// No connection was free for a read.
const CROWDED: Problem = Problem::Relay {
    cause: Cause::Exhausted,
    sent: Sent::Never,
    safe: true,
};

/// A safe request, ready to be sent in either form.
struct Prepared {
    gateway: Arc<Gateway>,
    /// As it begins a task; `None` where the gateway makes none of it.
    read: Option<Read>,
    /// As it came.
    plain: Request<Body>,
}

impl Proxy {
    pub(super) async fn read(
        self,
        incomer: Incomer,
        conversion: &'static Conversion,
    ) -> Response<Body> {
        // A body means nothing in a GET (RFC 9110 §9.3.1). A gateway that passes it over takes it for the
        // next request, and its answer must not come on a connection of polls.
        if incomer.head.method == Method::GET && !incomer.body.is_end_stream() {
            return self.relay(incomer).await;
        }
        if let Some(problem) = self.refusal() {
            return self.refuse(problem);
        }
        // Its polls would go with the first of two credentials, and its submit with both.
        if incomer.head.headers.get_all(AUTHORIZATION).iter().count() > 1 {
            return self.refuse(Problem::Key(KeyFault::DoubledCredentials));
        }
        let holding = self.holding(&incomer.head.headers, incomer.arrived_at);
        let prepared = match self.prepared(incomer, conversion, holding).await {
            Ok(prepared) => prepared,
            Err(problem) => return self.refuse(problem),
        };
        let about = About {
            wait_applied: holding.wait,
            ..About::default()
        };
        let until = self.shared.clock.instant(holding.until);
        let answered = self.answered(prepared, &about, holding);
        let answered = tokio::time::timeout_at(until, answered).await;
        answered.unwrap_or_else(|_| self.answer_with(Problem::Read, &about))
    }

    /// Reads the request's body, and makes of it what may be sent.
    async fn prepared(
        &self,
        incomer: Incomer,
        conversion: &'static Conversion,
        holding: Holding,
    ) -> Result<Prepared, Problem> {
        let Incomer {
            head,
            mut body,
            gateway,
            ..
        } = incomer;
        let body = self.read_body(&mut body, self.config.max_body).await?;
        let path = path_of(&head);
        // Without credentials there is nothing to poll with; the gateway says so itself.
        let credentials = Credentials::of(&head.headers, &gateway.profile.shape_fields);
        let twin = gateway.profile.async_path(&path).zip(credentials);
        let fields = respond::upstream_fields(head.headers, head.version);
        let plain = request(&head.method, &path, fields.clone(), body.clone());
        let read = twin.map(|(path, credentials)| Read {
            gateway: Arc::clone(&gateway),
            conversion,
            request: submit(request(&head.method, &path, fields, body), gateway.profile),
            credentials,
            hold_until: holding.until,
        });
        Ok(Prepared {
            gateway,
            read,
            plain,
        })
    }

    /// The answer of the task that the gateway makes of the request, or of the request as it is.
    async fn answered(
        &self,
        prepared: Prepared,
        about: &About,
        holding: Holding,
    ) -> Response<Body> {
        if let Some(read) = prepared.read {
            let policy = ReadPolicy::clone(&self.shared.read_policy.now());
            match read.run(policy, self.shared.clock).await {
                ReadOutcome::Answer(answer) => return self.give(&answer, about, holding),
                ReadOutcome::NotAsynchronous => {}
                ReadOutcome::Crowded => return self.answer_with(CROWDED, about),
                ReadOutcome::Failed => return self.answer_with(Problem::Read, about),
            }
        }
        self.forward(&prepared.gateway, prepared.plain, true).await
    }

    fn give(&self, answer: &StoredResponse, about: &About, holding: Holding) -> Response<Body> {
        let given = Given {
            hold: self.shared.clock.now().since(holding.arrived_at),
            ..Given::default()
        };
        respond::answer(answer, about, given)
    }
}

fn request(method: &Method, path: &PathAndQuery, fields: HeaderMap, body: Bytes) -> Request<Body> {
    let mut request = Request::new(Body::from(body));
    *request.method_mut() = method.clone();
    *request.uri_mut() = path.clone().into();
    *request.headers_mut() = fields;
    request
}

/// The request as it begins a task. Its answer must be read to know its class. A key that its client gave
/// a payment, too, could be answered with that payment's task.
fn submit(mut request: Request<Body>, profile: &Profile) -> Request<Body> {
    let fields = request.headers_mut();
    fields.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    fields.remove(&profile.key_field);
    request
}
