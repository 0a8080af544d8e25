//! The configuration as written: one tree of values, each with the place where it stands.
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Fault, Faults, Place, Places};

/// The keys of a table.
pub(super) type Table = BTreeMap<String, Node>;

/// A value and where its key stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// A value as written.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A string of the file.
    Text(String),
    /// What a variable or a flag says: it has no type but the one that is expected of it.
    Word(String),
    /// A whole number; `None` if it is negative or over 64 bits.
    Integer(Option<u64>),
    /// `true` or `false`.
    Boolean(bool),
    /// An array.
    List(Vec<Node>),
    /// A table or an inline table.
    Table(Table),
    /// A kind of value that no key takes, by its name.
    Other(&'static str),
}

impl Value {
    /// The kind of the value in words.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Word(_) => "text",
            Self::Integer(_) => "a whole number",
            Self::Boolean(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(name) => name,
        }
    }
}

/// The tree of a TOML document. A document that is no TOML has an empty tree and its faults: a
/// broken line may change what every later line means, so nothing is guessed from the rest.
pub(super) fn document(name: &Arc<str>, text: &str) -> (Table, Faults) {
    let (document, errors) = DeTable::parse_recoverable(text);
    let source = Source { name, text };
    let mut faults = Faults::default();
    for error in &errors {
        faults.add(Fault {
            place: error
                .span()
                .map_or_else(|| Place::File(Arc::clone(name)), |span| source.place(&span)),
            key: String::new(),
            problem: format!("is not TOML: {}", error.message()),
            hint: None,
        });
    }
    if faults.is_empty() {
        (source.table(document.get_ref()), faults)
    } else {
        (Table::new(), faults)
    }
}

/// Where each key of a document stands, as `section.key` or `gateway.0.key`.
pub(super) fn places(root: &Table) -> Places {
    let mut places = Places::new();
    for (section, node) in root {
        match &node.value {
            Value::Table(table) => note(&mut places, section, table),
            Value::List(tables) => {
                for (index, node) in tables.iter().enumerate() {
                    if let Value::Table(table) = &node.value {
                        note(&mut places, &format!("{section}.{index}"), table);
                    }
                }
            }
            Value::Text(_)
            | Value::Word(_)
            | Value::Integer(_)
            | Value::Boolean(_)
            | Value::Other(_) => {}
        }
    }
    places
}

fn note(places: &mut Places, section: &str, table: &Table) {
    let keys = table.iter();
    places.extend(keys.map(|(key, node)| (format!("{section}.{key}"), node.place.clone())));
}

/// The text that spans point into.
struct Source<'a> {
    name: &'a Arc<str>,
    text: &'a str,
}

impl Source<'_> {
    fn place(&self, span: &Range<usize>) -> Place {
        let before = self.text.bytes().take(span.start);
        let line = 1 + before.filter(|byte| *byte == b'\n').count();
        Place::Line(Arc::clone(self.name), line)
    }

    fn table(&self, table: &DeTable<'_>) -> Table {
        table
            .iter()
            .map(|(key, value)| {
                let node = self.node(&key.span(), value);
                (key.get_ref().clone().into_owned(), node)
            })
            .collect()
    }

    fn node(&self, span: &Range<usize>, value: &Spanned<DeValue<'_>>) -> Node {
        Node {
            place: self.place(span),
            value: self.value(value.get_ref()),
        }
    }

    fn value(&self, value: &DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::Text(text.clone().into_owned()),
            DeValue::Integer(number) => {
                Value::Integer(u64::from_str_radix(number.as_str(), number.radix()).ok())
            }
            DeValue::Boolean(flag) => Value::Boolean(*flag),
            DeValue::Array(values) => Value::List(
                values
                    .iter()
                    .map(|value| self.node(&value.span(), value))
                    .collect(),
            ),
            DeValue::Table(table) => Value::Table(self.table(table)),
            DeValue::Float(_) => Value::Other("a number with a fraction"),
            DeValue::Datetime(_) => Value::Other("a date"),
        }
    }
}
