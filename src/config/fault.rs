//! What is wrong with a configuration, where it stands, and what is merely worth saying.
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::telemetry::Capped;

/// Where a value was written. The order is that of precedence, the weakest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A file as a whole: where something is missing from it.
    File(Arc<str>),
    /// A line of a file, counted from one.
    Line(Arc<str>, usize),
    /// An environment variable, by its name.
    Environment(String),
    /// A flag of the command line, with its dashes.
    Flag(&'static str),
    /// Nowhere: something is missing and there is no file that it could stand in.
    Nowhere,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(name) => formatter.write_str(name),
            Self::Line(name, line) => write!(formatter, "{name} line {line}"),
            Self::Environment(name) => {
                write!(formatter, "environment variable {}", Capped(name))
            }
            Self::Flag(name) => formatter.write_str(name),
            Self::Nowhere => formatter.write_str("command line"),
        }
    }
}

/// Where each key that was written stands; a key that is absent has its default.
pub type Places = BTreeMap<String, Place>;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Where it stands.
    pub place: Place,
    /// The key as `section.key`; empty where the fault is not about one key.
    pub key: String,
    /// What is wrong, as a fragment that follows the key.
    pub problem: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(formatter, "{} ", self.key)?;
        }
        formatter.write_str(&self.problem)?;
        match &self.hint {
            Some(hint) => write!(formatter, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with a configuration, in the order of its places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    all: Vec<Fault>,
    in_files: bool,
}

impl Faults {
    /// None yet, of what is in files that the configuration names.
    pub(super) fn in_files() -> Self {
        Self {
            in_files: true,
            ..Self::default()
        }
    }

    /// True if what the configuration says is sound, and only what is in files that it names is not:
    /// that may be another thing at the next start.
    pub const fn are_in_files(&self) -> bool {
        self.in_files
    }

    /// The faults, in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.all.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// True if nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Adds a fault at its place.
    pub(super) fn add(&mut self, fault: Fault) {
        let behind = self.all.partition_point(|other| other <= &fault);
        self.all.insert(behind, fault);
    }

    /// True if a fault is about `key`.
    pub(super) fn concern(&self, key: &str) -> bool {
        self.all.iter().any(|fault| fault.key == key)
    }

    /// Keeps the faults for which `keep` says so.
    pub(super) fn retain(&mut self, keep: impl FnMut(&Fault) -> bool) {
        self.all.retain(keep);
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.len() {
            1 => writeln!(formatter, "the configuration has a fault:")?,
            count => writeln!(formatter, "the configuration has {count} faults:")?,
        }
        self.iter()
            .try_for_each(|fault| writeln!(formatter, "  {fault}"))
    }
}

impl std::error::Error for Faults {}

/// Something that is allowed and should be known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// Where the key is written; `None` if its default is in force.
    pub place: Option<Place>,
    /// The key as `section.key`.
    pub key: String,
    /// What should be known of it, as a whole sentence.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(formatter, "{place}: {}: {}", self.key, self.text),
            None => write!(formatter, "{} (default): {}", self.key, self.text),
        }
    }
}
