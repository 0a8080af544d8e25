//! What a running process takes over of a configuration that was read again, and what waits for a
//! restart.
use std::fmt;

use super::checks;
use super::fault::{Faults, Place};
use super::gateway::{self, Gateway};
use super::keys::{self, Visitor};
use super::kind::{Kind, quoted};
use super::reader::Reader;
use super::resolve::{Config, Resolved};
use super::summary;
use super::tree::Table;
use super::written::Written;
use crate::{proxy, telemetry};

/// A key that has another value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key, as `section.key`.
    pub key: String,
    /// Its value in force before, as TOML.
    pub from: String,
    /// What is written now, as TOML.
    pub to: String,
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {} -> {}", self.key, self.from, self.to)
    }
}

/// What becomes of a configuration that was read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reloaded {
    /// What is in force from now on.
    pub resolved: Resolved,
    /// What changes.
    pub changed: Vec<Change>,
    /// What is written and waits for a restart.
    pub waiting: Vec<Change>,
    /// Which files of each gateway in force are those of what was read, in the order of the gateways.
    pub named: Vec<Named>,
}

/// Which files of certificates what was read names for a gateway. The others stay in force only because
/// their keys wait for a restart: they may be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// Those for its origin.
    pub origin: bool,
    /// Those that its clients see.
    pub clients: bool,
}

/// Takes over what a running process can, and leaves the rest as it is. The faults are those of the
/// mixture, where what waits for a restart does not go with what does not.
pub fn reload(in_force: &Config, read: Resolved) -> Result<Reloaded, Faults> {
    let config = taken_over(in_force, &read.config);
    let written = Written::of(&config, &read.config);
    let mut reader = Reader::new(Table::new(), Faults::default());
    reader.places = written.places(read.places.clone());
    checks::faults(&config, &mut reader);
    alike(&config, &read, &mut reader);
    let Reader {
        mut places, faults, ..
    } = reader;
    if !faults.is_empty() {
        return Err(faults);
    }
    let changed = changes(in_force, &config);
    let waiting = changes(&config, &read.config);
    let waits = |key: &str| waiting.iter().any(|change| change.key == key);
    // What waits is written there, and not in force.
    places.retain(|key, _| !waits(written.key(key)));
    let mut warnings = checks::warnings(&config, &places);
    for warning in &mut warnings {
        warning.key = written.key(&warning.key).to_owned();
    }
    // What was found beside the keys themselves, as in the files that they name.
    let of_keys = checks::warnings(&read.config, &read.places);
    let mut others = read.warnings;
    others.retain(|it| !of_keys.contains(it) && !waits(&it.key) && written.is_in_force(&it.key));
    warnings.append(&mut others);
    let gateways = in_force.gateways.iter();
    Ok(Reloaded {
        named: gateways.map(|it| named(it, &read.config)).collect(),
        resolved: Resolved {
            config,
            warnings,
            places,
        },
        changed,
        waiting,
    })
}

/// What is in force, with all that may change while a process runs.
fn taken_over(in_force: &Config, read: &Config) -> Config {
    let gateways = in_force.gateways.iter();
    Config {
        gateways: gateways.map(|gateway| of_gateway(gateway, read)).collect(),
        listener: read.listener.clone(),
        upstream: read.upstream.clone(),
        exchange: read.exchange.clone(),
        polling: read.polling.clone(),
        proxy: proxy::Config {
            key_field: in_force.proxy.key_field.clone(),
            ..read.proxy.clone()
        },
        log: telemetry::Config {
            level: read.log.level.clone(),
            ..in_force.log.clone()
        },
        drain: read.drain.clone(),
        results: in_force.results.clone(),
        journal: in_force.journal.clone(),
        admin: in_force.admin.clone(),
        control: in_force.control.clone(),
    }
}

/// A gateway, with the certificates of now. Those for its origin wait where that or the way there does,
/// and those that its clients see where the listener does; whether it speaks TLS at all is decided when
/// it is bound.
fn of_gateway(gateway: &Gateway, read: &Config) -> Gateway {
    let mut same = gateway.clone();
    let Some(now) = again(gateway, read) else {
        return same;
    };
    let named = named(gateway, read);
    if named.origin {
        same.ca_file.clone_from(&now.ca_file);
        same.server_name.clone_from(&now.server_name);
        same.client.clone_from(&now.client);
    }
    if named.clients {
        same.tls.clone_from(&now.tls);
    }
    same
}

