//! What can go wrong on the way to the gateway, and the one fact that matters for money.

/// Whether any byte of the request may have reached the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// No byte was handed to the operating system.
    Never,
    /// At least one byte was handed over: the gateway may have acted on it.
    Maybe,
}

/// The kind of a failure; its text completes "failed to …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The host name has no address.
    Dns,
    /// The address refused the connection, or no route leads to it.
    Refused,
    /// The connection took longer than `upstream.connect_timeout`.
    ConnectTimeout,
    /// The certificate is not acceptable: expired, for another host, or of an unknown issuer.
    Certificate,
    /// The TLS handshake failed otherwise, or took longer than `upstream.handshake_timeout`.
    Handshake,
    /// The connection was reset or closed before the answer was whole.
    Terminated,
    /// The answer took longer than it may.
    AnswerTimeout,
    /// The answer was larger than `limits.answer`.
    AnswerTooLarge,
    /// The answer was not HTTP.
    Malformed,
    /// No connection was free in time (`upstream.connections`).
    Exhausted,
    /// The request's own body could not be read to its end.
    RequestBody,
}

impl Cause {
    /// The cause in words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Dns => "the gateway's host name has no address",
            Self::Refused => "the gateway refused the connection",
            Self::ConnectTimeout => "the gateway did not accept a connection in time",
            Self::Certificate => "the gateway's certificate is not acceptable",
            Self::Handshake => "the TLS handshake with the gateway failed",
            Self::Terminated => "the gateway closed the connection before its answer was whole",
            Self::AnswerTimeout => "the gateway did not answer in time",
            Self::AnswerTooLarge => "the gateway's answer is larger than limits.answer",
            Self::Malformed => "the gateway's answer is not HTTP",
            Self::Exhausted => "no connection to the gateway was free in time",
            Self::RequestBody => "the request's own body ended early",
        }
    }

    /// True for a cause that may pass by itself, so that connecting again is worth a try.
    pub const fn is_passing(self) -> bool {
        match self {
            Self::Dns
            | Self::Refused
            | Self::ConnectTimeout
            | Self::Handshake
            | Self::Terminated
            | Self::AnswerTimeout
            | Self::Exhausted => true,
            Self::Certificate | Self::AnswerTooLarge | Self::Malformed | Self::RequestBody => false,
        }
    }
}

/// A failed call.
#[derive(Debug, thiserror::Error)]
#[error("{}{}", .cause.text(), .detail.as_deref().map(|detail| format!(": {detail}")).unwrap_or_default())]
pub struct Error {
    /// What went wrong.
    pub cause: Cause,
    /// Whether the request may have reached the gateway.
    pub sent: Sent,
    /// The library's own words, capped and free of what was sent.
    pub detail: Option<String>,
}
