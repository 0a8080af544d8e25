//! What a probe found out.
use std::time::Duration;

use super::repeats::Repeats;
use super::shop::Why;

/// What a gateway does where its documentation is silent.
#[derive(Debug, Default)]
pub struct Findings {
    pub(super) lines: Vec<Line>,
    /// What a repeated key of a payment does; `None` if it was not found out.
    pub(super) repeated_payment: Option<Repeats>,
    /// The same of a refund.
    pub(super) repeated_refund: Option<Repeats>,
    /// How long after its acceptance a task was not known.
    pub(super) unknown_for: Option<Duration>,
}

/// One question and its answer.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) question: &'static str,
    pub(super) answer: String,
    /// What it means for holdline, where it is not as holdline would have it.
    pub(super) concern: Option<&'static str>,
}

impl Findings {
    pub(super) fn note(&mut self, question: &'static str, answer: impl Into<String>) {
        self.lines.push(Line {
            question,
            answer: answer.into(),
            concern: None,
        });
    }

    pub(super) fn concern(
        &mut self,
        question: &'static str,
        answer: impl Into<String>,
        concern: &'static str,
    ) {
        self.lines.push(Line {
            question,
            answer: answer.into(),
            concern: Some(concern),
        });
    }

    /// A question that was answered, or why it was not.
    pub(super) fn told(&mut self, question: &'static str, answer: Result<String, Why>) {
        match answer {
            Ok(answer) => self.note(question, answer),
            Err(why) => self.note(question, not_found_out(&why)),
        }
    }

    pub(super) fn was_unknown(&mut self, span: Option<Duration>) {
        self.unknown_for = self.unknown_for.max(span);
    }
}

pub(super) fn not_found_out(why: &str) -> String {
    format!("not found out: {why}")
}
