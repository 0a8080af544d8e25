//! From what is written to what is in force: the file, the environment over it, flags over both.
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::environment;
use super::fault::{Fault, Faults, Place, Places, Warning};
use super::gateway::{self, Gateway};
use super::keys::{self, Visitor};
use super::kind::Kind;
use super::reader::{Reader, fault};
use super::tree::{self, Node, Table, Value};
use super::{certificates, checks, paths, summary};
use crate::telemetry::Capped;
use crate::{
    admin, control, drain, exchange, journal, listener, polling, proxy, results, telemetry,
    upstream,
};

/// The largest file that is read: a wrong path may lead to one without an end.
const LARGEST: u64 = 1024 * 1024;

/// The configuration in force: each room's own, and the gateways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// `[[gateway]]`, at least one.
    pub gateways: Vec<Gateway>,
    /// Downstream connections.
    pub listener: listener::Config,
    /// Calls to a gateway.
    pub upstream: upstream::Config,
    /// Exchanges.
    pub exchange: exchange::Config,
    /// Kept answers.
    pub results: results::Config,
    /// What outlives the process.
    pub journal: journal::Config,
    /// When to poll.
    pub polling: polling::Config,
    /// Downstream requests.
    pub proxy: proxy::Config,
    /// The operator's listener.
    pub admin: admin::Config,
    /// The control socket.
    pub control: control::Config,
    /// Log lines.
    pub log: telemetry::Config,
    /// The ordered stop.
    pub drain: drain::Config,
}

impl Config {
    /// The configuration as TOML that reads back as the same. No secret is in it: a configuration
    /// names files and addresses only.
    pub fn to_toml(&self) -> String {
        summary::toml(self, &Places::default())
    }
}

/// A configuration without faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// What is in force.
    pub config: Config,
    /// What is allowed and should be known.
    pub warnings: Vec<Warning>,
    /// Where each key that is no default was written.
    pub places: Places,
}

impl Resolved {
    /// The configuration as TOML that reads back as the same, each key that was written with its
    /// place.
    pub fn to_toml(&self) -> String {
        summary::toml(&self.config, &self.places)
    }
}

/// A configuration file that was read.
#[derive(Clone, Debug)]
pub struct File {
    /// Where it is; its own relative paths start at its directory.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

/// What the command line says; each wins over environment and file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--listen`
    pub listen: Option<String>,
    /// `--upstream`
    pub upstream: Option<String>,
    /// `--name`
    pub name: Option<String>,
    /// `--in-memory`
    pub in_memory: bool,
}

impl Flags {
    fn overlay(&self, root: &mut Table, faults: &mut Faults) {
        let in_memory = self.in_memory.then(|| "true".to_owned());
        let flags = [
            ("--in-memory", "journal", "in_memory", &in_memory),
            ("--listen", "gateway", "listen", &self.listen),
            ("--upstream", "gateway", "upstream", &self.upstream),
            ("--name", "gateway", "name", &self.name),
        ];
        for (flag, section, key, value) in flags {
            let Some(value) = value else { continue };
            let place = Place::Flag(flag);
            let word = Node {
                place: place.clone(),
                value: Value::Word(value.clone()),
            };
            match environment::section_table(root, section, &place) {
                Ok(table) => {
                    table.insert(key.to_owned(), word);
                }
                Err(problem) => faults.add(fault(&place, "", problem)),
            }
        }
    }
}

/// Reads the file, if one is named, here or by `HOLDLINE_CONFIG`, and resolves. Files that the
/// configuration names are opened too, so that a wrong path is found before the start, and a journal that
/// is not to be read is looked for; nothing else is touched.
pub fn read(
    path: Option<&Path>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    flags: &Flags,
) -> Result<Resolved, Faults> {
    let (file, environment) = opened(path, environment)?;
    let mut resolved = resolve(file.as_ref(), environment, flags)?;
    paths::unread_journal(&mut resolved);
    let faults = certificates::inspect(&mut resolved);
    if faults.is_empty() {
        Ok(resolved)
    } else {
        Err(faults)
    }
}

/// Resolves what was read. Every fault is told, with its place; nothing outside is touched.
pub fn resolve(
    file: Option<&File>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    flags: &Flags,
) -> Result<Resolved, Faults> {
    let (resolved, faults) = assemble(file, environment, flags);
    if faults.is_empty() {
        Ok(resolved)
    } else {
        Err(faults)
    }
}

/// Some sections, for a command that needs no other: faults of other keys are passed over.
pub fn sections(
    path: Option<&Path>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    names: &[&str],
) -> Result<Config, Faults> {
    let (file, environment) = opened(path, environment)?;
    let (resolved, mut faults) = assemble(file.as_ref(), environment, &Flags::default());
    let is_asked_for = |key: &str| key.is_empty() || names.iter().any(|name| key.starts_with(name));
    faults.retain(|fault| is_asked_for(&fault.key));
    if faults.is_empty() {
        Ok(resolved.config)
    } else {
        Err(faults)
    }
}

/// The variables of a process.
type Environment = Vec<(OsString, OsString)>;

/// The file at `path`, or at the one that the environment names.
fn opened(
    path: Option<&Path>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(Option<File>, Environment), Faults> {
    let environment: Environment = environment.into_iter().collect();
    let named = environment::file(&environment);
    let file = path.or(named.as_deref()).map(open).transpose()?;
    Ok((file, environment))
}

fn open(path: &Path) -> Result<File, Faults> {
    let problem = match bounded(path) {
        Ok(bytes) if bytes.len() as u64 > LARGEST => "is larger than 1 MiB".to_owned(),
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => {
                return Ok(File {
                    path: path.to_owned(),
                    text,
                });
            }
            Err(_) => "is not UTF-8, as TOML has to be".to_owned(),
        },
        Err(error) => format!("cannot be read: {error}"),
    };
    let mut faults = Faults::default();
    faults.add(Fault {
        place: Place::File(name(path)),
        key: String::new(),
        problem,
        hint: None,
    });
    Err(faults)
}

