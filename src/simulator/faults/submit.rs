//! The words for how a submit is answered: refused, swallowed, cut, late, or with a hostile ticket.
use std::time::Duration;

use super::super::settings::{PollUrls, RefusalBody};
use super::words::{Argument, Word, WordError};

/// The size of an answer that is far over any sensible limit.
const HUGE: usize = 5 * 1024 * 1024;

/// The rows of this family.
pub(super) const WORDS: &[Word] = &[
    Word {
        form: "refuse=CODE",
        example: "refuse=422",
        meaning: "answered with this code and an error body; nothing is created",
    },
    Word {
        form: "early=CODE",
        example: "early=401",
        meaning: "the same, before the body is read (by rule or Simulate field only)",
    },
    Word {
        form: "body=KIND",
        example: "body=html",
        meaning: "the error's body: standard | message | html | empty",
    },
    Word {
        form: "retry-after=KIND",
        example: "retry-after=7",
        meaning: "with an error: SECONDS | date | garbage",
    },
    Word {
        form: "bad-gateway",
        example: "bad-gateway",
        meaning: "a balancer's HTML 502; nothing is created",
    },
    Word {
        form: "unavailable",
        example: "unavailable",
        meaning: "a balancer's JSON 503; nothing is created",
    },
    Word {
        form: "redirect[=CODE]",
        example: "redirect=307",
        meaning: "a redirect to another host (302); nothing is created",
    },
    Word {
        form: "switch",
        example: "switch",
        meaning: "101 Switching Protocols; nothing is created",
    },
    Word {
        form: "created",
        example: "created",
        meaning: "with one of the above: the task is created all the same",
    },
    Word {
        form: "reset=N",
        example: "reset=100",
        meaning: "the connection is reset after N bytes of the request; nothing is created",
    },
    Word {
        form: "swallow",
        example: "swallow",
        meaning: "the task is created, then the connection is cut with no answer",
    },
    Word {
        form: "silent",
        example: "silent",
        meaning: "the task is created, no answer ever comes",
    },
    Word {
        form: "cut-fields",
        example: "cut-fields",
        meaning: "the task is created, the answer is cut inside its fields",
    },
    Word {
        form: "cut-body=K",
        example: "cut-body=20",
        meaning: "the task is created, the answer is cut after K bytes of its body",
    },
    Word {
        form: "late=MS",
        example: "late=40000",
        meaning: "the answer comes so late; the task is created at once",
    },
    Word {
        form: "status=CODE",
        example: "status=999",
        meaning: "the acceptance comes with this code",
    },
    Word {
        form: "interim=N",
        example: "interim=1000",
        meaning: "N answers of 1xx come before the acceptance",
    },
    Word {
        form: "huge[=BYTES]",
        example: "huge=6000000",
        meaning: "the acceptance is padded to over 5 MB",
    },
    Word {
        form: "id=KIND",
        example: "id=path",
        meaning: "a hostile request_id: crlf | path | long | empty | number | twice | reused",
    },
    Word {
        form: "urls=KIND",
        example: "urls=relative",
        meaning: "poll URLs: absolute | relative | foreign | status-only | response-only | none",
    },
];

/// How the submit is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubmitWords {
    /// What happens instead of the plain acceptance.
    pub fault: Option<SubmitFault>,
    /// The task is created though the answer says nothing of it.
    pub created: bool,
    /// The body of an error.
    pub body: Option<RefusalBody>,
    /// The `Retry-After` field of an error.
    pub retry_after: Option<RetryAfter>,
    /// How long the answer is held back.
    pub late: Option<Duration>,
    /// A hostile `request_id` in the acceptance.
    pub id: Option<HostileId>,
    /// What the poll URLs look like.
    pub urls: Option<PollUrls>,
}

/// What happens to a submit instead of its plain answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubmitFault {
    /// Answered with this code.
    Refuse(u16),
    /// Answered with this code before the body is read.
    Early(u16),
    /// A balancer's HTML 502.
    BadGateway,
    /// A balancer's JSON 503.
    Unavailable,
    /// A redirect with this code.
    Redirect(u16),
    /// 101 Switching Protocols.
    Switch,
    /// The connection is reset after so many bytes of the request.
    Reset(u64),
    /// Created, then cut with no answer.
    Swallow,
    /// Created, never answered.
    Silent,
    /// Created, the answer cut inside its fields.
    CutFields,
    /// Created, the answer cut after so many bytes of its body.
    CutBody(usize),
    /// Created, the acceptance has this code.
    Status(u16),
    /// Created, so many 1xx before the acceptance.
    Interim(u32),
    /// Created, the acceptance padded by so many bytes.
    Huge(usize),
}

