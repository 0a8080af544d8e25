//! The origin of a gateway (RFC 6454): scheme, host and port, and nothing else.
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::HeaderValue;
use http::uri::{Authority, PathAndQuery, Scheme, Uri};

/// Scheme, host and port of a gateway. Made by its parser only, so that no URL can carry
/// userinfo, a path or another host. Two are equal if they are one origin, however each is spelled.
#[derive(Clone, Debug)]
pub struct Origin {
    scheme: Scheme,
    authority: Authority,
    /// The authority once more, as the value of the `Host` field.
    host_field: HeaderValue,
}

/// Why a text is no origin; each completes "failed to read the origin: …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// Not a URL.
    #[error("it is not a URL like https://gateway.example")]
    Malformed,
    /// Neither http nor https.
    #[error("its scheme is neither https nor http")]
    Scheme,
    /// Has userinfo.
    #[error("it carries user information before the host")]
    Userinfo,
    /// Has a path or a query.
    #[error("it carries a path or a query; an origin ends after host and port")]
    Path,
}

impl Origin {
    /// True for https.
    pub fn is_tls(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// The host, without brackets for an IPv6 address.
    pub fn host(&self) -> &str {
        self.authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']')
    }

    /// The port, given or the scheme's own.
    pub fn port(&self) -> u16 {
        self.authority
            .port_u16()
            .unwrap_or(if self.is_tls() { 443 } else { 80 })
    }

    /// Host and port as the `Host` field carries them.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The value of the `Host` field (RFC 9110 §7.2).
    pub(super) fn host_field(&self) -> &HeaderValue {
        &self.host_field
    }

    /// True if the host is a loopback address or `localhost`.
    pub fn is_loopback(&self) -> bool {
        self.host().eq_ignore_ascii_case("localhost")
            || self
                .host()
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }

    /// True if `text` is this origin, however it is spelled.
    pub fn is_written(&self, text: &str) -> bool {
        text.parse().is_ok_and(|other: Self| other == *self)
    }

    /// True if `url` is at this origin, or relative.
    pub fn has(&self, url: &Uri) -> bool {
        match (url.scheme(), url.authority()) {
            (Some(scheme), Some(authority)) => self.is_written(&format!("{scheme}://{authority}")),
            (None, Some(authority)) => *authority == self.authority,
            (_, None) => true,
        }
    }

    /// The URL of `path` at this origin.
    pub fn url(&self, path: PathAndQuery) -> Uri {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path);
        Uri::from_parts(parts).unwrap_or_default()
    }
}

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        self.scheme == other.scheme
            && self.port() == other.port()
            && self.host().eq_ignore_ascii_case(other.host())
    }
}

impl Eq for Origin {}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let parts = text
            .parse::<Uri>()
            .map_err(|_| OriginError::Malformed)?
            .into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(OriginError::Malformed);
        };
        if scheme != Scheme::HTTPS && scheme != Scheme::HTTP {
            return Err(OriginError::Scheme);
        }
        if authority.as_str().contains('@') {
            return Err(OriginError::Userinfo);
        }
        if authority.host().is_empty() {
            return Err(OriginError::Malformed);
        }
        if parts
            .path_and_query
            .is_some_and(|path| path.as_str() != "/")
            || text.contains('#')
        {
            return Err(OriginError::Path);
        }
        let host_field =
            HeaderValue::from_str(authority.as_str()).map_err(|_| OriginError::Malformed)?;
        Ok(Self {
            scheme,
            authority,
            host_field,
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}", self.scheme, self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port_only() {
        let origin: Origin = "https://gateway.example".parse().unwrap();
        assert_eq!(
            (origin.host(), origin.port(), origin.is_tls()),
            ("gateway.example", 443, true)
        );
        assert_eq!(origin.to_string(), "https://gateway.example");
        let url = origin.url(PathAndQuery::from_static("/async/result/1"));
        assert_eq!(url.to_string(), "https://gateway.example/async/result/1");
        assert!(
            "http://[::1]:9100/"
                .parse::<Origin>()
                .unwrap()
                .is_loopback()
        );
    }

    #[test]
    fn an_origin_is_the_same_however_it_is_spelled() {
        let origin = |text: &str| text.parse::<Origin>().unwrap();
        for (one, other) in [
            ("http://h", "http://h:80"),
            ("https://gw.example", "HTTPS://GW.Example:443/"),
            ("http://[::1]:80", "http://[::1]"),
        ] {
            assert_eq!(origin(one), origin(other));
            assert!(origin(one).is_written(other), "{other}");
        }
        for other in [
            "http://gw.example",
            "https://gw.example:80",
            "https://gw.example.test",
        ] {
            assert_ne!(origin("https://gw.example"), origin(other));
        }
        let own = origin("https://gw.example");
        for (url, is_ours) in [
            ("/async/result/1", true),
            ("https://GW.example:443/async/result/1", true),
            ("https://gw.example:8443/async/result/1", false),
            ("http://gw.example/async/result/1", false),
        ] {
            assert_eq!(own.has(&url.parse().unwrap()), is_ours, "{url}");
        }
        assert!(origin("http://LocalHost").is_loopback());
    }

    #[test]
    fn anything_more_is_refused_with_its_reason() {
        let error = |text: &str| text.parse::<Origin>().unwrap_err();
        assert_eq!(error("ftp://gateway.example"), OriginError::Scheme);
        assert_eq!(error("https://a:b@gateway.example"), OriginError::Userinfo);
        assert_eq!(error("https://gateway.example/api"), OriginError::Path);
        assert_eq!(error("gateway.example"), OriginError::Malformed);
        assert_eq!(error("https://"), OriginError::Malformed);
    }
}
