//! How far a plan rests on what was seen.
use serde::{Deserialize, Serialize};

/// How far a plan rests on what was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// Not at all: it is the plan of who knows nothing.
    Cold,
    /// It does, but the latest tasks were quicker than they should be.
    Doubted,
    /// It does.
    Sure,
}

impl Confidence {
    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Doubted => "doubted",
            Self::Sure => "sure",
        }
    }
}