impl SubmitFault {
    /// True if nothing is created unless the word `created` stands beside it.
    pub(in crate::simulator) const fn prevents_the_task(self) -> bool {
        match self {
            Self::Refuse(_)
            | Self::Early(_)
            | Self::BadGateway
            | Self::Unavailable
            | Self::Redirect(_)
            | Self::Switch
            | Self::Reset(_) => true,
            Self::Swallow
            | Self::Silent
            | Self::CutFields
            | Self::CutBody(_)
            | Self::Status(_)
            | Self::Interim(_)
            | Self::Huge(_) => false,
        }
    }
}

/// A `Retry-After` field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// In seconds.
    Seconds(u64),
    /// As a date, ten seconds from now.
    Date,
    /// Neither.
    Garbage,
}

/// A `request_id` that no client should use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostileId {
    /// Carries a line break and a field.
    Crlf,
    /// Leads out of the path.
    Path,
    /// Is 10 KB long.
    Long,
    /// Is empty.
    Empty,
    /// Is a JSON number.
    Number,
    /// Stands twice, with two values.
    Twice,
    /// Is that of the task before.
    Reused,
}

impl SubmitWords {
    pub(super) fn set(&mut self, argument: &Argument<'_>) -> Result<bool, WordError> {
        match argument.word {
            "created" => self.created = argument.flag()?,
            "body" => self.body = Some(refusal_body(argument)?),
            "retry-after" => self.retry_after = Some(retry_after(argument)?),
            "late" => self.late = Some(argument.millis()?),
            "id" => self.id = Some(hostile_id(argument)?),
            "urls" => self.urls = Some(poll_urls(argument)?),
            _ => match submit_fault(argument)? {
                Some(fault) => self.fault = Some(fault),
                None => return Ok(false),
            },
        }
        Ok(true)
    }

    pub(super) fn overlaid_by(self, stronger: Self) -> Self {
        Self {
            fault: stronger.fault.or(self.fault),
            created: stronger.created || self.created,
            body: stronger.body.or(self.body),
            retry_after: stronger.retry_after.or(self.retry_after),
            late: stronger.late.or(self.late),
            id: stronger.id.or(self.id),
            urls: stronger.urls.or(self.urls),
        }
    }
}

fn submit_fault(argument: &Argument<'_>) -> Result<Option<SubmitFault>, WordError> {
    let plain = |fault| argument.flag().map(|_| Some(fault));
    match argument.word {
        "refuse" => Ok(Some(SubmitFault::Refuse(argument.code()?))),
        "early" => Ok(Some(SubmitFault::Early(argument.code()?))),
        "bad-gateway" => plain(SubmitFault::BadGateway),
        "unavailable" => plain(SubmitFault::Unavailable),
        "redirect" => Ok(Some(SubmitFault::Redirect(argument.code_or(Some(302))?))),
        "switch" => plain(SubmitFault::Switch),
        "reset" => Ok(Some(SubmitFault::Reset(argument.number()?))),
        "swallow" => plain(SubmitFault::Swallow),
        "silent" => plain(SubmitFault::Silent),
        "cut-fields" => plain(SubmitFault::CutFields),
        "cut-body" => Ok(Some(SubmitFault::CutBody(argument.number()?))),
        "status" => Ok(Some(SubmitFault::Status(argument.code()?))),
        "interim" => Ok(Some(SubmitFault::Interim(argument.number()?))),
        "huge" => Ok(Some(SubmitFault::Huge(argument.number_or(HUGE)?))),
        _ => Ok(None),
    }
}

fn refusal_body(argument: &Argument<'_>) -> Result<RefusalBody, WordError> {
    argument
        .value
        .and_then(RefusalBody::named)
        .ok_or_else(|| argument.error("standard, message, html or empty"))
}

fn poll_urls(argument: &Argument<'_>) -> Result<PollUrls, WordError> {
    argument.value.and_then(PollUrls::named).ok_or_else(|| {
        argument.error("absolute, relative, foreign, status-only, response-only or none")
    })
}

fn retry_after(argument: &Argument<'_>) -> Result<RetryAfter, WordError> {
    match argument.value {
        Some("date") => Ok(RetryAfter::Date),
        Some("garbage") => Ok(RetryAfter::Garbage),
        _ => argument.number().map(RetryAfter::Seconds),
    }
}

fn hostile_id(argument: &Argument<'_>) -> Result<HostileId, WordError> {
    match argument.value {
        Some("crlf") => Ok(HostileId::Crlf),
        Some("path") => Ok(HostileId::Path),
        Some("long") => Ok(HostileId::Long),
        Some("empty") => Ok(HostileId::Empty),
        Some("number") => Ok(HostileId::Number),
        Some("twice") => Ok(HostileId::Twice),
        Some("reused") => Ok(HostileId::Reused),
        _ => Err(argument.error("crlf, path, long, empty, number, twice or reused")),
    }
}
