//! The keys of a gateway that name certificates, and what is in the files that they name.
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;

use super::fault::{Faults, Place, Places, Warning};
use super::gateway::{self, Gateway, Host, Keys};
use super::kind::{Choice, Kind, Problem, parse, text};
use super::reader::fault;
use super::resolve::Resolved;
use super::tree::Value;
use crate::certificates::{FileError, PairFiles, Phase, Reason, Validity, is_for, issuers};
use crate::listener::{Clients, Tls};
use crate::telemetry::{Capped, counted};
use crate::timing::wall_clock;

/// Whether clients must show a certificate where `tls_client_ca` says whose.
pub(super) const CLIENTS: Choice<bool> = Choice(&[("required", true), ("optional", false)]);

/// What everybody may do with a file.
const EVERYBODY: u32 = 0o007;

/// Reads what the gateway's listener shows and asks for; faults leave none.
pub(super) fn listener(keys: &mut Keys<'_>) -> Option<Tls> {
    let pairs = pairs(keys);
    let issuers = keys.file("tls_client_ca");
    let required = match keys.written("tls_clients", |value| CLIENTS.read(value)) {
        Some(false) if issuers.is_none() => {
            let problem = Problem::new("needs tls_client_ca", "write whose certificates count");
            keys.fault("tls_clients", problem);
            return None;
        }
        written => written.unwrap_or(true),
    };
    if pairs.is_empty() {
        if issuers.is_some() {
            let hint = "without one the listener speaks no TLS and asks for nothing";
            keys.fault("tls_client_ca", Problem::new("needs tls_certificate", hint));
        }
        return None;
    }
    let clients = match issuers {
        None => Clients::Unasked,
        Some(path) if required => Clients::Required(path),
        Some(path) => Clients::Optional(path),
    };
    Some(Tls { pairs, clients })
}

/// Reads what we show to the gateway.
pub(super) fn client(keys: &mut Keys<'_>) -> Option<PairFiles> {
    let names = ["client_certificate", "client_key"];
    let [certificate, key] = names.map(|name| keys.file(name));
    match (certificate, key) {
        (Some(certificate), Some(key)) => Some(PairFiles { certificate, key }),
        (None, None) => None,
        (Some(_), None) => {
            let problem = Problem::new("needs client_key", "write the file of its key");
            keys.fault("client_certificate", problem);
            None
        }
        (None, Some(_)) => {
            let problem = Problem::new("needs client_certificate", "write the file of both");
            keys.fault("client_key", problem);
            None
        }
    }
}

/// Reads a host name that a certificate may be for; an empty text is none.
pub(super) fn server_name(value: &Value) -> Result<Option<Host>, Problem> {
    let hint = "write the host name that the gateway's certificate is for";
    let written = text(value, hint)?;
    if written.is_empty() {
        return Ok(None);
    }
    let host: Host = parse(value, hint)?;
    match ServerName::try_from(host.as_str()) {
        Ok(_) => Ok(Some(host)),
        Err(_) => Err(Problem::new(
            "is no name that a certificate can be for",
            hint,
        )),
    }
}

fn pairs(keys: &mut Keys<'_>) -> Vec<PairFiles> {
    let certificates = keys.files("tls_certificate");
    let private = keys.files("tls_key");
    let fault = match (certificates.len(), private.len()) {
        (some, as_many) if some == as_many => None,
        (_, 0) => Some(("tls_certificate", "needs tls_key".to_owned())),
        (0, _) => Some(("tls_key", "needs tls_certificate".to_owned())),
        (some, other) => {
            let (files, some) = (counted(other, "file"), counted(some, "certificate"));
            Some(("tls_key", format!("has {files} for {some}")))
        }
    };
    if let Some((key, text)) = fault {
        let hint = "write one key for each of tls_certificate, in the same order";
        keys.fault(key, Problem::new(text, hint));
        return Vec::new();
    }
    let pairs = certificates.into_iter().zip(private);
    pairs
        .map(|(certificate, key)| PairFiles { certificate, key })
        .collect()
}

/// Opens every file that the gateways name: what is wrong with one is a fault, what should be
/// known of it is added to the warnings.
pub(super) fn inspect(resolved: &mut Resolved) -> Faults {
    let gateways = &resolved.config.gateways;
    let mut inspection = Inspection {
        places: &resolved.places,
        now: wall_clock(),
        faults: Faults::in_files(),
        warnings: Vec::new(),
    };
    for (index, gateway) in gateways.iter().enumerate() {
        let path = |key: &str| gateway::path(index, gateways.len(), key);
        inspection.gateway(gateway, path);
    }
    let Inspection {
        faults, warnings, ..
    } = inspection;
    resolved.warnings.extend(warnings);
    faults
}

struct Inspection<'a> {
    places: &'a Places,
    now: SystemTime,
    faults: Faults,
    warnings: Vec<Warning>,
}

