//! The configuration in force as TOML, each key that was written with its place.
use std::fmt::Write as _;

use super::certificates::CLIENTS;
use super::fault::Places;
use super::gateway::{self, Gateway, Host};
use super::keys::{self, Visitor};
use super::kind::{Address, FilePath, FilePaths, Kind, Switch, quoted};
use super::resolve::Config;
use super::restart::needs_restart;
use crate::listener::Clients;

/// The column of the notes behind the keys.
const NOTES: usize = 40;

/// The TOML of `config`; it reads back as the same configuration.
pub(super) fn toml(config: &Config, places: &Places) -> String {
    let mut summary = Summary {
        places,
        section: "",
        text: String::new(),
    };
    summary.gateways(&config.gateways);
    keys::visit(&mut config.clone(), &mut summary);
    summary.text
}

/// The note behind a key that a reload does not change.
const RESTART: &str = "restart";

struct Summary<'a> {
    places: &'a Places,
    section: &'static str,
    text: String,
}

impl Summary<'_> {
    fn gateways(&mut self, gateways: &[Gateway]) {
        for (index, gateway) in gateways.iter().enumerate() {
            let _ = writeln!(self.text, "[[gateway]]");
            for (key, value) in of_gateway(gateway) {
                self.line(&gateway::path(index, gateways.len(), key), key, &value);
            }
            let _ = writeln!(self.text);
        }
    }

    fn line(&mut self, path: &str, key: &str, value: &str) {
        let written = format!("{key} = {value}");
        let place = self.places.get(path).map(ToString::to_string);
        let restart = needs_restart(path).then(|| RESTART.to_owned());
        let notes: Vec<String> = place.into_iter().chain(restart).collect();
        let _ = if notes.is_empty() {
            writeln!(self.text, "{written}")
        } else {
            writeln!(self.text, "{written:NOTES$} # {}", notes.join("; "))
        };
    }
}

/// The keys of a gateway with their values as TOML.
pub(super) fn of_gateway(gateway: &Gateway) -> [(&'static str, String); gateway::KEYS.len()] {
    let hosts: Vec<String> = gateway.hosts.iter().map(quoted).collect();
    let pairs = || gateway.tls.iter().flat_map(|tls| &tls.pairs);
    let shown = pairs().map(|pair| pair.certificate.clone()).collect();
    let keys = pairs().map(|pair| pair.key.clone()).collect();
    let clients = gateway.tls.as_ref().map(|tls| &tls.clients);
    let (issuers, required) = match clients {
        None | Some(Clients::Unasked) => (None, true),
        Some(Clients::Optional(path)) => (Some(path.clone()), false),
        Some(Clients::Required(path)) => (Some(path.clone()), true),
    };
    let client = gateway.client.clone();
    let (certificate, key) = client.map(|pair| (pair.certificate, pair.key)).unzip();
    let address = gateway.address.as_ref().map(ToString::to_string);
    let server_name = gateway.server_name.as_ref().map(Host::as_str);
    [
        ("name", quoted(&gateway.name)),
        ("listen", Address.show(&gateway.listen)),
        ("host", format!("[{}]", hosts.join(", "))),
        ("tls_certificate", FilePaths.show(&shown)),
        ("tls_key", FilePaths.show(&keys)),
        ("tls_client_ca", FilePath.show(&issuers)),
        ("tls_clients", CLIENTS.show(&required)),
        ("upstream", quoted(&gateway.origin)),
        ("upstream_address", quoted(&address.unwrap_or_default())),
        ("insecure", Switch.show(&gateway.insecure)),
        ("ca_file", FilePath.show(&gateway.ca_file)),
        ("server_name", quoted(&server_name.unwrap_or_default())),
        ("client_certificate", FilePath.show(&certificate)),
        ("client_key", FilePath.show(&key)),
    ]
}

impl Visitor for Summary<'_> {
    fn key<K: Kind>(
        &mut self,
        section: &'static str,
        name: &'static str,
        slot: &mut K::Value,
        kind: &K,
    ) {
        if section != self.section {
            let before = if self.section.is_empty() { "" } else { "\n" };
            let _ = writeln!(self.text, "{before}[{section}]");
            self.section = section;
        }
        self.line(&format!("{section}.{name}"), name, &kind.show(slot));
    }
}
