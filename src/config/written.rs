//! How the keys of the gateways in force are called in a file that was read again: gateways are found by their
//! names, and may stand in another order there.
use std::collections::BTreeMap;

use super::fault::Places;
use super::gateway;
use super::resolve::Config;

/// The keys of the gateways in force, with those under which what was read has the same gateways.
pub(super) struct Written(BTreeMap<String, String>);

impl Written {
    pub(super) fn of(in_force: &Config, read: &Config) -> Self {
        let mut keys = BTreeMap::new();
        for (index, gateway) in in_force.gateways.iter().enumerate() {
            let mut gateways = read.gateways.iter();
            let Some(written) = gateways.position(|it| it.name == gateway.name) else {
                continue;
            };
            keys.extend(gateway::KEYS.map(|key| {
                let key = |index, config: &Config| gateway::path(index, config.gateways.len(), key);
                (key(index, in_force), key(written, read))
            }));
        }
        Self(keys)
    }

    /// The key under which it was read.
    pub(super) fn key<'a>(&'a self, key: &'a str) -> &'a str {
        self.0.get(key).map_or(key, String::as_str)
    }

    /// True if a key that was read is one of a gateway in force, or of none.
    pub(super) fn is_in_force(&self, key: &str) -> bool {
        !key.starts_with("gateway") || self.0.values().any(|it| it == key)
    }

    /// The places of what was read, under the keys in force.
    pub(super) fn places(&self, mut read: Places) -> Places {
        let of_gateways: Places = self
            .0
            .iter()
            .filter_map(|(key, written)| Some((key.clone(), read.get(written)?.clone())))
            .collect();
        read.retain(|key, _| !key.starts_with("gateway"));
        read.extend(of_gateways);
        read
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::{File, Flags, Resolved, Warning, reload, resolve};

    fn read(text: &str) -> Resolved {
        let file = File {
            path: PathBuf::from("holdline.toml"),
            text: text.to_owned(),
        };
        resolve(Some(&file), [], &Flags::default()).unwrap()
    }

    #[test]
    fn warnings_of_what_is_in_force_are_told_at_their_lines_however_gateways_are_ordered() {
        let gateway = |name: &str, address: &str| {
            format!(
                "[[gateway]]\nname = \"{name}\"\nlisten = \"{address}\"\nupstream = \"https://{name}.example\"\n"
            )
        };
        let (first, last) = (gateway("a", "127.0.0.1:1"), gateway("b", "0.0.0.0:2"));
        let in_force = read(&(first.clone() + &last)).config;
        let told = |text: &str| {
            let mut again = read(text);
            for key in again
                .places
                .clone()
                .keys()
                .filter(|it| it.ends_with("name"))
            {
                again.warnings.push(Warning {
                    place: again.places.get(key).cloned(),
                    key: key.replace("name", "tls_key"),
                    text: "Everybody can read it.".to_owned(),
                });
            }
            let reloaded = reload(&in_force, again).unwrap();
            let warnings = reloaded.resolved.warnings.iter();
            warnings.map(ToString::to_string).collect::<Vec<_>>()
        };
        let turned = told(&(last.clone() + &first));
        let begins = "holdline.toml line 3: gateway[0].listen: 0.0.0.0:2 is open";
        assert!(turned[0].starts_with(begins), "{turned:?}");
        let files = [
            "holdline.toml line 2: gateway[0].tls_key: Everybody can read it.",
            "holdline.toml line 6: gateway[1].tls_key: Everybody can read it.",
        ];
        assert_eq!(turned[1..], files);
        let alone = told(&last);
        assert!(alone[0].starts_with("holdline.toml line 3: gateway.listen: 0.0.0.0:2 is open"));
        assert_eq!(alone.len(), 2);
        // What waits is not in force, and neither is what is said of it.
        let moved = told(
            &(first.clone()
                + &gateway("b", "127.0.0.1:3").replace("listen", "tls_key = []\nlisten")),
        );
        assert!(
            moved
                .iter()
                .any(|it| it.contains("gateway[1].listen (default): 0.0.0.0:2"))
        );
        let added = told(&(first + &last + &gateway("c", "127.0.0.1:4")));
        assert!(
            !added.iter().any(|it| it.contains("gateway[2]")),
            "{added:?}"
        );
    }
}
