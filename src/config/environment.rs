//! What the environment and the command line write over the file, key by key.
use std::ffi::OsString;
use std::path::PathBuf;

use super::fault::{Faults, Place, Places, Warning};
use super::kind::Problem;
use super::reader::fault;
use super::tree::{Node, Table, Value};
use crate::telemetry::Capped;

/// What every variable of ours begins with.
const PREFIX: &str = "HOLDLINE_";
/// What stands between a section and its key: both may have a single underscore of their own.
const BETWEEN: &str = "__";
/// The variable that names the file; it sets no key.
const FILE: &str = "HOLDLINE_CONFIG";

/// The file that the environment names.
pub(super) fn file(variables: &[(OsString, OsString)]) -> Option<PathBuf> {
    let named = variables.iter().find(|(name, _)| name == FILE);
    let (_, path) = named.filter(|(_, path)| !path.is_empty())?;
    Some(PathBuf::from(path))
}

/// Writes the variables that begin with `HOLDLINE_` over the tree. `keys` are the known keys as
/// `section.key`, for hints.
pub(super) fn overlay(
    root: &mut Table,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    keys: &[String],
    faults: &mut Faults,
) {
    let mut ours: Vec<Variable> = variables.into_iter().filter_map(Variable::ours).collect();
    // By index first, so that each gateway that a variable adds follows the one before it.
    ours.sort_by_key(|variable| (variable.index(), variable.name.clone()));
    for variable in ours {
        let place = Place::Environment(variable.name.clone());
        if let Err(problem) = variable.write(root, &place, keys) {
            faults.add(fault(&place, "", problem));
        }
    }
}

/// Tells each key that stands in the file, `written` there, and is set by something else.
pub(super) fn replaced(written: &Places, in_force: &Places) -> Vec<Warning> {
    let mut told = Vec::new();
    for (key, place) in in_force {
        // A gateway is `gateway` where it is the only one, and `gateway[0]` among several.
        let plain = key.replacen("gateway.", "gateway.0.", 1);
        let plain = plain.replacen('[', ".", 1).replacen(']', "", 1);
        let Some(line) = written.get(&plain).filter(|line| *line != place) else {
            continue;
        };
        told.push(Warning {
            place: Some(line.clone()),
            key: key.clone(),
            text: format!("{place} is in force instead."),
        });
    }
    told
}

/// One variable: its name, the path that it spells, and its value if that is text.
struct Variable {
    name: String,
    path: Vec<String>,
    value: Option<String>,
}

impl Variable {
    fn ours((name, value): (OsString, OsString)) -> Option<Self> {
        let name = name.to_string_lossy().into_owned();
        let rest = name.strip_prefix(PREFIX)?;
        if name == FILE || is_service_link(rest) {
            return None;
        }
        let path = rest.split(BETWEEN).map(str::to_ascii_lowercase).collect();
        Some(Self {
            path,
            value: value.into_string().ok(),
            name,
        })
    }

    /// The index of the gateway that the variable speaks of.
    fn index(&self) -> Option<usize> {
        match self.path.as_slice() {
            [section, index, _] if section == "gateway" => index.parse().ok(),
            _ => None,
        }
    }

    fn write(&self, root: &mut Table, place: &Place, keys: &[String]) -> Result<(), Problem> {
        let value = self.value.clone().ok_or_else(|| Problem {
            text: "is not UTF-8".to_owned(),
            hint: None,
        })?;
        let (table, key) = match self.path.as_slice() {
            [section, index, key] if section == "gateway" => (gateway(root, index, place)?, key),
            [section, key] if !section.is_empty() && !key.is_empty() => {
                (section_table(root, section, place)?, key)
            }
            _ => return Err(self.names_no_key(keys)),
        };
        let word = Node {
            place: place.clone(),
            value: Value::Word(value),
        };
        let before = table.insert(key.clone(), word).map(|node| node.place);
        if let Some(Place::Environment(other)) = before {
            let text = format!("sets the key that {} sets too", Capped(&other));
            return Err(Problem::new(text, "keep one of them"));
        }
        Ok(())
    }

