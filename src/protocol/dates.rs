//! What the gateway says of time, in the fields of its answers.
use std::time::{Duration, SystemTime};

use http::header::{DATE, HeaderMap, RETRY_AFTER};

/// The span that `Retry-After` asks for, in seconds or as a date (RFC 9110 §10.2.3); `None` where
/// it is absent or unreadable. The caller bounds it.
pub fn retry_after(fields: &HeaderMap, wall_clock: SystemTime) -> Option<Duration> {
    let value = fields.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Some(at.duration_since(wall_clock).unwrap_or_default())
}

/// The gateway's time of day when it gave an answer with these fields.
pub fn gateway_time(fields: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(fields.get(DATE)?.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let read = |value: &'static str| {
            let mut fields = HeaderMap::new();
            fields.insert(RETRY_AFTER, http::HeaderValue::from_static(value));
            retry_after(
                &fields,
                SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_767),
            )
        };
        assert_eq!(read("120"), Some(Duration::from_secs(120)));
        assert_eq!(
            read("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(Duration::from_secs(10))
        );
        assert_eq!(read("Sat, 05 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(read("soon"), None);
        assert_eq!(read("-1"), None);
    }
}
