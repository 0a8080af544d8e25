//! A plain client of a simulated gateway over in-memory pipes, in paused time.
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use holdline::drain::Drain;
use holdline::simulator::{DEMO_KEY, DEMO_SHOP, Gateway, Latency, Ledger, Settings};
use holdline::timing::Clock;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// How long a task takes here, unless its words say otherwise.
pub(super) const WORK: Duration = Duration::from_millis(500);

/// Longer than anything that a test waits for, shorter than retention.
const PATIENCE: Duration = Duration::from_hours(2);

/// A gateway with a client.
pub(super) struct Client {
    pub(super) gateway: Gateway,
    drain: Drain,
    amounts: std::cell::Cell<u64>,
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) fields: HeaderMap,
    pub(super) body: Bytes,
}

impl Reply {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub(super) fn text(&self, member: &str) -> String {
        self.json()[member].as_str().unwrap_or_default().to_owned()
    }
}

/// A client of a gateway with the default settings.
pub(super) fn client() -> Client {
    client_of(|_| ())
}

/// A client of a gateway whose settings are changed.
pub(super) fn client_of(change: impl FnOnce(&mut Settings)) -> Client {
    let mut settings = Settings {
        latency: Latency::Fixed(WORK),
        epoch: Some(SystemTime::UNIX_EPOCH + Duration::from_hours(500_000)),
        ..Settings::default()
    };
    change(&mut settings);
    Client {
        gateway: Gateway::new(settings, Clock::start()),
        drain: Drain::new(),
        amounts: std::cell::Cell::new(100),
    }
}

/// The demo shop's credentials.
pub(super) fn credentials() -> String {
    let token = STANDARD.encode(format!("{DEMO_SHOP}:{DEMO_KEY}"));
    format!("Basic {token}")
}

impl Client {
    /// A connection to the gateway.
    pub(super) fn connect(&self) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let gateway = self.gateway.clone();
        self.drain
            .spawn(async move { gateway.serve_stream(theirs).await });
        ours
    }

    /// One request on a connection of its own; `None` if no whole answer came.
    pub(super) async fn call(
        &self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: &Value,
    ) -> Option<Reply> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(self.connect()))
            .await
            .unwrap();
        self.drain.spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "gateway.test");
        if !fields.iter().any(|(name, _)| *name == "authorization") {
            request = request.header("authorization", credentials());
        }
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let bytes = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = request.body(Full::new(Bytes::from(bytes))).unwrap();
        let exchange = async {
            let (parts, body) = sender.send_request(request).await.ok()?.into_parts();
            let body = body.collect().await.ok()?.to_bytes();
            Some(Reply {
                status: parts.status.as_u16(),
                fields: parts.headers,
                body,
            })
        };
        tokio::time::timeout(PATIENCE, exchange).await.ok()?
    }

    pub(super) async fn get(&self, path: &str) -> Reply {
        self.call("GET", path, &[], &Value::Null).await.unwrap()
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.call("POST", path, &[], body).await.unwrap()
    }

    /// A payment whose description holds these words; each has an amount of its own.
    pub(super) fn payment(&self, words: &str) -> Value {
        self.amounts.set(self.amounts.get() + 1);
        json!({"request": {
            "amount": self.amounts.get(),
            "currency": "USD",
            "description": words,
            "tracking_id": "order-7",
            "credit_card": {
                "number": "4200000000000000",
                "verification_value": "123",
                "holder": "Zoë Ünal",
                "exp_month": "01",
                "exp_year": "2030",
            },
        }})
    }

    /// Submits an asynchronous payment; `None` if no whole answer came.
    pub(super) async fn try_submit(&self, words: &str) -> Option<Reply> {
        let payment = self.payment(words);
        self.call("POST", "/async/transactions/payments", &[], &payment)
            .await
    }

    /// Submits an asynchronous payment and returns its `request_id`.
    pub(super) async fn submit(&self, words: &str) -> String {
        let reply = self.try_submit(words).await.unwrap();
        assert_eq!(reply.text("status"), "processing", "{reply:?}");
        reply.text("request_id")
    }

    pub(super) async fn try_result(&self, request_id: &str) -> Option<Reply> {
        let path = format!("/async/result/{request_id}");
        self.call("GET", &path, &[], &Value::Null).await
    }

    pub(super) async fn result(&self, request_id: &str) -> Reply {
        self.try_result(request_id).await.unwrap()
    }

    pub(super) async fn status(&self, request_id: &str) -> Reply {
        self.get(&format!("/async/status/{request_id}")).await
    }

    /// Sends a payment's bytes and returns every byte that comes back until the end.
    pub(super) async fn raw(&self, words: &str, count: usize) -> Vec<u8> {
        let body = self.payment(words).to_string();
        let request = format!(
            "POST /async/transactions/payments HTTP/1.1\r\nHost: gateway.test\r\n\
             Authorization: {}\r\nContent-Length: {}\r\n\r\n{body}",
            credentials(),
            body.len()
        );
        let bytes = request.as_bytes();
        let mut stream = self.connect();
        // The gateway may have reset the connection by now.
        let _reset = stream.write_all(&bytes[..count.min(bytes.len())]).await;
        let mut answer = Vec::new();
        let _reset = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        answer
    }

    pub(super) fn ledger(&self) -> Ledger {
        self.gateway.ledger()
    }
}

/// Lets the work of a task pass.
pub(super) async fn work_passes() {
    tokio::time::sleep(WORK).await;
}
