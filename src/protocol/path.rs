//! Which requests convert, told by method and path, and the path of the asynchronous twin.
use http::Method;
use http::uri::PathAndQuery;

use super::profile::{Conversion, Profile};
use super::ticket::RequestId;

/// Where a request goes by its method and path.
#[derive(Clone, Copy, Debug)]
pub enum Route {
    /// It has an asynchronous twin.
    Converted(&'static Conversion),
    /// It is a read with a `;` in its one segment, as for several tracking ids. What that names is the
    /// gateway's to say, and no task nor money is behind any reading of it: it goes on as it came.
    Parameters(&'static Conversion),
    /// It would have one if its path were decoded or normalised, which a gateway might do and a
    /// proxy must not guess: it is refused.
    Disguised,
    /// It has none.
    Other,
}

impl Profile {
    /// Where a request goes. `path` is without its query.
    pub fn route(&'static self, method: &Method, path: &str) -> Route {
        let find = |path: &str| {
            self.conversions
                .iter()
                .find(|conversion| conversion.matches(method, path))
        };
        if let Some(conversion) = find(path) {
            return Route::Converted(conversion);
        }
        if let Some(read) = find(&path.replace(';', ",")).filter(|it| it.safe) {
            return Route::Parameters(read);
        }
        let reads = matches!(*method, Method::GET | Method::HEAD);
        let asks = |path: &str| reads && self.asks_of_task(path).is_some();
        if asks(path) {
            return Route::Other;
        }
        let normalised = normalised(path);
        if find(&normalised).is_some() || asks(&normalised) {
            Route::Disguised
        } else {
            Route::Other
        }
    }

    /// The path of the asynchronous twin, query included; `None` only if it grows too long.
    pub fn async_path(&self, path: &PathAndQuery) -> Option<PathAndQuery> {
        PathAndQuery::try_from([self.async_prefix, path.as_str()].concat()).ok()
    }

    /// The path at which the result of a task is read.
    pub fn result_of(&self, id: &RequestId) -> Option<PathAndQuery> {
        PathAndQuery::try_from([self.result_path, id.as_str()].concat()).ok()
    }

    /// The task whose result a path asks for, if it does.
    pub fn task_of(&self, path: &str) -> Option<RequestId> {
        path.strip_prefix(self.result_path)?.parse().ok()
    }

    /// The task whose result or status a path asks for. Either may be given once only.
    pub fn asks_of_task(&self, path: &str) -> Option<RequestId> {
        let status = || path.strip_prefix(self.status_path)?.parse().ok();
        self.task_of(path).or_else(status)
    }
}

impl Conversion {
    fn matches(&self, method: &Method, path: &str) -> bool {
        if self.method != *method {
            return false;
        }
        match path.strip_prefix(self.path) {
            Some(segment) if self.path.ends_with('/') => is_plain_segment(segment),
            Some(rest) => rest.is_empty(),
            None => false,
        }
    }
}

/// True for one non-empty segment that no decoding turns into more than one, or into a dot segment.
fn is_plain_segment(segment: &str) -> bool {
    let decoded = decoded(segment.as_bytes());
    let after = |at: usize| segment.as_bytes().get(at + 1..).unwrap_or_default();
    let is_sound = segment
        .match_indices('%')
        .all(|(at, _)| pair(after(at)).is_some());
    let is_plain = |byte: &u8| !matches!(byte, b'/' | b'\\' | 0..0x20 | 0x7f);
    is_sound
        && !decoded.is_empty()
        && decoded.iter().all(is_plain)
        && !matches!(decoded.as_slice(), b"." | b"..")
        && !segment.contains(';')
}

/// Percent-decodes once (RFC 3986 §2.1). A `%` that starts no pair of hex digits stays, and what follows it
/// is decoded: some servers read it so.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let byte = pair(tail).filter(|_| *first == b'%');
        bytes.push(byte.unwrap_or(*first));
        rest = byte.and_then(|_| tail.get(2..)).unwrap_or(tail);
    }
    bytes
}

/// The byte that two hex digits stand for.
fn pair(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    u8::try_from(digit(0)? << 4 | digit(1)?).ok()
}

