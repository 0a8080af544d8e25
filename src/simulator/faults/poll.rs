//! The words for how polls are answered: unknown for a while, odd answers, silence, a cut result.
use std::time::Duration;

use super::words::{Argument, Word, WordError};

/// The rows of this family.
pub(super) const WORDS: &[Word] = &[
    Word {
        form: "flap=N[@M]",
        example: "flap=2@1",
        meaning: "N polls are answered 404 unknown, after M plain ones",
    },
    Word {
        form: "lag=MS",
        example: "lag=800",
        meaning: "404 unknown for so long after the acceptance (replica lag)",
    },
    Word {
        form: "unknown",
        example: "unknown",
        meaning: "404 unknown for ever",
    },
    Word {
        form: "poll-503=N",
        example: "poll-503=2",
        meaning: "N polls meet a balancer's JSON 503",
    },
    Word {
        form: "poll-502=N",
        example: "poll-502=2",
        meaning: "N polls meet a balancer's HTML 502",
    },
    Word {
        form: "poll-500=N",
        example: "poll-500=2",
        meaning: "N polls meet a crash of the page, which is not the result",
    },
    Word {
        form: "poll-403=N",
        example: "poll-403=2",
        meaning: "N polls meet a firewall's 403",
    },
    Word {
        form: "poll-429=N",
        example: "poll-429=2",
        meaning: "N polls meet 429 (with retry-after, if that word stands)",
    },
    Word {
        form: "poll-302=N",
        example: "poll-302=2",
        meaning: "N polls are redirected to another host",
    },
    Word {
        form: "poll-html=N",
        example: "poll-html=2",
        meaning: "N polls meet an HTML page with code 200",
    },
    Word {
        form: "poll-empty=N",
        example: "poll-empty=2",
        meaning: "N polls meet an empty body with code 200",
    },
    Word {
        form: "poll-cut=N",
        example: "poll-cut=2",
        meaning: "N polls are cut without an answer",
    },
    Word {
        form: "wrong-id=N",
        example: "wrong-id=2",
        meaning: "N polls are answered processing with another task's request_id",
    },
    Word {
        form: "poll-silent=MS",
        example: "poll-silent=300000",
        meaning: "a black hole: no poll is answered for so long from the first one on",
    },
    Word {
        form: "poll-drip=MS",
        example: "poll-drip=1000",
        meaning: "answers to polls come a byte at a time, each after so long",
    },
    Word {
        form: "result-cut=K",
        example: "result-cut=20",
        meaning: "the first reading of the result is cut after K bytes of its body",
    },
    Word {
        form: "result-cut-fields",
        example: "result-cut-fields",
        meaning: "the first reading of the result is cut inside its fields",
    },
];

/// How the polls of a task are answered; counted down as they come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PollWords {
    /// When the task is told unknown.
    pub unknown: Option<Unknown>,
    /// How often each odd answer is still given, in the order of [`OddAnswer::ALL`].
    pub odd: [u32; OddAnswer::ALL.len()],
    /// No poll is answered for so long, from the first one on.
    pub silent: Option<Duration>,
    /// The span between two bytes of an answer.
    pub drip: Option<Duration>,
    /// Where the first reading of the result is cut.
    pub result_cut: Option<Cut>,
}

/// Where an answer is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Inside its fields.
    Fields,
    /// After so many bytes of its body.
    Body(usize),
}

/// When a task is told unknown though it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// For some polls.
    Polls {
        /// How many.
        count: u32,
        /// After how many plain ones.
        after: u32,
    },
    /// For a span after the acceptance.
    For(Duration),
    /// Always.
    Ever,
}

/// An answer to a poll that says nothing of the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OddAnswer {
    /// A balancer's JSON 503.
    Unavailable,
    /// A balancer's HTML 502.
    BadGateway,
    /// A crash of the page.
    Crash,
    /// A firewall's 403.
    Forbidden,
    /// 429.
    TooMany,
    /// A redirect to another host.
    Redirect,
    /// An HTML page with code 200.
    Page,
    /// No body, with code 200.
    Empty,
    /// No answer: the connection is cut.
    Cut,
    /// Processing, but of another task.
    WrongId,
}

impl OddAnswer {
    /// Every odd answer, in the order in which they are given.
    pub const ALL: [Self; 10] = [
        Self::Unavailable,
        Self::BadGateway,
        Self::Crash,
        Self::Forbidden,
        Self::TooMany,
        Self::Redirect,
        Self::Page,
        Self::Empty,
        Self::Cut,
        Self::WrongId,
    ];

    const fn word(self) -> &'static str {
        match self {
            Self::Unavailable => "poll-503",
            Self::BadGateway => "poll-502",
            Self::Crash => "poll-500",
            Self::Forbidden => "poll-403",
            Self::TooMany => "poll-429",
            Self::Redirect => "poll-302",
            Self::Page => "poll-html",
            Self::Empty => "poll-empty",
            Self::Cut => "poll-cut",
            Self::WrongId => "wrong-id",
        }
    }
}

impl PollWords {
    pub(super) fn set(&mut self, argument: &Argument<'_>) -> Result<bool, WordError> {
        match argument.word {
            "flap" => self.unknown = Some(flap(argument)?),
            "lag" => self.unknown = Some(Unknown::For(argument.millis()?)),
            "unknown" => {
                argument.flag()?;
                self.unknown = Some(Unknown::Ever);
            }
            "poll-silent" => self.silent = Some(argument.millis()?),
            "poll-drip" => self.drip = Some(argument.millis()?),
            "result-cut" => self.result_cut = Some(Cut::Body(argument.number()?)),
            "result-cut-fields" => {
                argument.flag()?;
                self.result_cut = Some(Cut::Fields);
            }
            word => {
                let mut slots = OddAnswer::ALL.iter().zip(&mut self.odd);
                let Some((_, count)) = slots.find(|(odd, _)| odd.word() == word) else {
                    return Ok(false);
                };
                *count = argument.number()?;
            }
        }
        Ok(true)
    }

    /// The odd answer that the next poll gets, if one is left; counts it.
    pub(in crate::simulator) fn take_odd(&mut self) -> Option<OddAnswer> {
        let mut slots = OddAnswer::ALL.into_iter().zip(&mut self.odd);
        let (odd, count) = slots.find(|(_, count)| **count > 0)?;
        *count -= 1;
        Some(odd)
    }

    pub(super) fn overlaid_by(mut self, stronger: Self) -> Self {
        for (count, other) in self.odd.iter_mut().zip(stronger.odd) {
            *count = (*count).max(other);
        }
        Self {
            unknown: stronger.unknown.or(self.unknown),
            odd: self.odd,
            silent: stronger.silent.or(self.silent),
            drip: stronger.drip.or(self.drip),
            result_cut: stronger.result_cut.or(self.result_cut),
        }
    }
}

fn flap(argument: &Argument<'_>) -> Result<Unknown, WordError> {
    let read = || {
        let (count, after) = argument
            .value?
            .split_once('@')
            .map_or_else(|| Some((argument.value?, "0")), Some)?;
        Some(Unknown::Polls {
            count: count.parse().ok()?,
            after: after.parse().ok()?,
        })
    };
    read().ok_or_else(|| argument.error("N or N@M"))
}
