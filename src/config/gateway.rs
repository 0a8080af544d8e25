//! `[[gateway]]`: which gateway is served where, and how several share a listener.
use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::certificates;
use super::fault::Place;
use super::kind::{Address, FilePath, FilePaths, Kind, ListOf, Problem, Switch, parse, text};
use super::nearest::nearest;
use super::reader::Reader;
use super::tree::{Node, Table, Value};
use crate::certificates::PairFiles;
use crate::listener::Tls;
use crate::protocol;
use crate::telemetry::Capped;
use crate::upstream::{Origin, OriginError, Reach};

/// A gateway and where it is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// The identity of its exchanges: `[a-z0-9_-]{1,64}`, unique.
    pub name: String,
    /// Where its clients connect to. Gateways with the same address share one listener.
    pub listen: SocketAddr,
    /// The hosts that its clients ask for; empty if it takes every request of its listener.
    pub hosts: Vec<Host>,
    /// Where it is.
    pub origin: Origin,
    /// Where it is reached, if not by the name of its origin.
    pub address: Option<Reach>,
    /// Whether the operator allows plain http beyond loopback.
    pub insecure: bool,
    /// Certificates of the only issuers that are trusted; the system's own if there is none.
    pub ca_file: Option<PathBuf>,
    /// The certificate that we show to the gateway if it asks for one.
    pub client: Option<PairFiles>,
    /// The name that the gateway's certificate is for, if it is not the upstream's host.
    pub server_name: Option<Host>,
    /// The certificates that its clients are shown; none if its listener speaks no TLS.
    pub tls: Option<Tls>,
}

/// A host name or address as a `Host` field carries it, without a port and in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(String);

/// Why a text is no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no host name")]
pub struct HostError;

impl Host {
    /// The host, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let authority: http::uri::Authority = text.parse().map_err(|_| HostError)?;
        // The authority is nothing but a host: no port and no user information.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let readable = text.starts_with('[') || text.bytes().all(plain);
        if authority.host() != text || text.is_empty() || !readable {
            return Err(HostError);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The keys of a gateway, in the order in which they are shown.
pub(super) const KEYS: [&str; 14] = [
    "name",
    "listen",
    "host",
    "tls_certificate",
    "tls_key",
    "tls_client_ca",
    "tls_clients",
    "upstream",
    "upstream_address",
    "insecure",
    "ca_file",
    "server_name",
    "client_certificate",
    "client_key",
];

/// The name of a gateway that the command line or the environment makes without a name.
const UNNAMED: &str = "gateway";

/// The longest name of a gateway: it stands in every metric and log line.
const LONGEST_NAME: usize = 64;

/// How faults and places call a key of the gateway with that index among `count`.
pub(super) fn path(index: usize, count: usize, key: &str) -> String {
    match count {
        1 => format!("gateway.{key}"),
        _ => format!("gateway[{index}].{key}"),
    }
}

/// Reads every gateway. `whole` is where a missing one is told, `directory` what the paths of the
/// file are relative to.
pub(super) fn read(reader: &mut Reader, whole: &Place, directory: Option<&Path>) -> Vec<Gateway> {
    for key in KEYS {
        reader.know("gateway", key);
    }
    let nodes = match reader.take("gateway") {
        Some(Node {
            value: Value::List(nodes),
            ..
        }) if !nodes.is_empty() => nodes,
        Some(node) => {
            let problem = Problem::new("is no list of tables", "write [[gateway]] for each one");
            reader.fault(&node.place, "gateway", problem);
            return Vec::new();
        }
        None => {
            let hint = "write [[gateway]] in a file, or give --listen and --upstream";
            reader.fault(whole, "gateway", Problem::new("is missing", hint));
            return Vec::new();
        }
    };
    let count = nodes.len();
    let drafts: Vec<Draft> = nodes
        .into_iter()
        .enumerate()
        .filter_map(|(index, node)| Draft::read(reader, index, count, node, directory))
        .collect();
    apart(reader, &drafts);
    drafts.into_iter().filter_map(Draft::finish).collect()
}

/// A gateway of which some keys may be missing or faulty.
struct Draft {
    index: usize,
    count: usize,
    place: Place,
    name: Option<String>,
    listen: Option<SocketAddr>,
    hosts: Option<Vec<Host>>,
    origin: Option<Origin>,
    address: Option<Reach>,
    insecure: Option<bool>,
    ca_file: Option<PathBuf>,
    client: Option<PairFiles>,
    server_name: Option<Host>,
    tls: Option<Tls>,
}

impl Draft {
    fn read(
        reader: &mut Reader,
        index: usize,
        count: usize,
        node: Node,
        directory: Option<&Path>,
    ) -> Option<Self> {
        let Value::Table(table) = node.value else {
            let problem = Problem::new("is no table", "write [[gateway]] for each one");
            reader.fault(&node.place, "gateway", problem);
            return None;
        };
        let mut keys = Keys {
            reader,
            table,
            place: node.place,
            index,
            count,
            directory,
        };
        let name = keys.name();
        let listen = keys.required("listen", |value| Address.read(value));
        let hosts = keys.hosts();
        let insecure = keys.optional("insecure", |value| Switch.read(value));
        let origin = keys.origin(name.as_deref(), insecure.unwrap_or(true));
        let address = keys.optional("upstream_address", read_reach);
        let ca_file = keys.file("ca_file");
        let client = certificates::client(&mut keys);
        let server_name = keys.optional("server_name", certificates::server_name);
        let tls = certificates::listener(&mut keys);
        keys.finish();
        Some(Self {
            place: keys.place,
            index,
            count,
            name,
            listen,
            hosts,
            origin,
            address: address.flatten(),
            insecure,
            ca_file,
            client,
            server_name: server_name.flatten(),
            tls,
        })
    }

    fn finish(self) -> Option<Gateway> {
        Some(Gateway {
            name: self.name?,
            listen: self.listen?,
            hosts: self.hosts?,
            origin: self.origin?,
            address: self.address,
            insecure: self.insecure?,
            ca_file: self.ca_file,
            client: self.client,
            server_name: self.server_name,
            tls: self.tls,
        })
    }
}

/// The keys of one gateway on their way out of its table.
pub(super) struct Keys<'a> {
    reader: &'a mut Reader,
    table: Table,
    place: Place,
    index: usize,
    count: usize,
    /// What the paths of the file are relative to.
    directory: Option<&'a Path>,
}

impl Keys<'_> {
    fn path(&self, key: &str) -> String {
        path(self.index, self.count, key)
    }