/// The path as the most liberal server might read it: decoded until nothing changes, back slashes
/// turned, parameters and controls dropped, empty and dot segments resolved.
fn normalised(path: &str) -> String {
    /// Deeper encodings are no path that any server would decode.
    const DECODINGS: usize = 4;
    let mut bytes = path.as_bytes().to_vec();
    for _ in 0..DECODINGS {
        let next = decoded(&bytes);
        if next == bytes {
            break;
        }
        bytes = next;
    }
    let text: String = String::from_utf8_lossy(&bytes)
        .chars()
        .filter(|character| !character.is_control())
        .map(|character| if character == '\\' { '/' } else { character })
        .collect();
    let mut segments: Vec<&str> = Vec::new();
    for segment in text.split('/') {
        match segment.split(';').next().unwrap_or_default().trim() {
            "" | "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name),
        }
    }
    format!("/{}", segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{BEGATEWAY, Operation};

    fn route(method: &Method, path: &str) -> Route {
        BEGATEWAY.route(method, path)
    }

    fn converted(method: &Method, path: &str) -> Option<Operation> {
        match route(method, path) {
            Route::Converted(conversion) => Some(conversion.operation),
            Route::Parameters(_) | Route::Disguised | Route::Other => None,
        }
    }

    #[test]
    fn all_eleven_operations_convert() {
        let mut seen: Vec<Operation> = BEGATEWAY
            .conversions
            .iter()
            .map(|conversion| {
                let tail = if conversion.path.ends_with('/') {
                    "1-ab"
                } else {
                    ""
                };
                converted(&conversion.method, &format!("{}{tail}", conversion.path)).unwrap()
            })
            .collect();
        seen.dedup();
        assert_eq!(seen, Operation::ALL);
    }

    #[test]
    fn every_other_path_and_the_asynchronous_side_itself_are_left_alone() {
        for path in [
            "/credit_cards",
            "/async/transactions/payments",
            "/transactions",
            "/",
            "/ctp",
        ] {
            assert!(matches!(route(&Method::POST, path), Route::Other), "{path}");
        }
        assert!(matches!(
            route(&Method::GET, "/transactions/payments/1"),
            Route::Other
        ));
        assert!(matches!(
            route(&Method::PUT, "/transactions/payments"),
            Route::Other
        ));
    }

    #[test]
    fn a_path_that_decodes_to_a_converted_one_is_refused() {
        for path in [
            "/transactions/payments/",
            "//transactions/payments",
            "/transactions//payments",
            "/transactions/./payments",
            "/x/../transactions/payments",
            "/async/../transactions/payments",
            "/transactions%2fpayments",
            "/transactions/%70ayments",
            "/transactions/%2570ayments",
            "/transactions\\payments",
            "/transactions/payments%00",
            "/transactions/payments;v=1",
            "/transactions/%70ayments;%zz",
            "/%zz/../transactions/%70ayments",
            "/%2e%2e/transactions/payments",
        ] {
            assert!(
                matches!(route(&Method::POST, path), Route::Disguised),
                "{path}"
            );
        }
    }

    #[test]
    fn a_task_is_asked_for_plainly_or_not_at_all() {
        let plain = ["/async/result/10203", "/async/status/a-b_C"];
        for path in plain {
            assert!(BEGATEWAY.asks_of_task(path).is_some(), "{path}");
            assert!(matches!(route(&Method::GET, path), Route::Other), "{path}");
        }
        for path in [
            "/async/result/10203/",
            "//async/result/10203",
            "/async/x/../status/10203",
            "/async/result/%310203",
            "/async/result/%310203;%zz",
            "/async/result%2f10203",
            "/async/status/10203;x",
        ] {
            for method in [Method::GET, Method::HEAD] {
                assert!(matches!(route(&method, path), Route::Disguised), "{path}");
            }
            assert!(matches!(route(&Method::POST, path), Route::Other), "{path}");
        }
    }

    #[test]
    fn a_read_may_have_parameters_where_they_hide_nothing() {
        let read = |method: &Method, path: &str| match route(method, path) {
            Route::Parameters(read) => Some(read.operation),
            Route::Converted(_) | Route::Disguised | Route::Other => None,
        };
        for path in [
            "/v2/transactions/tracking_id/a;b",
            "/v2/transactions/tracking_id/%D0%97;b;",
            "/transactions/1-a;b",
        ] {
            let read = read(&Method::GET, path);
            assert_eq!(read, Some(Operation::StatusQuery), "{path}");
        }
        for (method, path) in [
            (Method::POST, "/transactions/payments;v=1"),
            (Method::POST, "/transactions/payments;/../../balance"),
            (Method::POST, "/balance;x"),
            (Method::GET, "/async/result/1;/../../../transactions/1"),
            (Method::GET, "/transactions/..;/async/result/1"),
            (Method::GET, "/transactions/..%2fasync%2fresult%2f1;x"),
            (Method::GET, "/transactions//1;x"),
        ] {
            let is_refused = matches!(route(&method, path), Route::Disguised);
            assert!(is_refused, "{path}");
        }
    }

    #[test]
    fn a_tracking_id_may_be_percent_encoded_but_not_hide_a_slash() {
        let lookup = |id: &str| route(&Method::GET, &format!("/v2/transactions/tracking_id/{id}"));
        assert!(matches!(lookup("order%20123"), Route::Converted(_)));
        assert!(matches!(lookup("%D0%97"), Route::Converted(_)));
        assert!(!matches!(lookup("a%2fb"), Route::Converted(_)));
        assert!(!matches!(lookup("%2e%2e"), Route::Converted(_)));
        assert!(!matches!(lookup("a%zz"), Route::Converted(_)));
    }

    #[test]
    fn the_twin_keeps_its_query() {
        let path = PathAndQuery::from_static("/transactions/payments?x=1");
        assert_eq!(
            BEGATEWAY.async_path(&path).unwrap().as_str(),
            "/async/transactions/payments?x=1"
        );
    }
}