impl Inspection<'_> {
    fn gateway(&mut self, gateway: &Gateway, path: impl Fn(&str) -> String) {
        if let Some(file) = &gateway.ca_file {
            self.issuers(&path("ca_file"), file);
        }
        if let Some(pair) = &gateway.client {
            let keys = [path("client_certificate"), path("client_key")];
            self.pair(&keys, pair, "the gateway refuses it");
        }
        let Some(tls) = &gateway.tls else { return };
        let keys = [path("tls_certificate"), path("tls_key")];
        let shown: Vec<_> = tls
            .pairs
            .iter()
            .filter_map(|pair| self.pair(&keys, pair, "clients refuse it"))
            .collect();
        if shown.len() == tls.pairs.len() {
            self.hosts(&keys[0], gateway, &shown);
        }
        match &tls.clients {
            Clients::Unasked => {}
            Clients::Optional(file) | Clients::Required(file) => {
                self.issuers(&path("tls_client_ca"), file);
            }
        }
    }

    fn issuers(&mut self, key: &str, file: &Path) {
        if let Err(error) = issuers(file) {
            let hint = "write the path of a PEM file with the certificates of the issuers";
            self.fault(key, &error, hint);
        }
    }

    fn pair(
        &mut self,
        [certificate, private]: &[String; 2],
        pair: &PairFiles,
        consequence: &str,
    ) -> Option<Arc<CertifiedKey>> {
        let read = match pair.read() {
            Ok(read) => read,
            Err(error) => {
                let (key, hint) = match &error.reason {
                    Reason::NoKey | Reason::Key(_) | Reason::OtherKey(_) => {
                        (private, "write the PEM file of the certificate's own key")
                    }
                    Reason::Unreadable(_)
                    | Reason::Empty
                    | Reason::TooLarge
                    | Reason::Malformed(_)
                    | Reason::NoCertificate
                    | Reason::Certificate(_) => {
                        let is_key = error.path == pair.key;
                        let key = if is_key { private } else { certificate };
                        (key, "write the path of its PEM file")
                    }
                };
                self.fault(key, &error, hint);
                return None;
            }
        };
        self.readable(private, &pair.key);
        if let Some(validity) = read.cert.first().and_then(|it| Validity::of(it)) {
            self.validity(certificate, &pair.certificate, validity, consequence);
        }
        Some(read)
    }

    fn readable(&mut self, key: &str, file: &Path) {
        let mode = fs::metadata(file).map_or(0, |found| found.permissions().mode());
        if mode & EVERYBODY != 0 {
            let file = shown(file);
            let text = format!(
                "Everybody on this machine can read {file}, and with it be this host: chmod 600."
            );
            self.warn(key, text);
        }
    }

    fn validity(&mut self, key: &str, file: &Path, validity: Validity, consequence: &str) {
        let Validity { from, until } = validity;
        let file = shown(file);
        let text = match validity.phase(self.now) {
            Phase::Expired => format!("{file} has expired on {until}: {consequence}."),
            Phase::EndsSoon => format!("{file} expires on {until}."),
            Phase::Early => format!("{file} is not valid before {from}: {consequence}."),
            Phase::Valid => return,
        };
        self.warn(key, text);
    }

    /// Tells the hosts of the gateway that no certificate is for, and a name that leads back here.
    fn hosts(&mut self, key: &str, gateway: &Gateway, pairs: &[Arc<CertifiedKey>]) {
        for host in &gateway.hosts {
            let named = ServerName::try_from(host.as_str())
                .is_ok_and(|name| pairs.iter().any(|pair| is_for(pair, &name)));
            if !named {
                let text = format!("None of the certificates is for the host {host}.");
                self.warn(key, text);
            }
        }
        let upstream = gateway.origin.host();
        let shown = ServerName::try_from(upstream)
            .is_ok_and(|name| pairs.iter().any(|pair| is_for(pair, &name)));
        if shown && gateway.address.is_none() {
            let text = format!(
                "It is for {upstream}, which is the gateway itself: if /etc/hosts leads that name \
                 here on this machine too, holdline calls itself. Then write upstream_address."
            );
            self.warn(key, text);
        }
    }

    fn fault(&mut self, key: &str, error: &FileError, hint: &str) {
        let text = format!("names {}: it {}", shown(&error.path), error.reason);
        let place = self.places.get(key).cloned().unwrap_or(Place::Nowhere);
        self.faults
            .add(fault(&place, key, Problem::new(text, hint)));
    }

    fn warn(&mut self, key: &str, text: String) {
        self.warnings.push(Warning {
            place: self.places.get(key).cloned(),
            key: key.to_owned(),
            text,
        });
    }
}

fn shown(file: &Path) -> String {
    Capped(&file.display().to_string()).to_string()
}
