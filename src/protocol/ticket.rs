//! The gateway's receipt for a task.
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The longest id that is accepted; the vendor's examples have 5 to 36 characters.
const MAX_LENGTH: usize = 128;

/// The id of a task, as the gateway gave it: 1 to 128 characters of `[A-Za-z0-9_-]`, so that it can
/// stand in a URL and in a log as it is. ("ID that used to search request.")
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(Arc<str>);

/// The text does not fit the alphabet or the length of a task's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not 1 to {MAX_LENGTH} characters of A-Z, a-z, 0-9, _ and -")]
pub struct RequestIdError;

impl FromStr for RequestId {
    type Err = RequestIdError;

    fn from_str(text: &str) -> Result<Self, RequestIdError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if text.is_empty() || text.len() > MAX_LENGTH || !text.bytes().all(fits) {
            return Err(RequestIdError);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl RequestId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The gateway's receipt for a submit: the task's id, and the URL that it announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The task's id; every URL is built from it and the configured origin.
    pub request_id: RequestId,
    /// The URL that the gateway gave. It is compared and told, never contacted.
    pub announced_url: Option<Box<str>>,
}
