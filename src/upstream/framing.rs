//! What a request carries on the wire, and what of an answer may be believed.
use std::io::Write as _;

use http::header::{self, HeaderValue};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body as _;

use super::{Cause, Error, Origin, Sent};
use crate::message::Body;
use crate::message::fields::remove_hop_by_hop;

/// What a head has beside its path and its fields: the rest of its first line, the length of its body,
/// and the empty line.
const BESIDE_FIELDS: usize = 64;

/// Gives `request` the form of HTTP/1.1: origin-form, and `Host` once (RFC 9112 §3.2). Its framing
/// is made anew from the body.
pub(super) fn for_http1(request: &mut Request<Body>, host: &HeaderValue) {
    if request.uri().authority().is_some() || !has_root(request.uri()) {
        let path = path_of(request.uri());
        *request.uri_mut() = Uri::from(path);
    }
    *request.version_mut() = Version::HTTP_11;
    remove_hop_by_hop(request.headers_mut());
    request.headers_mut().remove(header::CONTENT_LENGTH);
    request.headers_mut().insert(header::HOST, host.clone());
    // hyper leaves the length of an empty body out, and a gateway may ask for it (RFC 9110 §8.6).
    let has_content = matches!(
        *request.method(),
        Method::POST | Method::PUT | Method::PATCH
    );
    match request.body().size_hint().exact() {
        Some(0) if has_content => {
            let none = HeaderValue::from_static("0");
            request.headers_mut().insert(header::CONTENT_LENGTH, none);
        }
        Some(_) => {}
        // hyper takes a GET without a length for one without a body.
        None => {
            let chunked = HeaderValue::from_static("chunked");
            let fields = request.headers_mut();
            fields.insert(header::TRANSFER_ENCODING, chunked);
        }
    }
}

/// Gives `request` the form of HTTP/2: an absolute URL, whose authority takes the place of `Host`
/// (RFC 9113 §8.3.1), and no field of a connection (§8.2.2).
pub(super) fn for_http2(request: &mut Request<Body>, origin: &Origin) {
    let path = path_of(request.uri());
    *request.uri_mut() = origin.url(path);
    *request.version_mut() = Version::HTTP_2;
    remove_hop_by_hop(request.headers_mut());
    request.headers_mut().remove(header::CONTENT_LENGTH);
    request.headers_mut().remove(header::HOST);
}

