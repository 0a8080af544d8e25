//! How the operator knows what became of a payment.
use serde::{Deserialize, Serialize};

/// How the operator knows: a note, not a document. It is kept in the journal and logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reason(Box<str>);

/// A text that is no reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReasonError {
    /// It is empty, or too long.
    #[error("a reason has 1 to {} bytes", Reason::LONGEST)]
    Length,
    /// Digits in it may be a card's number.
    #[error(
        "the reason seems to hold a card number, which is kept and logged nowhere: leave it out"
    )]
    Card,
}

impl Reason {
    /// The longest one, in bytes.
    pub const LONGEST: usize = 120;
}

impl TryFrom<String> for Reason {
    type Error = ReasonError;

    fn try_from(text: String) -> Result<Self, ReasonError> {
        let text = text.trim();
        if text.is_empty() || text.len() > Self::LONGEST {
            return Err(ReasonError::Length);
        }
        if shows_card(text) {
            return Err(ReasonError::Card);
        }
        Ok(Self(text.into()))
    }
}

impl From<Reason> for Box<str> {
    fn from(reason: Reason) -> Self {
        reason.0
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.0.into()
    }
}

/// True if some digits of it, in one piece or in groups with one character between, may be a card's number.
fn shows_card(text: &str) -> bool {
    let groups: Vec<&str> = text.split(|it: char| !it.is_ascii_digit()).collect();
    (0..groups.len()).any(|first| {
        let mut digits = String::new();
        let mut joined = groups.iter().skip(first).take_while(|it| !it.is_empty());
        joined.any(|group| {
            digits.push_str(group);
            is_card_number(&digits)
        })
    })
}

/// Card numbers have 13 to 19 digits, of which the last one makes the sum of all come out even (Luhn,
/// ISO/IEC 7812-1 annex B). Those of shoppers begin with none of 0, 1, 20 and 21, as time stamps do.
fn is_card_number(digits: &str) -> bool {
    let first = digits.as_bytes();
    let is_issued = !matches!(first, [b'0' | b'1', ..] | [b'2', b'0' | b'1', ..]);
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let digit = u32::from(byte - b'0') << (place % 2);
            digit / 10 + digit % 10
        })
        .sum();
    is_issued && (13..=19).contains(&digits.len()) && sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> Result<Reason, ReasonError> {
        Reason::try_from(text.to_owned())
    }

    #[test]
    fn a_note_is_a_reason_and_a_card_number_is_none() {
        let bank = "bank statement 2026-11-21, RRN 632012345678, 10.00 EUR";
        let stamps = (0..60).map(|second| format!("at 2026-11-21 14:05:{second:02}"));
        for text in stamps {
            assert!(reason(&text).is_ok(), "{text}");
        }
        for text in [bank, "x", "uid 49563-86fa1b8bb8", "ticket 4200000000000001"] {
            assert!(reason(text).is_ok(), "{text}");
        }
        for text in [
            "4200000000000000",
            "card 4200 0000 0000 0000 was charged",
            "(3782-822463-10005)",
            "8600123456789012",
            "9860123456789015",
            "on 2026-11-21 pan=4111111111111111;",
        ] {
            assert_eq!(reason(text), Err(ReasonError::Card), "{text}");
        }
        let long = "x".repeat(Reason::LONGEST + 1);
        for text in ["", " \n", &long] {
            assert_eq!(reason(text), Err(ReasonError::Length), "{text}");
        }
    }
}