    /// Reads a key that is written; a fault leaves none.
    pub(super) fn written<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&Value) -> Result<T, Problem>,
    ) -> Option<T> {
        let node = self.table.remove(key)?;
        let path = self.path(key);
        self.reader.value(&path, &node, read)
    }

    fn optional<T: Default>(
        &mut self,
        key: &str,
        read: impl FnOnce(&Value) -> Result<T, Problem>,
    ) -> Option<T> {
        if self.table.contains_key(key) {
            self.written(key, read)
        } else {
            Some(T::default())
        }
    }

    fn required<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&Value) -> Result<T, Problem>,
    ) -> Option<T> {
        if !self.table.contains_key(key) {
            self.missing(key, Problem::new("is missing", "every gateway needs one"));
        }
        self.written(key, read)
    }

    fn missing(&mut self, key: &str, problem: Problem) {
        let path = self.path(key);
        self.reader.fault(&self.place, &path, problem);
    }

    fn name(&mut self) -> Option<String> {
        let from_file = matches!(self.place, Place::File(_) | Place::Line(..));
        if !from_file && !self.table.contains_key("name") {
            return Some(UNNAMED.to_owned());
        }
        self.required("name", read_name)
    }

    fn hosts(&mut self) -> Option<Vec<Host>> {
        let hint = "write host names without a port, like [\"pay.example\"]";
        self.optional("host", |value| {
            let hosts: Vec<Host> = ListOf(hint).read(value)?;
            let distinct: BTreeSet<&Host> = hosts.iter().collect();
            if distinct.len() == hosts.len() {
                Ok(hosts)
            } else {
                Err(Problem::new("has a host twice", "write each once"))
            }
        })
    }

    fn origin(&mut self, name: Option<&str>, insecure: bool) -> Option<Origin> {
        if self.table.contains_key("upstream") {
            self.written("upstream", |value| read_origin(value, insecure))
        } else {
            self.preset(name?)
        }
    }

    /// The origin of a gateway that is known by its name.
    fn preset(&mut self, name: &str) -> Option<Origin> {
        let known = protocol::preset(name).and_then(|origin| origin.parse().ok());
        if known.is_none() {
            let names: Vec<&str> = protocol::presets().collect();
            let hint = match nearest(name, protocol::presets()) {
                Some(meant) => format!("did you mean the name \"{meant}\"?"),
                None => format!("only {} are known by name", names.join(", ")),
            };
            self.missing("upstream", Problem::new("is missing", hint));
        }
        known
    }

    /// The path of a key.
    pub(super) fn file(&mut self, key: &str) -> Option<PathBuf> {
        let file = self.optional(key, |value| FilePath.read(value)).flatten()?;
        Some(self.located(key, file))
    }

    /// The paths of a key.
    pub(super) fn files(&mut self, key: &str) -> Vec<PathBuf> {
        let files = self.optional(key, |value| FilePaths.read(value));
        let files = files.unwrap_or_default().into_iter();
        files.map(|file| self.located(key, file)).collect()
    }

    /// Paths that the file writes start at its directory.
    fn located(&self, key: &str, file: PathBuf) -> PathBuf {
        let place = self.reader.places.get(&self.path(key));
        match self.directory {
            Some(directory) if matches!(place, Some(Place::Line(..))) => directory.join(file),
            _ => file,
        }
    }

    /// Adds a fault where the key stands, or where its gateway begins.
    pub(super) fn fault(&mut self, key: &str, problem: Problem) {
        let path = self.path(key);
        let place = self.reader.places.get(&path).unwrap_or(&self.place).clone();
        self.reader.fault(&place, &path, problem);
    }

    fn finish(&mut self) {
        let section = match self.count {
            1 => "gateway".to_owned(),
            _ => format!("gateway[{}]", self.index),
        };
        let left = std::mem::take(&mut self.table);
        self.reader.unknown("gateway", &section, left);
    }
}

