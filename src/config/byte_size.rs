//! A number of bytes as the configuration writes it: a whole number with its unit, like `64MiB`.
use std::fmt;
use std::str::FromStr;

/// The units, from the largest, with their length in bytes.
const UNITS: [(&str, u64); 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

/// A number of bytes, made by its parser or from a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// Why a text is no size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ByteSizeError {
    /// Digits without a unit behind them.
    #[error("has a number without a unit")]
    Unit,
    /// A unit that is not known; `MB` is one, because it is 1000 to some and 1024 to others.
    #[error("has an unknown unit; the units are B, KiB, MiB and GiB")]
    UnknownUnit,
    /// Does not begin with a whole number.
    #[error("is no size")]
    Malformed,
    /// More than can be counted.
    #[error("is too large to be counted")]
    TooLarge,
}

impl FromStr for ByteSize {
    type Err = ByteSizeError;

    fn from_str(text: &str) -> Result<Self, ByteSizeError> {
        let unit = text.trim_start_matches(|character: char| character.is_ascii_digit());
        let digits = text.strip_suffix(unit).unwrap_or_default();
        if digits.is_empty() {
            return Err(ByteSizeError::Malformed);
        }
        if unit.is_empty() {
            return Err(ByteSizeError::Unit);
        }
        let (_, length) = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or(ByteSizeError::UnknownUnit)?;
        digits
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(*length))
            .map(Self)
            .ok_or(ByteSizeError::TooLarge)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, length) = UNITS
            .into_iter()
            .find(|(_, length)| self.0 >= *length && self.0.is_multiple_of(*length))
            .unwrap_or(("B", 1));
        write!(formatter, "{}{name}", self.0 / length)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(text: &str) -> Result<u64, ByteSizeError> {
        text.parse::<ByteSize>().map(|size| size.0)
    }

    #[test]
    fn a_size_is_a_whole_number_and_its_unit() {
        assert_eq!(bytes("4096B"), Ok(4096));
        assert_eq!(bytes("32KiB"), Ok(32 * 1024));
        assert_eq!(bytes("64MiB"), Ok(64 * 1024 * 1024));
        assert_eq!(bytes("0B"), Ok(0));
    }

    #[test]
    fn anything_else_is_refused_with_its_reason() {
        assert_eq!(bytes("64"), Err(ByteSizeError::Unit));
        assert_eq!(bytes("64MB"), Err(ByteSizeError::UnknownUnit));
        assert_eq!(bytes("64 MiB"), Err(ByteSizeError::UnknownUnit));
        assert_eq!(bytes("MiB"), Err(ByteSizeError::Malformed));
        assert_eq!(bytes(""), Err(ByteSizeError::Malformed));
        assert_eq!(bytes("99999999999GiB"), Err(ByteSizeError::TooLarge));
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back_as_the_same_size(bytes in any::<u64>()) {
            prop_assert_eq!(ByteSize(bytes).to_string().parse::<ByteSize>(), Ok(ByteSize(bytes)));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".*") {
            let _ = text.parse::<ByteSize>();
        }
    }
}
