//! The files that operators are given, and the words in them.
use std::fs;
use std::path::{Path, PathBuf};

/// A file of the repository.
pub(crate) struct Text {
    /// From the root of the repository.
    pub(crate) path: String,
    /// What it says.
    pub(crate) text: String,
}

impl Text {
    pub(crate) fn is(&self, kind: &str) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|it| it == kind)
    }
}

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file of deploy/ and docs/, and the README.
pub(crate) fn texts() -> Vec<Text> {
    fn visit(path: &str, texts: &mut Vec<Text>) {
        for entry in fs::read_dir(root().join(path)).unwrap() {
            let entry = entry.unwrap();
            let inside = format!("{path}/{}", entry.file_name().to_str().unwrap());
            if entry.path().is_dir() {
                visit(&inside, texts);
            } else {
                let text = read(&inside);
                texts.push(Text { path: inside, text });
            }
        }
    }
    let mut texts = vec![Text {
        path: "README.md".to_owned(),
        text: read("README.md"),
    }];
    visit("deploy", &mut texts);
    visit("docs", &mut texts);
    assert!(texts.len() > 20, "{} files were read", texts.len());
    texts
}

/// The words of a text, a word being made of what `is_part` says.
pub(crate) fn words(text: &str, is_part: impl Fn(char) -> bool) -> impl Iterator<Item = &str> {
    text.split(move |it| !is_part(it))
        .filter(|word| !word.is_empty())
}

/// The blocks of a YAML file that are a text of their own: what is indented below `key: |`.
pub(crate) fn blocks(yaml: &str, key: &str) -> Vec<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let start = format!("{key}: |");
    let lines: Vec<&str> = yaml.lines().collect();
    let starts = (0..lines.len()).filter(|at| lines[*at].trim() == start);
    starts
        .map(|at| {
            let outer = indent(lines[at]);
            lines[at + 1..]
                .iter()
                .take_while(|line| line.trim().is_empty() || indent(line) > outer)
                .flat_map(|line| [line.get(outer + 2..).unwrap_or_default(), "\n"])
                .collect()
        })
        .collect()
}

/// The lists of texts that stand on one line, as `["run", "--listen"]`.
pub(crate) fn lists(text: &str) -> Vec<Vec<String>> {
    let parts = text.lines().filter_map(|line| {
        let (start, end) = (line.find("[\"")?, line.rfind("\"]")?);
        serde_json::from_str(line.get(start..end + 2)?).ok()
    });
    parts.collect()
}

/// The seconds of `NAME SECONDS`, as service managers write a span.
pub(crate) fn seconds(text: &str, name: &str) -> Vec<u64> {
    let values = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix(name));
    values
        .map(|value| {
            let value = value.trim().trim_end_matches('s');
            value.parse().unwrap_or_else(|_| panic!("{name}{value}"))
        })
        .collect()
}