fn read_name(value: &Value) -> Result<String, Problem> {
    let hint = "write 1 to 64 of the characters a-z, 0-9, - and _";
    let name = text(value, hint)?;
    let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    if (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(fits) {
        Ok(name.to_owned())
    } else {
        let shown = format!("\"{}\" is no name of a gateway", Capped(name));
        Err(Problem::new(shown, hint))
    }
}

/// Reads an origin. What was written is not told again: it may carry a password by mistake.
fn read_origin(value: &Value, insecure: bool) -> Result<Origin, Problem> {
    let hint = "write an origin like \"https://gateway.example\"";
    let origin: Origin = text(value, hint)?
        .parse()
        .map_err(|error: OriginError| Problem::new(format!("is no origin: {error}"), hint))?;
    if origin.is_tls() || origin.is_loopback() || insecure {
        Ok(origin)
    } else {
        Err(Problem::new(
            "is http: card data would cross the network in clear text",
            "write https://, or insecure = true if the network is your own",
        ))
    }
}

/// Reads where a gateway is reached; an empty text leaves it to its origin.
fn read_reach(value: &Value) -> Result<Option<Reach>, Problem> {
    let hint = "write an address or a host name, like \"192.0.2.1\" or \"origin.example:443\"";
    if text(value, hint)?.is_empty() {
        return Ok(None);
    }
    parse(value, hint).map(Some)
}

/// Tells gateways that cannot be told apart.
fn apart(reader: &mut Reader, drafts: &[Draft]) {
    for (position, later) in drafts.iter().enumerate() {
        let mut shares = false;
        for (other, draft) in drafts.iter().enumerate() {
            shares |= other != position && later.listen.is_some() && later.listen == draft.listen;
            if other < position {
                collisions(reader, draft, later);
            }
        }
        if shares && later.hosts.as_ref().is_some_and(Vec::is_empty) {
            let hint = "gateways that share a listener are told apart by it";
            at(reader, later, "host", Problem::new("is missing", hint));
        }
    }
}

fn collisions(reader: &mut Reader, earlier: &Draft, later: &Draft) {
    if earlier.name.is_some() && earlier.name == later.name {
        let hint = "each gateway's exchanges are kept under its own name";
        let problem = Problem::new("is the name of another gateway too", hint);
        at(reader, later, "name", problem);
    }
    let (Some(one), Some(other)) = (earlier.listen, later.listen) else {
        return;
    };
    if one != other && overlap(one, other) {
        let text = format!("takes the port of another gateway's {one}");
        let hint = "use the same address for both, or another port";
        at(reader, later, "listen", Problem::new(text, hint));
    }
    if one == other
        && let Some((key, problem)) = unlike(earlier.tls.as_ref(), later.tls.as_ref())
    {
        at(reader, later, key, problem);
    }
    let mut both = earlier.hosts.iter().zip(&later.hosts);
    let shared = both.find_map(|(hosts, others)| others.iter().find(|host| hosts.contains(host)));
    if let Some(host) = shared.filter(|_| one == other) {
        let text = format!("has {host}, which is another gateway's on the same listener");
        at(
            reader,
            later,
            "host",
            Problem::new(text, "give each host to one gateway"),
        );
    }
}

/// What keeps two gateways from sharing a listener, and the key to tell it of: hands are shaken before
/// a request says whose it is, so they ask alike.
pub(super) fn unlike(
    earlier: Option<&Tls>,
    later: Option<&Tls>,
) -> Option<(&'static str, Problem)> {
    match (earlier, later) {
        (None, None) => None,
        (Some(one), Some(other)) if one.clients == other.clients => None,
        (Some(_), Some(_)) => {
            let text = "is not that of another gateway on the same listener";
            let hint = "write the same for both, or give each a listener of its own";
            Some(("tls_client_ca", Problem::new(text, hint)))
        }
        (Some(_), None) | (None, Some(_)) => {
            let text = "is written for one gateway of this listener and not for the other";
            let hint = "write it for both; the file may be the same";
            Some(("tls_certificate", Problem::new(text, hint)))
        }
    }
}

/// Adds a fault where the key stands, or where its gateway begins.
fn at(reader: &mut Reader, draft: &Draft, key: &str, problem: Problem) {
    let path = path(draft.index, draft.count, key);
    let place = reader.places.get(&path).unwrap_or(&draft.place).clone();
    reader.fault(&place, &path, problem);
}

/// True if two listeners cannot both have their address: a wildcard takes the port of every
/// address of its family, and `[::]` that of IPv4 too.
pub(super) fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let covers = |wide: SocketAddr, narrow: SocketAddr| {
        wide.ip().is_unspecified() && (wide.is_ipv6() || narrow.is_ipv4())
    };
    let same = one.ip() == other.ip() || covers(one, other) || covers(other, one);
    one.port() != 0 && one.port() == other.port() && same
}
