//! A fault that a run draws by chance: a probability, and the words that it adds to a submit.
use std::str::FromStr;

use super::words::{WordError, Words};

/// Words that each submit gets with a probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// Between 0 and 1.
    pub probability: f64,
    /// What the submit then gets.
    pub words: Words,
}

impl FromStr for Rule {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let (probability, words) = text
            .trim()
            .split_once(char::is_whitespace)
            .ok_or(WordError::Probability)?;
        let probability: f64 = probability.parse().map_err(|_| WordError::Probability)?;
        if !(0.0..=1.0).contains(&probability) {
            return Err(WordError::Probability);
        }
        Ok(Self {
            probability,
            words: words.parse()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_a_probability_and_words() {
        let rule: Rule = "0.25 swallow lag=50".parse().unwrap();
        assert!((rule.probability - 0.25).abs() < f64::EPSILON);
        assert_eq!(rule.words, "swallow lag=50".parse().unwrap());
        assert_eq!("swallow".parse::<Rule>(), Err(WordError::Probability));
        assert_eq!("2 swallow".parse::<Rule>(), Err(WordError::Probability));
        assert_eq!("NaN swallow".parse::<Rule>(), Err(WordError::Probability));
    }
}