/// As much of a file as shows whether it is too large.
fn bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(LARGEST + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The name of a file as faults tell it.
fn name(path: &Path) -> Arc<str> {
    Arc::from(Capped(&path.display().to_string()).to_string())
}

fn assemble(
    file: Option<&File>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    flags: &Flags,
) -> (Resolved, Faults) {
    let name = file.map(|file| name(&file.path));
    let document = file.zip(name.as_ref());
    let (mut root, mut faults) = document
        .map(|(file, name)| tree::document(name, &file.text))
        .unwrap_or_default();
    let broken = !faults.is_empty();
    let written = tree::places(&root);
    environment::overlay(&mut root, environment, &known_keys(), &mut faults);
    flags.overlay(&mut root, &mut faults);

    let mut reader = Reader::new(root, faults);
    let mut config = Config::default();
    keys::visit(&mut config, &mut reader);
    let directory = file.and_then(|file| file.path.parent());
    let whole = name.map_or(Place::Nowhere, Place::File);
    config.gateways = gateway::read(&mut reader, &whole, directory);
    reader.finish();
    checks::faults(&config, &mut reader);

    let Reader {
        places, mut faults, ..
    } = reader;
    if broken {
        // What a broken file says is not known, so nothing in it can be missed or compared.
        faults.retain(|fault| fault.key.is_empty());
    }
    let mut warnings = checks::warnings(&config, &places);
    warnings.extend(environment::replaced(&written, &places));
    let resolved = Resolved {
        config,
        warnings,
        places,
    };
    (resolved, faults)
}

/// Every key of the sections, as `section.key`.
pub(super) fn known_keys() -> Vec<String> {
    let mut names = Names(Vec::new());
    keys::visit(&mut Config::default(), &mut names);
    let gateway = gateway::KEYS.map(|key| format!("gateway.{key}"));
    names.0.into_iter().chain(gateway).collect()
}

struct Names(Vec<String>);

impl Visitor for Names {
    fn key<K: Kind>(
        &mut self,
        section: &'static str,
        name: &'static str,
        _slot: &mut K::Value,
        _kind: &K,
    ) {
        self.0.push(format!("{section}.{name}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_replaces_a_key_of_the_file_is_told() {
        let file = File {
            path: PathBuf::from("holdline.toml"),
            text: "[[gateway]]\nname = \"begateway\"\nlisten = \"127.0.0.1:8080\"\n\
                   [hold]\ntimeout = \"1m\"\n"
                .to_owned(),
        };
        let variables = [
            ("HOLDLINE_HOLD__TIMEOUT", "24s"),
            ("HOLDLINE_SUBMIT__START", "4s"),
            ("HOLDLINE_GATEWAY__0__LISTEN", "127.0.0.1:8081"),
        ];
        let flags = Flags {
            listen: Some("127.0.0.1:8082".to_owned()),
            ..Flags::default()
        };
        let resolved = resolve(
            Some(&file),
            variables.map(|(name, value)| (name.into(), value.into())),
            &flags,
        );
        let warnings = resolved.unwrap().warnings;
        let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "holdline.toml line 3: gateway.listen: --listen is in force instead.",
                "holdline.toml line 5: hold.timeout: environment variable HOLDLINE_HOLD__TIMEOUT is in force instead."
            ]
        );
    }

    #[test]
    fn a_journal_that_is_not_read_is_told_with_its_path() {
        let room = tempfile::tempdir().unwrap();
        let (file, journal) = (
            room.path().join("holdline.toml"),
            room.path().join("it.redb"),
        );
        let text = format!(
            "[[gateway]]\nname = \"begateway\"\nlisten = \"127.0.0.1:8080\"\n[journal]\npath = {journal:?}\n"
        );
        fs::write(&file, text).unwrap();
        let told = |in_memory| {
            let flags = Flags {
                in_memory,
                ..Flags::default()
            };
            let warnings = read(Some(&file), [], &flags).unwrap().warnings;
            let mut all = warnings.iter().map(ToString::to_string);
            all.find(|it| it.contains("journal.in_memory"))
        };
        assert_eq!((told(true), told(false)), (None, None));
        fs::write(&journal, "").unwrap();
        let path = journal.to_str().unwrap();
        assert!(told(true).is_some_and(|it| it.contains(path) && it.contains("--in-memory")));
        assert_eq!(told(false), None);
    }

    #[test]
    fn a_variable_names_the_file_where_nobody_else_does() {
        let room = tempfile::tempdir().unwrap();
        let written = |name: &str, port: u16| {
            let path = room.path().join(name);
            fs::write(&path, format!("[admin]\nlisten = \"127.0.0.1:{port}\"\n")).unwrap();
            path
        };
        let (named, flagged) = (written("named", 9911), written("flagged", 9912));
        let port = |path: Option<&Path>, named: &str| {
            let variables = [(OsString::from("HOLDLINE_CONFIG"), OsString::from(named))];
            let found = sections(path, variables, &["admin"])?;
            Ok::<_, Faults>(found.admin.listen.port())
        };
        let named = named.to_str().unwrap();
        assert_eq!(port(None, named), Ok(9911));
        assert_eq!(port(Some(&flagged), named), Ok(9912));
        // A flag leaves nothing of it to look at.
        assert_eq!(port(Some(&flagged), "nowhere"), Ok(9912));
        assert_eq!(port(None, "").unwrap(), 9900);
        let told = port(None, "nowhere").unwrap_err().to_string();
        assert!(told.contains("nowhere: cannot be read"), "{told}");
    }
}
