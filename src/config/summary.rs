//! The configuration in force as TOML, each key that was written with its place.
use std::fmt::Write as _;

use super::fault::Places;
use super::gateway::{self, Gateway};
use super::keys::{self, Visitor};
use super::kind::{Address, FilePath, Kind, Switch, quoted};
use super::resolve::Config;

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

struct Summary<'a> {
    places: &'a Places,
    section: &'static str,
    text: String,
}

impl Summary<'_> {
    fn gateways(&mut self, gateways: &[Gateway]) {
        for (index, gateway) in gateways.iter().enumerate() {
            let hosts: Vec<String> = gateway.hosts.iter().map(quoted).collect();
            let values = [
                ("name", quoted(&gateway.name)),
                ("listen", Address.show(&gateway.listen)),
                ("host", format!("[{}]", hosts.join(", "))),
                ("upstream", quoted(&gateway.origin)),
                ("insecure", Switch.show(&gateway.insecure)),
                ("ca_file", FilePath.show(&gateway.ca_file)),
            ];
            let _ = writeln!(self.text, "[[gateway]]");
            for (key, value) in values {
                self.line(&gateway::path(index, gateways.len(), key), key, &value);
            }
            let _ = writeln!(self.text);
        }
    }

    fn line(&mut self, path: &str, key: &str, value: &str) {
        let written = format!("{key} = {value}");
        let _ = match self.places.get(path) {
            Some(place) => writeln!(self.text, "{written:NOTES$} # {place}"),
            None => writeln!(self.text, "{written}"),
        };
    }
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
