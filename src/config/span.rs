//! A span of time as the configuration writes it: a whole number with its unit, like `1m30s`.
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The units, from the largest, with their length in milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// The largest unit in which a span is shown: `24h` is how everybody here says a day.
const LARGEST_SHOWN: &str = "h";

/// A span of time, made by its parser or from a [`Duration`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// Why a text is no span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    /// Digits without a unit behind them.
    #[error("has a number without a unit")]
    Unit,
    /// A unit that is not known.
    #[error("has an unknown unit; the units are d, h, m, s and ms")]
    UnknownUnit,
    /// A unit that follows a smaller or an equal one.
    #[error("has its units out of order; the larger comes first, each once")]
    Order,
    /// Something other than numbers and units.
    #[error("is no duration")]
    Malformed,
    /// More than can be counted.
    #[error("is too long to be counted")]
    TooLong,
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let mut rest = text;
        let mut units = UNITS.iter();
        let mut millis = 0_u64;
        while !rest.is_empty() || text.is_empty() {
            let (number, unit, behind) = first_part(rest)?;
            if !UNITS.iter().any(|(name, _)| *name == unit) {
                return Err(SpanError::UnknownUnit);
            }
            let (_, length) = units
                .find(|(name, _)| *name == unit)
                .ok_or(SpanError::Order)?;
            millis = number
                .checked_mul(*length)
                .and_then(|part| millis.checked_add(part))
                .ok_or(SpanError::TooLong)?;
            rest = behind;
        }
        Ok(Self(Duration::from_millis(millis)))
    }
}

/// Splits the first number and its unit off.
fn first_part(text: &str) -> Result<(u64, &str, &str), SpanError> {
    let after_digits = text.trim_start_matches(|character: char| character.is_ascii_digit());
    let digits = text.strip_suffix(after_digits).unwrap_or_default();
    if digits.is_empty() {
        return Err(SpanError::Malformed);
    }
    let behind = after_digits.trim_start_matches(|character: char| character.is_ascii_lowercase());
    let unit = after_digits.strip_suffix(behind).unwrap_or_default();
    match (unit.is_empty(), behind.is_empty()) {
        (true, true) => Err(SpanError::Unit),
        (true, false) => Err(SpanError::Malformed),
        (false, _) => {
            let number = digits.parse().map_err(|_| SpanError::TooLong)?;
            Ok((number, unit, behind))
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if millis == 0 {
            return formatter.write_str("0s");
        }
        let shown = UNITS.iter().skip_while(|(name, _)| *name != LARGEST_SHOWN);
        for (name, length) in shown {
            let number = millis.checked_div(*length).unwrap_or_default();
            millis -= number * length;
            if number > 0 {
                write!(formatter, "{number}{name}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn millis(text: &str) -> Result<u128, SpanError> {
        text.parse::<Span>().map(|span| span.0.as_millis())
    }

    #[test]
    fn a_span_is_numbers_with_units_from_the_larger_to_the_smaller() {
        assert_eq!(millis("500ms"), Ok(500));
        assert_eq!(millis("24s"), Ok(24_000));
        assert_eq!(millis("1m30s"), Ok(90_000));
        assert_eq!(millis("1d2h"), Ok(26 * 3_600_000));
        assert_eq!(millis("0s"), Ok(0));
    }

    #[test]
    fn anything_else_is_refused_with_its_reason() {
        assert_eq!(millis("24"), Err(SpanError::Unit));
        assert_eq!(millis("1m30"), Err(SpanError::Unit));
        assert_eq!(millis("24 s"), Err(SpanError::Malformed));
        assert_eq!(millis("1.5s"), Err(SpanError::Malformed));
        assert_eq!(millis("-5s"), Err(SpanError::Malformed));
        assert_eq!(millis(""), Err(SpanError::Malformed));
        assert_eq!(millis("5min"), Err(SpanError::UnknownUnit));
        assert_eq!(millis("30s1m"), Err(SpanError::Order));
        assert_eq!(millis("1s1s"), Err(SpanError::Order));
        assert_eq!(millis("99999999999999999999s"), Err(SpanError::TooLong));
        assert_eq!(millis("999999999999999999d"), Err(SpanError::TooLong));
    }

    #[test]
    fn a_span_is_shown_by_its_larger_units() {
        let shown = |millis| Span(Duration::from_millis(millis)).to_string();
        assert_eq!(shown(0), "0s");
        assert_eq!(shown(500), "500ms");
        assert_eq!(shown(90_000), "1m30s");
        assert_eq!(shown(86_400_000), "24h");
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back_as_the_same_span(millis in 0_u64..=u64::MAX / 2) {
            let span = Span(Duration::from_millis(millis));
            prop_assert_eq!(span.to_string().parse::<Span>(), Ok(span));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[0-9a-z. -]{0,24}|.*") {
            let _ = text.parse::<Span>();
        }
    }
}