/// Writes the head of `request`, which has the form of HTTP/1.1, to the end of `bytes`.
pub(super) fn write_head(request: &Request<Body>, bytes: &mut Vec<u8>) {
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", PathAndQuery::as_str);
    let lines = request.headers().iter();
    let fields: usize = lines
        .map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len())
        .sum();
    bytes.reserve(path.len() + fields + BESIDE_FIELDS);
    let mut write = |parts: &[&[u8]]| {
        for part in parts {
            bytes.extend_from_slice(part);
        }
    };
    write(&[
        request.method().as_str().as_bytes(),
        b" ",
        path.as_bytes(),
        b" HTTP/1.1\r\n",
    ]);
    for (name, value) in request.headers() {
        write(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
    }
    let length = request.body().size_hint().exact();
    // Where it is empty, it was said in the fields if it has to be.
    if let Some(length) = length.filter(|length| *length > 0) {
        // Writing to memory does not fail.
        let _ = write!(bytes, "content-length: {length}\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
}

/// Path and query. A URL may have a query and no path, and then the path is `/` (RFC 9112 §3.2.1).
fn path_of(url: &Uri) -> PathAndQuery {
    let root = || PathAndQuery::from_static("/");
    match url.path_and_query() {
        Some(path) if has_root(url) => path.clone(),
        // As text it has it.
        Some(query) => query.to_string().parse().unwrap_or_else(|_| root()),
        None => root(),
    }
}

fn has_root(url: &Uri) -> bool {
    let path = url.path_and_query().map(PathAndQuery::as_str);
    path.is_none_or(|path| !path.starts_with('?'))
}

/// Checks the framing of an answer and removes what concerned this connection only. Afterwards a
/// `Content-Length` says the length of the body that is read here.
pub(super) fn check<B>(answer: &mut Response<B>) -> Result<(), Error> {
    let malformed = |words| Error::new(Cause::Malformed, Sent::Maybe).because(words);
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        // Nothing of ours asks for another protocol (RFC 9110 §15.2.2).
        return Err(malformed("it switched protocols unasked"));
    }
    let fields = answer.headers_mut();
    if fields.contains_key(header::TRANSFER_ENCODING) {
        if !is_chunked_only(fields) {
            // A coding under the chunks would reach the reader as if it were the body itself.
            return Err(malformed("its transfer coding is not exactly chunked"));
        }
        // The chunks overrule a length, and it must not go on (RFC 9112 §6.3).
        fields.remove(header::CONTENT_LENGTH);
    }
    remove_hop_by_hop(fields);
    Ok(())
}

/// True for one line that says nothing else. An empty element or an unreadable line beside it is
/// no other coding, but readers differ on whether the chunks still count.
fn is_chunked_only(fields: &HeaderMap) -> bool {
    let mut lines = fields.get_all(header::TRANSFER_ENCODING).iter();
    lines
        .next()
        .is_some_and(|line| line.as_bytes().eq_ignore_ascii_case(b"chunked"))
        && lines.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(fields: &[(&'static str, &'static str)]) -> Response<()> {
        let builder = fields
            .iter()
            .fold(Response::builder(), |builder, (name, value)| {
                builder.header(*name, *value)
            });
        builder.body(()).unwrap()
    }

    #[test]
    fn host_stands_once_and_is_the_origins() {
        let mut request = Request::builder()
            .uri("http://elsewhere.example/a?b")
            .header("host", "one.example")
            .header("host", "two.example")
            .body(Body::empty())
            .unwrap();
        for_http1(&mut request, &HeaderValue::from_static("gateway.example"));
        assert_eq!(request.uri(), "/a?b");
        let hosts: Vec<_> = request.headers().get_all("host").iter().collect();
        assert_eq!(hosts, ["gateway.example"]);
    }

    #[test]
    fn a_url_without_a_path_has_the_root() {
        for (url, line) in [
            ("http://elsewhere.example?a=1", "GET /?a=1 HTTP/1.1\r\n"),
            ("http://elsewhere.example", "GET / HTTP/1.1\r\n"),
            ("/?a=1", "GET /?a=1 HTTP/1.1\r\n"),
        ] {
            let mut request = Request::get(url).body(Body::empty()).unwrap();
            for_http1(&mut request, &HeaderValue::from_static("gateway.example"));
            let mut head = Vec::new();
            write_head(&request, &mut head);
            assert!(head.starts_with(line.as_bytes()), "{url}");
            let mut request = Request::get(url).body(Body::empty()).unwrap();
            for_http2(&mut request, &"https://gateway.example".parse().unwrap());
            assert!(request.uri().path().starts_with('/'), "{url}");
            let query = request.uri().query();
            assert_eq!(query, line.contains('?').then_some("a=1"), "{url}");
        }
    }

    #[test]
    fn an_empty_body_has_a_length_where_a_body_is_looked_for() {
        let length = |method: Method| {
            let mut request = Request::new(Body::empty());
            *request.method_mut() = method;
            for_http1(&mut request, &HeaderValue::from_static("gateway.example"));
            request.headers().get(header::CONTENT_LENGTH).cloned()
        };
        assert_eq!(length(Method::POST).unwrap(), "0");
        assert_eq!(length(Method::PUT).unwrap(), "0");
        assert_eq!(length(Method::GET), None);
        assert_eq!(length(Method::DELETE), None);
    }

    #[test]
    fn http_2_takes_the_origin_into_the_url() {
        let mut request = Request::builder()
            .uri("/a?b")
            .header("host", "one.example")
            .header("connection", "x-gone")
            .header("x-gone", "1")
            .body(Body::empty())
            .unwrap();
        for_http2(&mut request, &"https://gateway.example".parse().unwrap());
        assert_eq!(request.uri(), "https://gateway.example/a?b");
        assert!(request.headers().is_empty());
    }

    #[test]
    fn a_length_beside_chunks_does_not_go_on() {
        let mut both = answer(&[("transfer-encoding", "Chunked"), ("content-length", "5")]);
        check(&mut both).unwrap();
        assert!(both.headers().is_empty());
    }

    #[test]
    fn a_coding_under_the_chunks_is_an_error() {
        for coding in ["gzip, chunked", "chunked, chunked", "gzip", "", "chunked,"] {
            let mut coded = Response::builder()
                .header("transfer-encoding", coding)
                .body(())
                .unwrap();
            assert_eq!(check(&mut coded).unwrap_err().cause, Cause::Malformed);
        }
    }
}
