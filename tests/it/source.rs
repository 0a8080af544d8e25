//! Rust sources, read as far as the house needs it: code apart from comments and texts, the rooms
//! that it names, and what is there for tests only.

/// A source, each character of which is code, a comment or part of a text.
pub(crate) struct Code {
    characters: Vec<(char, Kind)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Text,
}

/// Reads a source. Raw texts, character literals, lifetimes and nested comments are told apart as
/// the language does.
pub(crate) fn read(source: &str) -> Code {
    let mut reader = Reader {
        rest: source,
        characters: Vec::with_capacity(source.len()),
    };
    while reader.piece() {}
    Code {
        characters: reader.characters,
    }
}

struct Reader<'a> {
    rest: &'a str,
    characters: Vec<(char, Kind)>,
}

impl Reader<'_> {
    fn take(&mut self, bytes: usize, kind: Kind) {
        let (taken, rest) = self.rest.split_at(bytes);
        self.characters.extend(taken.chars().map(|it| (it, kind)));
        self.rest = rest;
    }

    /// Reads the next piece; false at the end.
    fn piece(&mut self) -> bool {
        let rest = self.rest;
        let Some(first) = rest.chars().next() else {
            return false;
        };
        if rest.starts_with("//") {
            self.take(rest.find('\n').unwrap_or(rest.len()), Kind::Comment);
        } else if rest.starts_with("/*") {
            self.take(
                rest.find("*/").map_or(rest.len(), |at| at + 2),
                Kind::Comment,
            );
        } else if let Some(hashes) = raw_text(rest).filter(|_| !self.ends_in_a_name()) {
            let end = format!("\"{}", "#".repeat(hashes));
            let open = hashes + 2;
            let length = rest[open..].find(&end).map_or(rest.len(), |at| at + open);
            self.take(open, Kind::Code);
            self.take(length - open, Kind::Text);
            self.take(end.len(), Kind::Code);
        } else if first == '"' {
            self.take(1, Kind::Code);
            self.take(text_length(self.rest), Kind::Text);
            self.take(1, Kind::Code);
        } else if let Some(length) = character_literal(rest) {
            self.take(length, Kind::Code);
        } else {
            self.take(first.len_utf8(), Kind::Code);
        }
        true
    }

    /// True if the last character belongs to a name, so that an `r` is none of a raw text.
    fn ends_in_a_name(&self) -> bool {
        let last = self.characters.last();
        last.is_some_and(|(it, _)| it.is_alphanumeric() || *it == '_')
    }
}

/// How many hashes stand before a raw text's quote.
fn raw_text(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(hashes)
}

/// The bytes before the quote that ends a text.
fn text_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at,
            _ => {}
        }
    }
    rest.len()
}

/// The bytes of a literal like `'"'` or `'\''`; `None` for a lifetime.
fn character_literal(rest: &str) -> Option<usize> {
    let inside = rest.strip_prefix('\'')?;
    if let Some(escape) = inside.strip_prefix('\\') {
        let first = escape.chars().next()?.len_utf8();
        return escape[first..].find('\'').map(|at| at + 3 + first);
    }
    let length = inside.chars().next()?.len_utf8();
    inside[length..].starts_with('\'').then_some(length + 2)
}

impl Code {
    /// The code alone; texts and comments are left out.
    fn code(&self) -> String {
        self.only(&[Kind::Code])
    }

    fn only(&self, kinds: &[Kind]) -> String {
        let kept = self
            .characters
            .iter()
            .filter(|(_, kind)| kinds.contains(kind));
        kept.map(|(it, _)| it).collect()
    }

    /// The code without what is compiled for tests only.
    pub(crate) fn without_tests(&self) -> String {
        without_tests(&self.code())
    }

    /// The same with its texts.
    pub(crate) fn without_tests_but_texts(&self) -> String {
        without_tests(&self.only(&[Kind::Code, Kind::Text]))
    }

    /// Every text, without its quotes.
    pub(crate) fn texts(&self) -> impl Iterator<Item = String> {
        self.characters
            .chunk_by(|(_, one), (_, other)| one == other)
            .filter(|chunk| chunk[0].1 == Kind::Text)
            .map(|chunk| chunk.iter().map(|(it, _)| it).collect())
    }

    /// What stands between semicolons outside of braces, or ends with a brace.
    pub(crate) fn statements(&self) -> impl Iterator<Item = String> {
        let code = self.code();
        let mut statements = vec![String::new()];
        let mut depth = 0_usize;
        for character in code.chars() {
            let last = statements.last_mut().unwrap();
            match character {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if character == ';' && depth == 0 {
                statements.push(String::new());
            } else {
                last.push(character);
            }
        }
        statements
            .into_iter()
            .map(|it| it.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
            .filter(|it| !it.is_empty())
    }

    /// The first names of all paths that begin at the crate, written from a file that is `depth`
    /// modules below it.
    pub(crate) fn rooms(&self, depth: usize) -> Vec<String> {
        let code: String = self
            .code()
            .split_ascii_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let up = "super::".repeat(depth);
        let mut rooms: Vec<String> = ["crate::", "holdline::", &up]
            .iter()
            .flat_map(|start| {
                code.match_indices(start)
                    .map(|(at, it)| (at, at + it.len()))
            })
            // `super::super::` also stands at the end of a longer chain, and `$crate::` in macros.
            .filter(|(at, _)| !code[..*at].ends_with(['_', ':', '$']))
            .flat_map(|(_, end)| first_names(&code[end..]))
            .collect();
        rooms.sort();
        rooms.dedup();
        rooms
    }
}

/// The name at the start of a path, or the names at the start of each path of a group.
fn first_names(path: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        let text = text.trim_start();
        text.chars()
            .take_while(|it| it.is_alphanumeric() || *it == '_')
            .collect()
    };
    let Some(group) = path.strip_prefix('{') else {
        return vec![name(path)];
    };
    let mut names = vec![name(group)];
    let mut depth = 1;
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(name(&group[at + 1..])),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names.retain(|it| !it.is_empty());
    names
}

/// Cuts `#[cfg(test)] mod … { … }` and `#[cfg(test)] mod …;` out.
fn without_tests(code: &str) -> String {
    let Some((before, after)) = code.split_once("#[cfg(test)]") else {
        return code.to_owned();
    };
    let end = after.find(['{', ';']).unwrap_or(after.len());
    let rest = if after[end..].starts_with('{') {
        // The tests stand last in every file of this house.
        ""
    } else {
        after.get(end + 1..).unwrap_or_default()
    };
    format!("{before}{}", without_tests(rest))
}

#[test]
fn texts_comments_and_code_are_told_apart() {
    let source = "let a = \"one // \\\"two\"; // three \"four\"\nlet b = r#\"five \" six\"#; \
                  let c = '\"'; let d: &'static str = /* seven */ \"eight\"; let e = '\\'';";
    let code = read(source);
    let texts: Vec<String> = code.texts().collect();
    assert_eq!(texts, ["one // \\\"two", "five \" six", "eight"]);
    assert!(!code.code().contains("three") && !code.code().contains("seven"));
    assert!(code.code().ends_with("let e = '\\'';"));
}
