//! What is said over the socket: one question as a line of JSON, then answers, each a line. While an
//! answer is being made spaces come before its next line, which JSON passes over.
use serde::{Deserialize, Serialize};

use super::{Reason, Row};
use crate::exchange::{Story, machine};
use crate::polling::Picture;

/// A question. One is asked on a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ask")]
pub enum Ask {
    /// The exchanges of the journal, the oldest first.
    List {
        /// Which of them.
        only: Only,
    },
    /// The exchanges that an id names.
    Show {
        /// The exchange's own id, the key that it was sent with, or the task's id.
        id: String,
    },
    /// What happened to the exchanges that an id names, step by step.
    Explain {
        /// As in `Show`.
        id: String,
    },
    /// Whether every record of the journal can be read and fits the others.
    Verify,
    /// How polling stands on each route.
    Polling {
        /// Of this gateway alone.
        gateway: Option<String>,
        /// Of this operation alone.
        route: Option<String>,
    },
    /// The levels of the log, and others where some are given.
    Log {
        /// As `log.level` takes them.
        levels: Option<String>,
    },
    /// Says what became of an exchange in doubt.
    Resolve {
        /// As in `Show`.
        id: String,
        /// What became of it.
        verdict: Verdict,
        /// How the operator knows.
        reason: Reason,
    },
}

/// Which exchanges are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Only {
    /// Every one that the journal holds.
    #[default]
    All,
    /// Those whose answer waits for its client.
    Undelivered,
    /// Those that may have been executed.
    InDoubt,
}

/// What the operator found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The gateway has executed it.
    Executed,
    /// The gateway has not executed it, and will not.
    NotExecuted,
}

impl From<Verdict> for machine::Verdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Executed => Self::Executed,
            Verdict::NotExecuted => Self::NotExecuted,
        }
    }
}

/// What comes back, line by line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Reply {
    /// A part of the answer.
    Line(Line),
    /// The last line.
    End(End),
}

/// A part of an answer. Each question has its own kind, but for `Show`, which has that of `List`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// An exchange.
    Exchange(Box<Row>),
    /// What happened to an exchange.
    Story(Box<Story>),
    /// The exchange with this id of its own is settled.
    Resolved(String),
    /// How polling stands on one route.
    Polling(Box<Picture>),
    /// The levels of the log that are in force.
    Levels(String),
    /// What a check of the journal found.
    Soundness(Soundness),
}

/// How an answer ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// That was all.
    Done,
    /// Why there is no answer, or no more of it, in words.
    Failed(String),
}

/// What a check of the journal found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Soundness {
    /// Exchanges that were read.
    pub exchanges: u64,
    /// Records that were read.
    pub records: u64,
    /// What is wrong, in words; empty if nothing is.
    pub damage: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A command may be of another version than the holdline that it asks.
    #[test]
    fn a_reply_is_written_as_it_ever_was() {
        for (reply, written) in [
            (
                Reply::Line(Line::Resolved("id".into())),
                r#"{"resolved":"id"}"#,
            ),
            (
                Reply::Line(Line::Levels("info".into())),
                r#"{"levels":"info"}"#,
            ),
            (
                Reply::Line(Line::Soundness(Soundness::default())),
                r#"{"soundness":{"exchanges":0,"records":0,"damage":[]}}"#,
            ),
            (Reply::End(End::Done), r#""done""#),
            (Reply::End(End::Failed("why".into())), r#"{"failed":"why"}"#),
        ] {
            assert_eq!(serde_json::to_string(&reply).unwrap(), written);
            let slow = format!("  {written}");
            assert_eq!(serde_json::from_str::<Reply>(&slow).unwrap(), reply);
        }
    }
}
