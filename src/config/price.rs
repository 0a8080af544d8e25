//! What one poll is worth, as it is written.
use super::kind::{Kind, Problem, Within, quoted};
use super::tree::Value;
use crate::polling::Price;

/// What one poll is worth: `auto`, or a span of time.
pub(super) struct PollPrice(pub(super) Within);

impl PollPrice {
    const AUTO: &str = "auto";
}

impl Kind for PollPrice {
    type Value = Price;

    fn read(&self, value: &Value) -> Result<Price, Problem> {
        if matches!(value, Value::Text(word) | Value::Word(word) if word == Self::AUTO) {
            return Ok(Price::Auto);
        }
        let or_auto = |problem: Problem| Problem {
            hint: problem.hint.map(|hint| format!("{hint}, or \"auto\"")),
            ..problem
        };
        self.0.read(value).map(Price::Set).map_err(or_auto)
    }

    fn show(&self, value: &Price) -> String {
        match value {
            Price::Auto => quoted(&Self::AUTO),
            Price::Set(price) => self.0.show(price),
        }
    }
}
