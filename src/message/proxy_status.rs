//! The `Proxy-Status` field (RFC 9209): which proxy answered in the gateway's place, and why.
use http::HeaderValue;

/// A proxy error type of RFC 9209 §2.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProxyError {
    /// `dns_error`
    DnsError,
    /// `destination_unavailable`
    DestinationUnavailable,
    /// `connection_refused`
    ConnectionRefused,
    /// `connection_terminated`
    ConnectionTerminated,
    /// `connection_timeout`
    ConnectionTimeout,
    /// `connection_limit_reached`
    ConnectionLimitReached,
    /// `tls_certificate_error`
    TlsCertificateError,
    /// `tls_protocol_error`
    TlsProtocolError,
    /// `http_request_denied`
    HttpRequestDenied,
    /// `http_request_error`
    HttpRequestError,
    /// `http_response_header_section_size`
    HttpResponseHeaderSectionSize,
    /// `http_response_body_size`
    HttpResponseBodySize,
    /// `http_response_incomplete`
    HttpResponseIncomplete,
    /// `http_response_timeout`
    HttpResponseTimeout,
    /// `http_protocol_error`
    HttpProtocolError,
    /// `proxy_loop_detected`
    ProxyLoopDetected,
    /// `proxy_internal_error`
    ProxyInternalError,
}

impl ProxyError {
    /// The token that the field carries.
    pub const fn token(self) -> &'static str {
        match self {
            Self::DnsError => "dns_error",
            Self::DestinationUnavailable => "destination_unavailable",
            Self::ConnectionRefused => "connection_refused",
            Self::ConnectionTerminated => "connection_terminated",
            Self::ConnectionTimeout => "connection_timeout",
            Self::ConnectionLimitReached => "connection_limit_reached",
            Self::TlsCertificateError => "tls_certificate_error",
            Self::TlsProtocolError => "tls_protocol_error",
            Self::HttpRequestDenied => "http_request_denied",
            Self::HttpRequestError => "http_request_error",
            Self::HttpResponseHeaderSectionSize => "http_response_header_section_size",
            Self::HttpResponseBodySize => "http_response_body_size",
            Self::HttpResponseIncomplete => "http_response_incomplete",
            Self::HttpResponseTimeout => "http_response_timeout",
            Self::HttpProtocolError => "http_protocol_error",
            Self::ProxyLoopDetected => "proxy_loop_detected",
            Self::ProxyInternalError => "proxy_internal_error",
        }
    }

    /// The value of the field: `holdline; error=TOKEN; details="…"`. Characters that a structured
    /// string cannot carry (RFC 8941 §3.3.3) are left out of the details.
    pub fn field(self, details: &str) -> HeaderValue {
        let details: String = details
            .chars()
            .filter(|character| (' '..='~').contains(character) && !matches!(character, '"' | '\\'))
            .collect();
        HeaderValue::try_from(format!(
            "holdline; error={}; details=\"{details}\"",
            self.token()
        ))
        .unwrap_or_else(|_| HeaderValue::from_static("holdline"))
    }
}