fn named(gateway: &Gateway, read: &Config) -> Named {
    let now = again(gateway, read);
    Named {
        origin: now.is_some_and(|it| it.origin == gateway.origin && it.address == gateway.address),
        clients: now.is_some_and(|it| {
            it.listen == gateway.listen && it.tls.is_some() == gateway.tls.is_some()
        }),
    }
}

/// The gateway as it was read.
fn again<'a>(gateway: &Gateway, read: &'a Config) -> Option<&'a Gateway> {
    read.gateways.iter().find(|it| it.name == gateway.name)
}

/// Adds a fault where gateways still share a listener that the file parts, and ask its clients for
/// other certificates from now on. It is told of the one that the file has.
fn alike(config: &Config, read: &Resolved, reader: &mut Reader) {
    let gateways = &read.config.gateways;
    let written = |gateway: &Gateway| gateways.iter().position(|it| it.name == gateway.name);
    for (number, later) in config.gateways.iter().enumerate() {
        let before = config.gateways.iter().take(number);
        for earlier in before.filter(|it| it.listen == later.listen) {
            let unlike = gateway::unlike(earlier.tls.as_ref(), later.tls.as_ref());
            let index = written(later).or_else(|| written(earlier));
            let Some(((key, problem), index)) = unlike.zip(index) else {
                continue;
            };
            let path = |key| gateway::path(index, gateways.len(), key);
            let mut places = [path(key), path("listen")].into_iter();
            let place = places.find_map(|it| read.places.get(&it)).cloned();
            reader.fault(&place.unwrap_or(Place::Nowhere), &path(key), problem);
        }
    }
}

/// The keys in which two configurations differ.
fn changes(from: &Config, to: &Config) -> Vec<Change> {
    let mut differing = of_gateways(from, to);
    differing.extend(pairs(values(from), values(to)));
    differing
}

/// A gateway is found again by its name. Where there are others now, that is told as a whole.
fn of_gateways(from: &Config, to: &Config) -> Vec<Change> {
    let names = [("gateway.name".to_owned(), names(from))];
    let mut differing = pairs(names, [(String::new(), self::names(to))]);
    for (index, later) in to.gateways.iter().enumerate() {
        let mut earlier = from.gateways.iter();
        let Some(earlier) = earlier.find(|it| it.name == later.name) else {
            continue;
        };
        let named =
            |(key, value): (&str, String)| (gateway::path(index, to.gateways.len(), key), value);
        let before = summary::of_gateway(earlier).map(named);
        differing.extend(pairs(before, summary::of_gateway(later).map(named)));
    }
    differing
}

/// The names of all gateways, as TOML.
fn names(config: &Config) -> String {
    let gateways = config.gateways.iter();
    let mut names: Vec<String> = gateways.map(|it| quoted(&it.name)).collect();
    names.sort_unstable();
    format!("[{}]", names.join(", "))
}

/// Those of the same keys that have other values.
fn pairs(
    before: impl IntoIterator<Item = (String, String)>,
    after: impl IntoIterator<Item = (String, String)>,
) -> Vec<Change> {
    let pairs = before.into_iter().zip(after);
    let changes = pairs.map(|((key, from), (_, to))| Change { key, from, to });
    changes.filter(|change| change.from != change.to).collect()
}

/// Every key of every section with its value.
fn values(config: &Config) -> Vec<(String, String)> {
    let mut values = Values(Vec::new());
    keys::visit(&mut config.clone(), &mut values);
    values.0
}

struct Values(Vec<(String, String)>);