    fn names_no_key(&self, keys: &[String]) -> Problem {
        let meant = keys
            .iter()
            .map(|key| variable_name(key))
            .find(|known| known.replace(BETWEEN, "_") == self.name.replace(BETWEEN, "_"));
        let hint = meant.map_or_else(
            || "a section and its key are joined like in HOLDLINE_HOLD__TIMEOUT".to_owned(),
            |known| format!("did you mean {known}?"),
        );
        Problem::new("names no key", hint)
    }
}

/// The table of a section, or of the only gateway; it is made if there is none.
pub(super) fn section_table<'a>(
    root: &'a mut Table,
    name: &str,
    place: &Place,
) -> Result<&'a mut Table, Problem> {
    if name == "gateway" {
        return only_gateway(root, place);
    }
    let node = root.entry(name.to_owned()).or_insert_with(|| Node {
        place: place.clone(),
        value: Value::Table(Table::new()),
    });
    let kind = node.value.kind();
    if let Value::Table(table) = &mut node.value {
        Ok(table)
    } else {
        Err(no_table(name, kind))
    }
}

/// The variable that sets `key`, which is written as `section.key`.
pub(super) fn variable_name(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', BETWEEN).to_ascii_uppercase())
}

/// True for what Kubernetes puts into every container of a namespace that has a service whose name
/// begins with "holdline" (`HOLDLINE_SERVICE_HOST`, `HOLDLINE_PORT_8080_TCP` and others): nobody
/// wrote it.
fn is_service_link(rest: &str) -> bool {
    let rest = format!("_{rest}");
    let numbered = || {
        rest.split("_PORT_")
            .skip(1)
            .any(|behind| behind.starts_with(|character: char| character.is_ascii_digit()))
    };
    !rest.contains(BETWEEN)
        && (rest.ends_with("_SERVICE_HOST")
            || rest.contains("_SERVICE_PORT")
            || rest.ends_with("_PORT")
            || numbered())
}

/// The table of the only gateway, which is made if there is none.
fn only_gateway<'a>(root: &'a mut Table, place: &Place) -> Result<&'a mut Table, Problem> {
    let gateways = gateways(root, place)?;
    match gateways.len() {
        0 | 1 => nth(gateways, 0, place),
        count => Err(Problem::new(
            format!("speaks of the only gateway, but there are {count}"),
            "say which one: HOLDLINE_GATEWAY__0__UPSTREAM speaks of the first",
        )),
    }
}

/// The table of the gateway with that index, which is made if it is the next one.
fn gateway<'a>(root: &'a mut Table, index: &str, place: &Place) -> Result<&'a mut Table, Problem> {
    let gateways = gateways(root, place)?;
    let count = gateways.len();
    match index.parse() {
        Ok(index) if index <= count => nth(gateways, index, place),
        _ => Err(Problem::new(
            format!("speaks of a gateway that is not there; there are {count}"),
            "the first has the index 0",
        )),
    }
}

fn gateways<'a>(root: &'a mut Table, place: &Place) -> Result<&'a mut Vec<Node>, Problem> {
    let node = root.entry("gateway".to_owned()).or_insert_with(|| Node {
        place: place.clone(),
        value: Value::List(Vec::new()),
    });
    let kind = node.value.kind();
    if let Value::List(gateways) = &mut node.value {
        Ok(gateways)
    } else {
        Err(no_table("gateway", kind))
    }
}

fn no_table(name: &str, kind: &str) -> Problem {
    Problem {
        text: format!("sets a key of {name}, which is {kind} in the file"),
        hint: None,
    }
}

fn nth<'a>(
    gateways: &'a mut Vec<Node>,
    index: usize,
    place: &Place,
) -> Result<&'a mut Table, Problem> {
    if index == gateways.len() {
        gateways.push(Node {
            place: place.clone(),
            value: Value::Table(Table::new()),
        });
    }
    if let Some(Value::Table(table)) = gateways.get_mut(index).map(|node| &mut node.value) {
        Ok(table)
    } else {
        Err(no_table("gateway", "no table"))
    }
}
