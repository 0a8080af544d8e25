//! The words of one request or rule: how a text becomes what each family of faults reads from it.
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::poll::{self, PollWords};
use super::submit::{self, SubmitWords};
use super::task::{self, TaskWords};

/// One row of the table of fault words.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    /// The word, with its value's name where it takes one: `delay=MS`.
    pub form: &'static str,
    /// The word as one may write it.
    pub example: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

/// Why a text holds no fault words; each completes "failed to read the fault words: …".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// No such word.
    #[error("there is no word `{0}`")]
    Unknown(String),
    /// The word's value cannot be read.
    #[error("`{word}` takes {expected}")]
    Value {
        /// The word.
        word: String,
        /// What it takes.
        expected: &'static str,
    },
    /// A rule does not begin with a probability.
    #[error("a rule begins with a probability between 0 and 1, as in `0.05 swallow`")]
    Probability,
}

/// Everything that the words of one request, or of one rule, ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// What becomes of the task.
    pub task: TaskWords,
    /// How the submit is answered.
    pub submit: SubmitWords,
    /// How the polls are answered.
    pub poll: PollWords,
}

impl Words {
    /// The words in a text that may hold other words too, such as a payment's description.
    pub fn in_text(text: &str) -> Self {
        let mut words = Self::default();
        for token in text.split_whitespace() {
            // What is no fault word, or has no readable value, is the merchant's own text.
            let _its_own_text = words.set(token);
        }
        words
    }

    /// Lets the words of `stronger` win over these.
    pub fn overlaid_by(self, stronger: Self) -> Self {
        Self {
            task: self.task.overlaid_by(stronger.task),
            submit: self.submit.overlaid_by(stronger.submit),
            poll: self.poll.overlaid_by(stronger.poll),
        }
    }

    fn set(&mut self, token: &str) -> Result<(), WordError> {
        let (word, value) = token
            .split_once('=')
            .map_or((token, None), |(word, value)| (word, Some(value)));
        let argument = Argument { word, value };
        if self.task.set(&argument)? || self.submit.set(&argument)? || self.poll.set(&argument)? {
            Ok(())
        } else {
            Err(WordError::Unknown(word.to_owned()))
        }
    }
}

impl FromStr for Words {
    type Err = WordError;

    /// The words of a text that holds nothing else.
    fn from_str(text: &str) -> Result<Self, WordError> {
        let mut words = Self::default();
        for token in text.split_whitespace() {
            words.set(token)?;
        }
        Ok(words)
    }
}

/// A word with its value, as the families read it.
pub(super) struct Argument<'a> {
    pub(super) word: &'a str,
    pub(super) value: Option<&'a str>,
}

impl Argument<'_> {
    pub(super) fn error(&self, expected: &'static str) -> WordError {
        WordError::Value {
            word: self.word.to_owned(),
            expected,
        }
    }

    pub(super) fn number<N: FromStr>(&self) -> Result<N, WordError> {
        self.value
            .and_then(|value| value.parse().ok())
            .ok_or_else(|| self.error("a whole number"))
    }

    pub(super) fn number_or<N: FromStr>(&self, default: N) -> Result<N, WordError> {
        if self.value.is_none() {
            Ok(default)
        } else {
            self.number()
        }
    }

    pub(super) fn millis(&self) -> Result<Duration, WordError> {
        self.number().map(Duration::from_millis)
    }

    pub(super) fn code(&self) -> Result<u16, WordError> {
        self.code_or(None)
    }

    pub(super) fn code_or(&self, default: Option<u16>) -> Result<u16, WordError> {
        let code = match (self.value, default) {
            (None, Some(default)) => Some(default),
            _ => self.number().ok(),
        };
        code.filter(|code| (100..=999).contains(code))
            .ok_or_else(|| self.error("an HTTP status code"))
    }

    pub(super) fn flag(&self) -> Result<bool, WordError> {
        if self.value.is_none() {
            Ok(true)
        } else {
            Err(self.error("no value"))
        }
    }
}

/// The table of every fault word, for `--help`.
pub fn table() -> impl fmt::Display {
    let families = [
        ("What becomes of the task", task::WORDS),
        ("How the submit is answered", submit::WORDS),
        ("How the polls are answered", poll::WORDS),
    ];
    let mut text = String::new();
    for (title, words) in families {
        text.push_str(title);
        text.push_str(":\n");
        for word in words {
            text.push_str(&format_row(word));
        }
    }
    text
}

fn format_row(word: &Word) -> String {
    format!("  {:<24} {}\n", word.form, word.meaning)
}

#[cfg(test)]
mod tests {
    use super::super::{Fate, SubmitFault};
    use super::*;

    #[test]
    fn every_row_of_the_table_can_be_written_as_it_says() {
        for word in task::WORDS.iter().chain(submit::WORDS).chain(poll::WORDS) {
            let words: Words = word.example.parse().unwrap();
            assert_ne!(words, Words::default(), "{} changes nothing", word.form);
            let name = |text: &str| text.split(['=', '[']).next().unwrap().to_owned();
            assert_eq!(name(word.form), name(word.example));
            assert!(table().to_string().contains(word.form));
        }
    }

    #[test]
    fn a_description_may_hold_other_words_and_the_command_line_may_not() {
        let words = Words::in_text("Order 12 delay=30 fail=x for Ünal fail=422");
        assert_eq!(words.task.delay, Some(Duration::from_millis(30)));
        assert_eq!(words.task.fate, Some(Fate::Fail(422)));
        assert_eq!(
            "delay=30 Order".parse::<Words>(),
            Err(WordError::Unknown("Order".to_owned()))
        );
        assert!("delay=soon".parse::<Words>().is_err());
        assert!("refuse=1000".parse::<Words>().is_err());
        assert!("swallow=1".parse::<Words>().is_err());
    }

    #[test]
    fn the_request_wins_over_the_run() {
        let run: Words = "delay=10 swallow flap=2".parse().unwrap();
        let request: Words = "delay=20 silent".parse().unwrap();
        let both = run.overlaid_by(request);
        assert_eq!(both.task.delay, Some(Duration::from_millis(20)));
        assert_eq!(both.submit.fault, Some(SubmitFault::Silent));
        assert!(both.poll.unknown.is_some());
    }
}
