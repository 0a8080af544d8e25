//! Answers as values: the standard errors of both versions, a balancer's pages, and the bytes that
//! an answer has on the wire.
use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use super::settings::RefusalBody;
use crate::message::Body;

/// A host that is never this gateway's (RFC 2606 §2).
pub(super) const FOREIGN_ORIGIN: &str = "http://elsewhere.invalid";

/// The answer of a task or of a page that crashed, in the vendor's words.
pub(super) const CRASHED: &str = "We're sorry, but something went wrong";

/// The shape of answers that `X-API-Version` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Version {
    /// A transaction is wrapped in `transaction`, an error in `response`.
    #[default]
    Two,
    /// Both are flat, with a `code`.
    Three,
}

/// An answer, before it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) fields: Vec<(HeaderName, String)>,
    pub(super) body: Bytes,
}

impl Answer {
    fn new(status: u16, kind: Option<&str>, body: String) -> Self {
        let fields = kind.map(|kind| (header::CONTENT_TYPE, kind.to_owned()));
        Self {
            status,
            fields: fields.into_iter().collect(),
            body: Bytes::from(body),
        }
    }

    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self::json_text(status, body.to_string())
    }

    pub(super) fn json_text(status: u16, body: String) -> Self {
        Self::new(status, Some("application/json; charset=utf-8"), body)
    }

    pub(super) fn message(status: u16, message: &str) -> Self {
        Self::json(status, &json!({ "message": message }))
    }

    pub(super) fn html(status: u16, title: &str) -> Self {
        let page = format!("<html><head><title>{title}</title></head><body>{title}</body></html>");
        Self::new(status, Some("text/html"), page)
    }

    pub(super) fn empty(status: u16) -> Self {
        Self::new(status, None, String::new())
    }

    pub(super) fn bad_gateway() -> Self {
        Self::html(502, "502 Bad Gateway")
    }

    pub(super) fn unavailable() -> Self {
        Self::message(503, "no server is available to handle this request")
    }

    pub(super) fn redirect(status: u16) -> Self {
        Self::html(status, "Moved").with(header::LOCATION, format!("{FOREIGN_ORIGIN}/"))
    }

    pub(super) fn with(mut self, name: HeaderName, value: String) -> Self {
        self.fields.push((name, value));
        self
    }

    /// The answer as hyper sends it.
    pub(super) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or_default();
        for (name, value) in self.fields {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().append(name, value);
            }
        }
        response
    }

    /// The answer's status line and fields, as they stand on a connection that then closes.
    pub(super) fn head_bytes(&self) -> Bytes {
        let reason = StatusCode::from_u16(self.status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or("Unknown");
        let mut head = format!("HTTP/1.1 {} {reason}\r\n", self.status);
        for (name, value) in &self.fields {
            head.push_str(&format_field(name, value));
        }
        head.push_str(&format_field(
            &header::CONTENT_LENGTH,
            &self.body.len().to_string(),
        ));
        head.push_str(&format_field(&header::CONNECTION, "close"));
        head.push_str("\r\n");
        Bytes::from(head)
    }
}

fn format_field(name: &HeaderName, value: &str) -> String {
    let mut line = String::new();
    // Writing to a String cannot fail.
    let _infallible = write!(line, "{name}: {value}\r\n");
    line
}

/// Why a request is not fulfilled, in the gateway's own terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) errors: Vec<(&'static str, &'static str)>,
}

impl Problem {
    pub(super) fn new(status: u16, code: &'static str, message: &str) -> Self {
        Self {
            status,
            code,
            message: message.to_owned(),
            errors: Vec::new(),
        }
    }

    pub(super) fn invalid(errors: Vec<(&'static str, &'static str)>) -> Self {
        let message = errors
            .iter()
            .map(|(field, error)| format!("{field} {error}."))
            .collect::<Vec<_>>()
            .join(" ");
        Self {
            status: 422,
            code: "E.1000",
            message,
            errors,
        }
    }

    pub(super) fn not_found() -> Self {
        Self::new(404, "E.1001", "Record not found")
    }

    pub(super) fn in_progress() -> Self {
        Self::new(409, "P.1019", "Transaction is in progress")
    }

    /// The standard error of `version`.
    pub(super) fn answer(&self, version: Version) -> Answer {
        let mut errors = Map::new();
        for (field, error) in &self.errors {
            errors.insert((*field).to_owned(), json!([error]));
        }
        let body = match version {
            Version::Two if errors.is_empty() => json!({"response": {"message": self.message}}),
            Version::Two => json!({"response": {"message": self.message, "errors": errors}}),
            Version::Three => json!({
                "code": self.code,
                "message": self.message,
                "friendly_message": self.message,
                "errors": errors,
            }),
        };
        Answer::json(self.status, &body)
    }
}

/// A refusal that says nothing of the request's content: 401, 403, 429 and the like.
pub(super) fn refusal(status: u16, body: RefusalBody, version: Version) -> Answer {
    let reason = StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Refused");
    match body {
        RefusalBody::Standard => Problem::new(status, "E.1002", reason).answer(version),
        RefusalBody::Message => Answer::message(status, reason),
        RefusalBody::Html => Answer::html(status, reason),
        RefusalBody::Empty => Answer::empty(status),
    }
}
