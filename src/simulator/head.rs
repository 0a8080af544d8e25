//! What the head of a request says: who calls, in which version, under which key.
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderName};
use http::request::Parts;

use super::answer::Version;
use super::faults::Words;
use super::settings::{Settings, Shop};

/// "RequestID", in any case: a repeat of this value is an attempt of one request.
const REQUEST_ID: HeaderName = HeaderName::from_static("requestid");
const API_VERSION: HeaderName = HeaderName::from_static("x-api-version");
/// Fault words beside the request, for faults that act before the body is read.
const SIMULATE: HeaderName = HeaderName::from_static("simulate");

/// What stands for a value that must not be kept.
const PRESENT: &str = "(present)";

/// The head of one request.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) path: String,
    /// The shop whose credentials came; `None` if none or wrong ones did.
    pub(super) shop: Option<String>,
    /// The version that was asked for, if one was.
    pub(super) version: Option<Version>,
    /// The `RequestID`.
    pub(super) key: Option<String>,
    pub(super) host: Option<String>,
    pub(super) words: Words,
    /// Every field as it came; credentials are told as present only.
    pub(super) fields: Vec<(String, String)>,
}

impl Head {
    pub(super) fn read(parts: &Parts, settings: &Settings) -> Self {
        let fields = &parts.headers;
        Self {
            path: parts.uri.path().to_owned(),
            shop: text(fields, &header::AUTHORIZATION)
                .and_then(|value| caller(&value, &settings.shops)),
            version: text(fields, &API_VERSION).map(|value| version(&value)),
            key: text(fields, &REQUEST_ID),
            host: text(fields, &header::HOST).or_else(|| {
                let authority = parts.uri.authority()?;
                Some(authority.as_str().to_owned())
            }),
            words: text(fields, &SIMULATE)
                .map(|value| Words::in_text(&value))
                .unwrap_or_default(),
            fields: fields.iter().map(recorded).collect(),
        }
    }
}

fn text(fields: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = fields.get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn version(value: &str) -> Version {
    if value.trim() == "3" {
        Version::Three
    } else {
        Version::Two
    }
}

fn recorded((name, value): (&HeaderName, &http::HeaderValue)) -> (String, String) {
    let credential = [
        header::AUTHORIZATION,
        header::PROXY_AUTHORIZATION,
        header::COOKIE,
    ];
    let value = if credential.contains(name) {
        PRESENT.to_owned()
    } else {
        String::from_utf8_lossy(value.as_bytes()).into_owned()
    };
    (name.as_str().to_owned(), value)
}

/// The shop that these Basic credentials (RFC 7617) belong to.
fn caller(value: &str, shops: &[Shop]) -> Option<String> {
    let (scheme, token) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(token.trim()).ok()?;
    let credentials = String::from_utf8(decoded).ok()?;
    let (id, key) = credentials.split_once(':')?;
    shops
        .iter()
        .find(|shop| shop.id == id && shop.key == key)
        .map(|shop| shop.id.clone())
}
