//! The `Prefer` field of RFC 7240: how long a client is willing to wait.
use std::time::Duration;

use http::header::{HeaderMap, HeaderName};

use super::fields::elements;

/// The span of `Prefer: wait=N` (RFC 7240 §4.3), in seconds; the first one counts, and what is
/// not a whole number of seconds is no preference.
pub fn wait_preference(fields: &HeaderMap) -> Option<Duration> {
    elements(fields, &HeaderName::from_static("prefer"))
        .flat_map(|element| element.split(';'))
        .filter_map(|part| part.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("wait"))
        .and_then(|(_, seconds)| seconds.trim().trim_matches('"').parse().ok())
        .map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn prefer(value: &'static str) -> Option<Duration> {
        let mut fields = HeaderMap::new();
        fields.insert("prefer", HeaderValue::from_static(value));
        wait_preference(&fields)
    }

    #[test]
    fn the_wait_preference_is_found_among_others() {
        assert_eq!(
            prefer("respond-async, wait=10"),
            Some(Duration::from_secs(10))
        );
        assert_eq!(prefer("Wait = 3"), Some(Duration::from_secs(3)));
        assert_eq!(
            prefer("return=minimal; wait=\"7\""),
            Some(Duration::from_secs(7))
        );
    }

    #[test]
    fn what_is_no_whole_number_of_seconds_is_no_preference() {
        assert_eq!(prefer("wait"), None);
        assert_eq!(prefer("wait=soon"), None);
        assert_eq!(prefer("wait=-1"), None);
        assert_eq!(prefer("wait=1.5"), None);
    }
}
