//! The walk over the tree: each known key is taken out and read, and what is left is unknown.
use std::collections::{BTreeMap, BTreeSet};

use super::fault::{Fault, Faults, Place, Places};
use super::keys::Visitor;
use super::kind::{Kind, Problem};
use super::nearest::nearest;
use super::tree::{Node, Table, Value};

/// What has been read, and what was wrong with it.
pub(super) struct Reader {
    root: Table,
    known: BTreeMap<&'static str, BTreeSet<&'static str>>,
    pub(super) places: Places,
    pub(super) faults: Faults,
}

impl Reader {
    /// A reader of `root` that adds to the faults found so far.
    pub(super) fn new(root: Table, faults: Faults) -> Self {
        Self {
            root,
            known: BTreeMap::new(),
            places: Places::new(),
            faults,
        }
    }

    /// Takes the node of a key at the root out.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Node> {
        self.known.entry(key).or_default();
        self.root.remove(key)
    }

    /// Notes that `section` knows `key`, so that it may be hinted at.
    pub(super) fn know(&mut self, section: &'static str, key: &'static str) {
        self.known.entry(section).or_default().insert(key);
    }

    /// Reads `node` as the value of the key at `path`; a fault leaves none.
    pub(super) fn value<T>(
        &mut self,
        path: &str,
        node: &Node,
        read: impl FnOnce(&Value) -> Result<T, Problem>,
    ) -> Option<T> {
        self.places.insert(path.to_owned(), node.place.clone());
        match read(&node.value) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.fault(&node.place, path, problem);
                None
            }
        }
    }

    /// Adds a fault about the key at `path`.
    pub(super) fn fault(&mut self, place: &Place, path: &str, problem: Problem) {
        self.faults.add(fault(place, path, problem));
    }

    /// Everything that is left in the tree is unknown, or not the table that it should be.
    pub(super) fn finish(&mut self) {
        for (name, node) in std::mem::take(&mut self.root) {
            let known = self.known.contains_key(name.as_str());
            let kind = node.value.kind();
            if let Value::Table(table) = node.value {
                if known {
                    self.unknown(&name, &name, table);
                } else {
                    self.unknown_section(&name, &node.place);
                }
            } else if known {
                let text = format!("is {kind}, not a section");
                let hint = format!("write [{name}] and its keys below it");
                self.fault(&node.place, &name, Problem::new(text, hint));
            } else {
                let hint = self.elsewhere(&name);
                self.unknown_key(&node.place, &name, hint);
            }
        }
    }

    /// Tells every key of `left` as unknown to `section`; `path` is how the section is told.
    pub(super) fn unknown(&mut self, section: &str, path: &str, left: Table) {
        for (key, node) in left {
            let siblings = self.known.get(section).into_iter().flatten().copied();
            let hint = nearest(&key, siblings)
                .map(|known| format!("did you mean {known}?"))
                .or_else(|| self.elsewhere(&key));
            self.unknown_key(&node.place, &format!("{path}.{key}"), hint);
        }
    }

    fn unknown_section(&mut self, name: &str, place: &Place) {
        let hint = nearest(name, self.known.keys().copied()).map_or_else(
            || {
                let sections: Vec<&str> = self.known.keys().copied().collect();
                format!("the sections are {}", sections.join(", "))
            },
            |known| format!("did you mean {known}?"),
        );
        let problem = Problem::new("is no section that is known", hint);
        self.fault(place, &shown(name), problem);
    }

    fn unknown_key(&mut self, place: &Place, path: &str, hint: Option<String>) {
        let text = "is not known".to_owned();
        self.fault(place, &shown(path), Problem { text, hint });
    }

    /// A hint at the sections that know `key`, if this one does not.
    fn elsewhere(&self, key: &str) -> Option<String> {
        let sections = self.known.iter().filter(|(_, keys)| keys.contains(key));
        let sections: Vec<String> = sections.map(|(name, _)| format!("[{name}]")).collect();
        (!sections.is_empty()).then(|| format!("it is a key of {}", sections.join(" and ")))
    }
}

/// A problem with the key at `path` as a fault.
pub(super) fn fault(place: &Place, path: &str, problem: Problem) -> Fault {
    Fault {
        place: place.clone(),
        key: path.to_owned(),
        problem: problem.text,
        hint: problem.hint,
    }
}

/// A key of the operator's own making, capped and escaped.
fn shown(path: &str) -> String {
    crate::telemetry::Capped(path).to_string()
}

impl Visitor for Reader {
    fn key<K: Kind>(
        &mut self,
        section: &'static str,
        name: &'static str,
        slot: &mut K::Value,
        kind: &K,
    ) {
        self.know(section, name);
        let Some(Node {
            value: Value::Table(table),
            ..
        }) = self.root.get_mut(section)
        else {
            return;
        };
        if let Some(node) = table.remove(name) {
            let path = format!("{section}.{name}");
            if let Some(value) = self.value(&path, &node, |value| kind.read(value)) {
                *slot = value;
            }
        }
    }
}