impl Visitor for Values {
    fn key<K: Kind>(
        &mut self,
        section: &'static str,
        name: &'static str,
        slot: &mut K::Value,
        kind: &K,
    ) {
        self.0.push((format!("{section}.{name}"), kind.show(slot)));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::super::resolve::known_keys;
    use super::super::restart::needs_restart;
    use super::super::{File, Flags, resolve};
    use super::*;

    /// Every key with another value than its default, but for what names the gateway.
    const EVERY_KEY: &str = r#"
[[gateway]]
name = "begateway"
listen = "127.0.0.1:8090"
host = ["pay.example"]
upstream = "https://begateway.example"
upstream_address = "127.0.0.1:8443"
insecure = true
ca_file = "ca.pem"
[routes]
payments = "relay"
authorizations = "relay"
tokenizations = "relay"
captures = "relay"
voids = "relay"
refunds = "relay"
payouts = "relay"
checkups = "relay"
chargebacks = "relay"
status_query = "relay"
balance_query = "relay"
[hold]
timeout = "28s"
[submit]
start = "6s"
timeout = "31s"
resubmits = 1
[upstream]
connect_timeout = "4s"
handshake_timeout = "6s"
answer_timeout = "11s"
idle_timeout = "16s"
connections = 257
fail_fast = "6s"
[polling]
schedule = "exponential"
interval = "600ms"
max_interval = "11s"
price = "60ms"
min_interval = "60ms"
max_per_second = 100
unknown_grace = "6s"
[coalesce]
quiet = "2s"
reclaim = "23h"
key_field = ""
[cache]
retention = "25h"
max_bytes = "65MiB"
[journal]
in_memory = true
path = "other.redb"
max_bytes = "2GiB"
[limits]
connections = 16385
held = 10001
running = 20001
undelivered = 10001
per_owner = 9001
facts = 1000001
body = "2MiB"
bodies = "257MiB"
answers = "257MiB"
answer = "5MiB"
fields = 101
fields_size = "33KiB"
[listener]
handshake_timeout = "11s"
fields_timeout = "11s"
body_timeout = "16s"
write_timeout = "31s"
idle_timeout = "76s"
[admin]
listen = "127.0.0.1:9901"
[control]
socket = "other.sock"
[log]
format = "text"
level = "debug"
[drain]
timeout = "31s"
"#;

    /// What a gateway shows and trusts.
    const CERTIFICATES: [&str; 8] = [
        "gateway.tls_certificate",
        "gateway.tls_key",
        "gateway.tls_client_ca",
        "gateway.tls_clients",
        "gateway.ca_file",
        "gateway.server_name",
        "gateway.client_certificate",
        "gateway.client_key",
    ];

    const LEAST: &str = "[[gateway]]\nname = \"begateway\"\nlisten = \"127.0.0.1:8080\"\n";

    const EXAMPLE: &str = include_str!("../../config.toml.example");

    fn read(text: &str) -> Resolved {
        let file = File {
            path: PathBuf::from("holdline.toml"),
            text: text.to_owned(),
        };
        resolve(Some(&file), [], &Flags::default()).unwrap()
    }

    fn keys(changes: &[Change]) -> BTreeSet<String> {
        changes.iter().map(|change| change.key.clone()).collect()
    }

    #[test]
    fn every_key_is_taken_over_or_waits_for_a_restart_and_is_said_to() {
        let in_force = read(EXAMPLE).config;
        let reloaded = reload(&in_force, read(EVERY_KEY)).unwrap();
        let known: BTreeSet<String> = known_keys().into_iter().collect();
        let (waits, applies): (BTreeSet<String>, BTreeSet<String>) =
            known.into_iter().partition(|key| needs_restart(key));
        // The name is what a gateway is found again by, and certificates wait with their address.
        let others = ["gateway.name"].into_iter().chain(CERTIFICATES);
        let of_gateway: BTreeSet<String> = others.map(str::to_owned).collect();
        assert_eq!(&keys(&reloaded.waiting) - &of_gateway, &waits - &of_gateway);
        assert_eq!(keys(&reloaded.changed), &applies - &of_gateway);
        let again = reload(&reloaded.resolved.config, read(EVERY_KEY)).unwrap();
        assert_eq!(again.changed, Vec::new(), "nothing changes twice");
        assert_eq!(again.waiting, reloaded.waiting);
    }

    #[test]
    fn gateways_are_found_by_their_names_and_take_their_issuers_over() {
        let two = |more: &str| {
            read(&format!(
                "[[gateway]]\nname = \"paycross\"\nlisten = \"127.0.0.1:8081\"\n\
                 [[gateway]]\nname = \"bepaid\"\nlisten = \"127.0.0.1:8080\"\n{more}"
            ))
        };
        let in_force = two("").config;
        let reloaded = reload(&in_force, two("ca_file = \"/etc/ca.pem\"\n")).unwrap();
        assert_eq!(
            keys(&reloaded.changed),
            ["gateway[1].ca_file".to_owned()].into()
        );
        assert_eq!(reloaded.waiting, Vec::new());
        let moved = two("upstream = \"https://other.example\"\nca_file = \"/etc/ca.pem\"\n");
        let reloaded = reload(&in_force, moved).unwrap();
        assert_eq!(reloaded.resolved.config, in_force);
        assert!(
            reloaded
                .waiting
                .iter()
                .all(|it| needs_restart(&it.key) || it.key.ends_with("ca_file"))
        );
        let one = read("[[gateway]]\nname = \"bepaid\"\nlisten = \"127.0.0.1:8080\"\n");
        let reloaded = reload(&in_force, one).unwrap();
        assert_eq!(
            reloaded.waiting[0].to_string(),
            "gateway.name: [\"bepaid\", \"paycross\"] -> [\"bepaid\"]"
        );
        assert_eq!(reloaded.resolved.config, in_force);
    }

    #[test]
    fn certificates_for_the_gateway_wait_where_the_way_to_it_does() {
        let at = |more: &str| read(&format!("{LEAST}{more}"));
        let trusting = "ca_file = \"/etc/ca.pem\"\nserver_name = \"a.example\"\n\
             client_certificate = \"/etc/us.pem\"\nclient_key = \"/etc/us.key\"\n";
        let moved = format!("upstream_address = \"192.0.2.1\"\n{trusting}");
        let in_force = at("").config;
        let reloaded = reload(&in_force, at(&moved)).unwrap();
        assert_eq!(reloaded.resolved.config, in_force);
        assert_eq!(reloaded.waiting.len(), 5, "{:?}", reloaded.waiting);
        assert_eq!(reload(&in_force, at(trusting)).unwrap().changed.len(), 4);
    }

    #[test]
    fn gateways_that_still_share_a_listener_ask_its_clients_alike() {
        let gateway = |name: &str, port: u16, more: &str| {
            format!(
                "[[gateway]]\nname = \"{name}\"\nlisten = \"127.0.0.1:{port}\"\n\
                 host = [\"{name}.example\"]\ntls_certificate = \"/a.pem\"\ntls_key = \"/a.key\"\n{more}"
            )
        };
        let asks = "tls_client_ca = \"/clients.pem\"\n";
        let shared = gateway("bepaid", 8443, "") + &gateway("paycross", 8443, "");
        let in_force = read(&shared).config;
        let told = |text: &str| reload(&in_force, read(text)).unwrap_err().to_string();
        let both = gateway("bepaid", 8443, asks) + &gateway("paycross", 8443, asks);
        assert_eq!(reload(&in_force, read(&both)).unwrap().waiting, Vec::new());
        // What moves away waits, and is on the listener meanwhile.
        let first = gateway("bepaid", 8444, "") + &gateway("paycross", 8443, asks);
        let last = gateway("bepaid", 8443, asks) + &gateway("paycross", 8444, "");
        let turned = gateway("paycross", 8443, asks) + &gateway("bepaid", 8444, "");
        let alone = gateway("bepaid", 8443, asks);
        for (text, place) in [
            (first, "line 13: gateway[1].tls_client_ca"),
            (last, "line 10: gateway[1].tls_client_ca"),
            (turned, "line 7: gateway[0].tls_client_ca"),
            (alone, "line 7: gateway.tls_client_ca"),
        ] {
            let told = told(&text);
            let why = "is not that of another gateway on the same listener";
            assert!(told.contains(&format!("{place} {why}")), "{told}");
        }
    }

    #[test]
    fn what_does_not_go_with_what_waits_is_refused_as_a_whole() {
        let in_force = read(EXAMPLE).config;
        let text = format!("{LEAST}[cache]\nretention = \"72h\"\n[coalesce]\nreclaim = \"48h\"\n");
        let refused = reload(&in_force, read(&text)).unwrap_err().to_string();
        assert!(
            refused.contains("holdline.toml line 5: cache.retention is below coalesce.reclaim"),
            "{refused}"
        );
    }
}
