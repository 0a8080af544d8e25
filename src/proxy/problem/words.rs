//! What is told of a problem, and the codes that it is told with.
use http::StatusCode;

use crate::message::proxy_status::ProxyError;

/// What became of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Fate {
    NotSubmitted,
    InProgress,
    InDoubt,
    Completed,
}

impl Fate {
    /// The value of `Holdline-Outcome`.
    pub(in crate::proxy) const fn token(self) -> &'static str {
        match self {
            Self::NotSubmitted => "not-submitted",
            Self::InProgress => "in-progress",
            Self::InDoubt => "in-doubt",
            Self::Completed => "completed",
        }
    }
}

/// What is told of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct Words {
    pub(in crate::proxy) status: StatusCode,
    /// The vendor's code that clients of version 3 read.
    pub(in crate::proxy) code: &'static str,
    pub(in crate::proxy) fate: Fate,
    pub(in crate::proxy) error: ProxyError,
    pub(in crate::proxy) message: &'static str,
    /// Seconds after which a repeat helps.
    pub(in crate::proxy) retry_after: Option<u32>,
}

/// The vendor's code for a transaction that is being processed.
pub(super) const IN_PROGRESS: &str = "P.1019";
/// The vendor's family of codes for a failure of the system.
pub(super) const FAILED: &str = "F.1000";
/// The vendor's family of codes for a request that is wrong.
pub(super) const WRONG: &str = "E.1000";

/// A repeat of a running exchange joins it, so it may come at once; a second spares both sides.
pub(super) const SOON: Option<u32> = Some(1);
