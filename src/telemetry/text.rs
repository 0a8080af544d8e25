//! Strangers' text as a line may show it: escaped and capped.
use std::fmt::{self, Write as _};

/// A writer that escapes what a terminal or a reader of lines could take for more than text.
pub(super) struct Escaping<W>(pub(super) W);

impl<W: fmt::Write> fmt::Write for Escaping<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.split_inclusive(is_unsafe).try_for_each(|part| {
            let plain = part.trim_end_matches(is_unsafe);
            self.0.write_str(plain)?;
            match part.strip_prefix(plain) {
                None | Some("") => Ok(()),
                Some(control) => write!(self.0, "{}", control.escape_default()),
            }
        })
    }
}

/// True for controls, for the line breaks of Unicode, and for the marks that turn the direction of
/// text around.
pub(super) fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}')
        || matches!(
            character,
            '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}'
        )
}

/// So many of `what`, which is one of them: "1 key", "2 keys".
pub fn counted<N: Copy + fmt::Display + PartialEq + From<u8>>(count: N, what: &str) -> String {
    if count == N::from(1) {
        format!("1 {what}")
    } else {
        format!("{count} {what}s")
    }
}

/// An error with its causes in one line: the formatters of the log tell the error alone.
pub fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let errors = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<String> = errors.map(ToString::to_string).collect();
    texts.join(": ")
}

/// A text of somebody else's making as a log line or a fault may show it: at most
/// [`Capped::LONGEST`] characters, controls escaped.
#[derive(Clone, Copy, Debug)]
pub struct Capped<'a>(pub &'a str);

impl Capped<'_> {
    /// The characters shown: enough for every id and path that is meant, too few to fill a disk.
    pub const LONGEST: usize = 128;
}

impl fmt::Display for Capped<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = self.0.char_indices().nth(Self::LONGEST);
        let shown = cut.and_then(|(end, _)| self.0.get(..end));
        Escaping(&mut *formatter).write_str(shown.unwrap_or(self.0))?;
        if cut.is_some() {
            formatter.write_char('…')?;
        }
        Ok(())
    }
}

/// A sentence of our own in which somebody else's words stand, such as a path: whole, controls escaped.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaping(formatter).write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_text_is_cut_and_its_controls_are_escaped() {
        assert_eq!(Capped("order-1").to_string(), "order-1");
        assert_eq!(Capped("a\r\nb\u{1b}c").to_string(), "a\\r\\nb\\u{1b}c");
        let long = "é".repeat(Capped::LONGEST + 1);
        let shown = Capped(&long).to_string();
        assert_eq!(shown.chars().count(), Capped::LONGEST + 1);
        assert!(shown.ends_with("é…"));
        let exact = "é".repeat(Capped::LONGEST);
        assert_eq!(Capped(&exact).to_string(), exact);
        assert_eq!(Escaped(&long).to_string(), long);
        assert_eq!(Escaped("a\nb").to_string(), "a\\nb");
    }
}
