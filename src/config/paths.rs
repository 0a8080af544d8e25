//! Files that may not be one and the same, and names that the system does not take.
use std::path::{Path, PathBuf};

use super::fault::Warning;
use super::gateway;
use super::kind::Problem;
use super::reader::Reader;
use super::resolve::{Config, Resolved};
use crate::control::LONGEST_PATH;
use crate::journal::beside;
use crate::listener::Clients;
use crate::polling;
use crate::telemetry::Capped;

const SOCKET: &str = "control.socket";
const JOURNAL: &str = "journal.path";

/// A file and the key that names it.
struct Named {
    key: String,
    path: PathBuf,
}

impl Named {
    fn new(key: &str, path: &Path) -> Self {
        Self {
            key: key.to_owned(),
            // Two spellings of one path are one file.
            path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
        }
    }
}

/// Adds a fault for each file that is wanted for two things, and for a socket that no address holds.
pub(super) fn faults(config: &Config, reader: &mut Reader) {
    let kept = config.journal.file();
    let socket = config.control.path(kept);
    if let Some(socket) = &socket {
        socket_fits(socket, reader);
    }
    let learned = beside(&config.journal.path, polling::SUFFIX);
    let journal = config.journal.files().into_iter().chain([learned]);
    let journal = journal.filter(|_| kept.is_some());
    let journal: Vec<Named> = journal.map(|path| Named::new(JOURNAL, &path)).collect();
    let socket: Vec<Named> = socket.iter().map(|it| Named::new(SOCKET, it)).collect();
    let read = read_files(config);
    apart(&socket, &journal, reader);
    apart(&socket, &read, reader);
    apart(&journal, &read, reader);
}

/// Warns where nothing is kept on disk though a journal stands there: what is in it is not known.
pub(super) fn unread_journal(resolved: &mut Resolved) {
    let (key, journal) = ("journal.in_memory", &resolved.config.journal);
    if !journal.in_memory || !journal.path.exists() {
        return;
    }
    let path = std::path::absolute(&journal.path).unwrap_or_else(|_| journal.path.clone());
    let text = format!(
        "The journal at {} is not read: what is under way or in doubt there is not known, and a repeat of it \
         is a new payment.",
        Capped(&path.display().to_string())
    );
    resolved.warnings.push(Warning {
        place: resolved.places.get(key).cloned(),
        key: key.to_owned(),
        text,
    });
}

fn socket_fits(socket: &Path, reader: &mut Reader) {
    let length = socket.as_os_str().len();
    if length <= LONGEST_PATH {
        return;
    }
    let text = format!(
        "leads to a control socket whose path is {length} bytes long, and the system takes {LONGEST_PATH}"
    );
    let hint = format!("write a shorter {SOCKET}");
    tell([SOCKET, JOURNAL], Problem::new(text, hint), reader);
}

/// What the gateways name, which is read and belongs to the operator.
fn read_files(config: &Config) -> Vec<Named> {
    let (gateways, mut files) = (&config.gateways, Vec::new());
    for (index, gateway) in gateways.iter().enumerate() {
        let mut add = |key: &str, path: &Path| {
            files.push(Named::new(&gateway::path(index, gateways.len(), key), path));
        };
        if let Some(path) = &gateway.ca_file {
            add("ca_file", path);
        }
        if let Some(pair) = &gateway.client {
            add("client_certificate", &pair.certificate);
            add("client_key", &pair.key);
        }
        let Some(tls) = &gateway.tls else { continue };
        for pair in &tls.pairs {
            add("tls_certificate", &pair.certificate);
            add("tls_key", &pair.key);
        }
        match &tls.clients {
            Clients::Unasked => {}
            Clients::Optional(path) | Clients::Required(path) => add("tls_client_ca", path),
        }
    }
    files
}

/// Adds a fault for the first file that both keys name.
fn apart(own: &[Named], others: &[Named], reader: &mut Reader) {
    let both = own.iter().find_map(|it| {
        let other = others.iter().find(|other| other.path == it.path)?;
        Some((it, other))
    });
    let Some((one, other)) = both else { return };
    let text = format!(
        "and {} want the same file, {}",
        other.key,
        Capped(&one.path.display().to_string())
    );
    let hint = "each needs its own, and the journal takes its name with .wal, .key and .last behind it too";
    let swapped = text.replacen(&other.key, &one.key, 1);
    let is_written = |key: &str| reader.places.contains_key(key);
    if is_written(&one.key) {
        tell([&one.key], Problem::new(text, hint), reader);
    } else {
        tell([&other.key], Problem::new(swapped, hint), reader);
    }
}

/// Tells a problem at the first of the keys that is written.
fn tell<const COUNT: usize>(keys: [&str; COUNT], problem: Problem, reader: &mut Reader) {
    let written = keys.into_iter().find_map(|key| {
        let place = reader.places.get(key)?.clone();
        Some((key, place))
    });
    if let Some((key, place)) = written {
        reader.fault(&place, key, problem);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{File, Flags, resolve};

    /// The faults of a file that says the least, and then `more`.
    fn faults(more: &str) -> Vec<String> {
        let least = "[[gateway]]\nname = \"bepaid\"\nlisten = \"127.0.0.1:8080\"\n";
        let file = File {
            path: "holdline.toml".into(),
            text: format!("{least}{more}"),
        };
        let resolved = resolve(Some(&file), [], &Flags::default());
        let faults = resolved.err().unwrap_or_default();
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_file_that_is_wanted_for_two_things_is_a_fault() {
        for (more, key, other) in [
            (
                "[control]\nsocket = \"holdline.redb\"\n",
                "control.socket",
                "journal.path",
            ),
            (
                "[control]\nsocket = \"./holdline.redb.wal\"\n",
                "control.socket",
                "journal.path",
            ),
            (
                "tls_certificate = \"a.pem\"\ntls_key = \"/b\"\n[journal]\npath = \"/b\"\n",
                "journal.path",
                "gateway.tls_key",
            ),
            (
                "upstream = \"https://gateway.example\"\nca_file = \"holdline.redb.key\"\n",
                "gateway.ca_file",
                "journal.path",
            ),
            (
                "tls_certificate = \"/a\"\ntls_key = \"/b\"\n[control]\nsocket = \"/a\"\n",
                "control.socket",
                "gateway.tls_certificate",
            ),
        ] {
            let told = faults(more);
            let text = format!("{key} and {other} want the same file, ");
            assert!(told.len() == 1 && told[0].contains(&text), "{told:?}");
        }
        let both = "tls_certificate = \"/a\"\ntls_key = \"/a\"\n";
        assert!(faults(both).is_empty());
        let unused = "[journal]\nin_memory = true\n[control]\nsocket = \"holdline.redb\"\n";
        assert!(faults(unused).is_empty());
    }

    #[test]
    fn a_socket_that_no_address_holds_is_told_at_the_key_that_leads_to_it() {
        let socket =
            |length: usize| format!("[control]\nsocket = \"/{}\"\n", "s".repeat(length - 1));
        assert!(faults(&socket(107)).is_empty());
        let told = faults(&socket(108));
        assert!(
            told.len() == 1
                && told[0].contains(
                    "control.socket leads to a control socket whose path is 108 bytes long"
                ),
            "{told:?}"
        );
        let journal = format!("[journal]\npath = \"/{}\"\n", "j".repeat(105));
        let told = faults(&journal);
        assert!(
            told.len() == 1
                && told[0].contains(
                    "journal.path leads to a control socket whose path is 111 bytes long"
                ),
            "{told:?}"
        );
    }
}
