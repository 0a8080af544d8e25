//! The words for what becomes of a task: how long it takes and what its result is.
use std::time::Duration;

use super::words::{Argument, Word, WordError};

/// The rows of this family.
pub(super) const WORDS: &[Word] = &[
    Word {
        form: "delay=MS",
        example: "delay=1500",
        meaning: "the task takes so long, whatever the latency law says",
    },
    Word {
        form: "hold",
        example: "hold",
        meaning: "the task runs until POST /__finish lets it end",
    },
    Word {
        form: "decline",
        example: "decline",
        meaning: "the bank declines, whatever the card",
    },
    Word {
        form: "incomplete",
        example: "incomplete",
        meaning: "the transaction waits for 3-D Secure, whatever the card",
    },
    Word {
        form: "payer=MS",
        example: "payer=5000",
        meaning: "the payer finishes 3-D Secure so long after the submit; a query then tells successful",
    },
    Word {
        form: "fail=CODE",
        example: "fail=422",
        meaning: "the result is a standard error with this code; no transaction",
    },
    Word {
        form: "soft=CODE",
        example: "soft=406",
        meaning: "the result is a bare {\"message\"} with this code; no transaction",
    },
    Word {
        form: "crash",
        example: "crash",
        meaning: "the task crashes: 500 \"We're sorry, but something went wrong\"",
    },
    Word {
        form: "executed",
        example: "executed",
        meaning: "with fail, soft, crash: the transaction exists all the same",
    },
    Word {
        form: "once",
        example: "once",
        meaning: "the result is handed out once, even with code 200",
    },
    Word {
        form: "kept",
        example: "kept",
        meaning: "the result stays readable, even with another code than 200",
    },
    Word {
        form: "clock=SECONDS",
        example: "clock=-30",
        meaning: "the transaction's created_at is so far ahead of the gateway's Date, or behind it",
    },
    Word {
        form: "big=BYTES",
        example: "big=100000",
        meaning: "the transaction carries so many bytes of padding",
    },
];

/// What becomes of the task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskWords {
    /// How long the task takes.
    pub delay: Option<Duration>,
    /// The task runs until it is let go by hand.
    pub hold: bool,
    /// What its result is, where the request does not decide.
    pub fate: Option<Fate>,
    /// How long after the submit the payer finishes an incomplete transaction.
    pub payer: Option<Duration>,
    /// An error result, though the transaction exists.
    pub executed: bool,
    /// How often the result can be read, where its code does not decide.
    pub readable: Option<Readable>,
    /// By how many seconds the clock of its transaction is ahead of the gateway's.
    pub clock: Option<i32>,
    /// Bytes of padding in the transaction.
    pub padding: usize,
}

/// What the result of a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The bank declines.
    Decline,
    /// The transaction waits for 3-D Secure.
    Incomplete,
    /// A standard error with this code.
    Fail(u16),
    /// A bare message with this code.
    Soft(u16),
    /// The task crashes.
    Crash,
}

/// How often a result can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readable {
    /// One time.
    Once,
    /// Until retention passes.
    Kept,
}

impl TaskWords {
    pub(super) fn set(&mut self, argument: &Argument<'_>) -> Result<bool, WordError> {
        match argument.word {
            "delay" => self.delay = Some(argument.millis()?),
            "hold" => self.hold = argument.flag()?,
            "decline" => {
                argument.flag()?;
                self.fate = Some(Fate::Decline);
            }
            "incomplete" => {
                argument.flag()?;
                self.fate = Some(Fate::Incomplete);
            }
            "payer" => self.payer = Some(argument.millis()?),
            "fail" => self.fate = Some(Fate::Fail(argument.code()?)),
            "soft" => self.fate = Some(Fate::Soft(argument.code()?)),
            "crash" => {
                argument.flag()?;
                self.fate = Some(Fate::Crash);
            }
            "executed" => self.executed = argument.flag()?,
            "once" => {
                argument.flag()?;
                self.readable = Some(Readable::Once);
            }
            "kept" => {
                argument.flag()?;
                self.readable = Some(Readable::Kept);
            }
            "clock" => self.clock = Some(argument.number()?),
            "big" => self.padding = argument.number()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(super) fn overlaid_by(self, stronger: Self) -> Self {
        Self {
            delay: stronger.delay.or(self.delay),
            hold: stronger.hold || self.hold,
            fate: stronger.fate.or(self.fate),
            payer: stronger.payer.or(self.payer),
            executed: stronger.executed || self.executed,
            readable: stronger.readable.or(self.readable),
            clock: stronger.clock.or(self.clock),
            padding: stronger.padding.max(self.padding),
        }
    }
}
