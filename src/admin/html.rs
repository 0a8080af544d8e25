//! HTML that is escaped by construction: the only way to put text into it escapes the text.
use std::fmt::{self, Display, Write};

use crate::telemetry::Capped;

/// The attributes of an element. Their names are ours, their values may be anybody's.
pub(super) type Attributes<'a> = &'a [(&'static str, &'a dyn Display)];

/// A document, or a part of one, being written. Elements are closed by whoever opens them, and what
/// is written is well-formed XML as well, so that a test can read it.
#[derive(Debug, Default)]
pub(super) struct Html(String);

/// Text that stands in the program: a style sheet or a script, which no escape reaches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ours(pub(super) &'static str);

impl Html {
    /// A whole document.
    pub(super) fn document(content: impl FnOnce(&mut Self)) -> String {
        let mut html = Self("<!DOCTYPE html>\n".to_owned());
        html.element("html", &[("lang", &"en")], content);
        html.0.push('\n');
        html.0
    }

    /// An element with what `content` writes into it.
    pub(super) fn element(
        &mut self,
        tag: &'static str,
        attributes: Attributes<'_>,
        content: impl FnOnce(&mut Self),
    ) {
        self.tag(tag, attributes);
        self.0.push('>');
        content(self);
        self.0.push_str("</");
        self.0.push_str(tag);
        self.0.push('>');
    }

    /// An element without attributes.
    pub(super) fn plain(&mut self, tag: &'static str, content: impl FnOnce(&mut Self)) {
        self.element(tag, &[], content);
    }

    /// An element that holds only text.
    pub(super) fn say(
        &mut self,
        tag: &'static str,
        attributes: Attributes<'_>,
        text: impl Display,
    ) {
        self.element(tag, attributes, |html| html.text(text));
    }

    /// An element without content: a void one of HTML, or any of SVG.
    pub(super) fn empty(&mut self, tag: &'static str, attributes: Attributes<'_>) {
        self.tag(tag, attributes);
        self.0.push_str("/>");
    }

    /// Text, escaped.
    pub(super) fn text(&mut self, text: impl Display) {
        // Writing to memory does not fail, and a `Display` that does has written what it could.
        let _ = write!(Escaping(&mut self.0), "{text}");
    }

    /// Text of a stranger's making: capped, its controls visible, and kept from turning the direction
    /// of what stands beside it around.
    pub(super) fn strangers(&mut self, text: &str) {
        self.say("bdi", &[], Capped(text));
    }

    /// A `style` or `script` of ours, of which HTML takes every byte as it is.
    pub(super) fn ours(&mut self, tag: &'static str, content: Ours) {
        self.tag(tag, &[]);
        self.0.push('>');
        self.0.push_str(content.0);
        self.0.push_str("</");
        self.0.push_str(tag);
        self.0.push('>');
    }

    fn tag(&mut self, tag: &'static str, attributes: Attributes<'_>) {
        self.0.push('<');
        self.0.push_str(tag);
        for (name, value) in attributes {
            self.0.push(' ');
            self.0.push_str(name);
            self.0.push_str("=\"");
            self.text(value);
            self.0.push('"');
        }
    }
}

/// A writer that leaves no character which HTML reads as more than text, between tags or in quotes.
struct Escaping<'a>(&'a mut String);

impl fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                other => self.0.push(other),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Html)) -> String {
        let mut html = Html::default();
        write(&mut html);
        html.0
    }

    #[test]
    fn text_is_text_between_tags_and_in_attributes() {
        let hostile = "\"><script>alert('1')</script>&";
        let escaped = "&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;";
        assert_eq!(
            written(|html| html.say("p", &[("title", &hostile)], hostile)),
            format!("<p title=\"{escaped}\">{escaped}</p>")
        );
    }

    #[test]
    fn a_strangers_text_is_capped_and_turns_nothing_around() {
        let hostile = format!("\u{202e}gpj.exe\r\n<{}", "x".repeat(500));
        let shown = written(|html| html.strangers(&hostile));
        assert!(
            shown.starts_with("<bdi>\\u{202e}gpj.exe\\r\\n&lt;xx"),
            "{shown}"
        );
        assert!(shown.ends_with("x…</bdi>"), "{shown}");
        assert!(shown.len() < 200, "{shown}");
    }

    #[test]
    fn what_is_opened_is_closed() {
        let text = Html::document(|html| {
            html.plain("body", |html| {
                html.empty("br", &[]);
                html.text("end");
            });
        });
        assert_eq!(
            text,
            "<!DOCTYPE html>\n<html lang=\"en\"><body><br/>end</body></html>\n"
        );
    }
}
