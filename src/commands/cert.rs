//! `holdline cert`: a local authority and a certificate, for clients that write `https://`.
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::Exit;
use crate::certificates::{self, Authority, AuthorityError, FileError, Signed, Validity};
use crate::telemetry::with_causes;
use crate::timing::wall_clock;

/// Modes of what is made. Clients under other users read the authority where it is.
const SECRET: u32 = 0o600;
const PUBLIC: u32 = 0o644;
const DIRECTORY: u32 = 0o755;

/// For which hosts, and where to.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The host that clients ask for; give it again for each further one, in any order
    #[arg(long = "host", value_name = "HOST", required = true)]
    hosts: Vec<String>,

    /// The directory of the files; it is made if it is not there, and nothing in it is overwritten
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Where everything is.
struct Files {
    authority: PathBuf,
    authority_key: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

/// Why nothing was made; completes "failed to …".
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error("write {}: {source}", .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Unreadable(#[from] FileError),
    #[error("read {}: it is no text, as PEM is", .0.display())]
    NoText(PathBuf),
    #[error(
        "write {}, which is there: move it and its key away for a new one of the same authority",
        .0.display()
    )]
    IsThere(PathBuf),
    #[error(
        "sign with {}: its key, {}, is not there; bring it back, or move the authority away for a new \
         one, which every client must then trust",
        authority.display(), key.display()
    )]
    NoKey { authority: PathBuf, key: PathBuf },
    #[error(
        "make an authority: {} is there, and the certificate that it belongs to, {}, is not; bring it \
         back, or move the key away",
        key.display(), authority.display()
    )]
    NoAuthority { authority: PathBuf, key: PathBuf },
}

/// Makes the files, and tells what to do with them.
pub fn run(args: &Args, out: &mut impl Write, complaints: &mut impl Write) -> io::Result<Exit> {
    let hosts: Vec<String> = args
        .hosts
        .iter()
        .map(|it| it.to_ascii_lowercase())
        .collect();
    match make(&hosts, &args.out, wall_clock()) {
        Ok((files, until)) => {
            write!(out, "{}", instructions(&hosts, &files, &until))?;
            Ok(Exit::Success)
        }
        Err(error) => {
            writeln!(complaints, "holdline: failed to {}", with_causes(&error))?;
            Ok(Exit::Failure)
        }
    }
}

/// Makes what is not there yet; returns until when the certificate is valid.
fn make(hosts: &[String], out: &Path, now: SystemTime) -> Result<(Files, String), Error> {
    let out = &std::path::absolute(out).map_err(|source| Error::File {
        path: out.to_owned(),
        source,
    })?;
    let files = Files::of(hosts, out);
    for path in [&files.certificate, &files.key] {
        if path.symlink_metadata().is_ok() {
            return Err(Error::IsThere(path.clone()));
        }
    }
    let (authority, is_new) = authority(hosts, &files, now)?;
    let Signed { certificate, key } = authority.sign(hosts, now)?;
    let mut builder = DirBuilder::new();
    let made = builder.recursive(true).mode(DIRECTORY).create(out);
    made.map_err(|source| Error::File {
        path: out.to_owned(),
        source,
    })?;
    if is_new {
        write(&files.authority_key, &authority.key(), SECRET)?;
        write(&files.authority, authority.pem(), PUBLIC)?;
    }
    write(&files.key, &key, SECRET)?;
    write(&files.certificate, &certificate, PUBLIC)?;
    Ok((files, day(&certificate)))
}

/// The authority that is there, or a new one.
fn authority(hosts: &[String], files: &Files, now: SystemTime) -> Result<(Authority, bool), Error> {
    let there = [&files.authority, &files.authority_key].map(|it| it.symlink_metadata().is_ok());
    match there {
        [false, false] => Ok((Authority::new(hosts, now)?, true)),
        [true, true] => {
            let pem = certificates::read(&files.authority)?;
            let key = certificates::read(&files.authority_key)?;
            let pem = text(&files.authority, &pem)?.to_owned();
            let key = text(&files.authority_key, &key)?;
            Ok((Authority::again(pem, key)?, false))
        }
        [true, false] => Err(Error::NoKey {
            authority: files.authority.clone(),
            key: files.authority_key.clone(),
        }),
        [false, true] => Err(Error::NoAuthority {
            authority: files.authority.clone(),
            key: files.authority_key.clone(),
        }),
    }
}

impl Files {
    fn of(hosts: &[String], out: &Path) -> Self {
        // A host that is none is refused before anything is written.
        let host = hosts.first().map(String::as_str).unwrap_or_default();
        Self {
            authority: out.join("ca.pem"),
            authority_key: out.join("ca.key"),
            certificate: out.join(format!("{host}.pem")),
            key: out.join(format!("{host}.key")),
        }
    }
}

/// What was read from `path` as text.
fn text<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, Error> {
    std::str::from_utf8(bytes).map_err(|_| Error::NoText(path.to_owned()))
}

/// Writes a file that is not there, and follows no link.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), Error> {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
    written.map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}

/// The day until which a certificate is valid.
fn day(pem: &str) -> String {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok();
    let validity = der.and_then(|der| Validity::of(&der));
    let until = validity.map(|it| it.until.to_string()).unwrap_or_default();
    until.chars().take_while(|it| *it != 'T').collect()
}

fn instructions(hosts: &[String], files: &Files, until: &str) -> String {
    let all = hosts.join(" ");
    let named = hosts.iter().filter(|host| host.parse::<IpAddr>().is_err());
    let names: Vec<&str> = named.map(String::as_str).collect();
    let entry = match names.as_slice() {
        [] => "(none: they ask for an address)".to_owned(),
        names => format!("127.0.0.1 {}", names.join(" ")),
    };
    let host = hosts.first().map(String::as_str).unwrap_or_default();
    let [authority, authority_key, certificate, key] = [
        &files.authority,
        &files.authority_key,
        &files.certificate,
        &files.key,
    ]
    .map(|path| path.display().to_string());
    format!(
        "{certificate}  what holdline shows, valid until {until}
{key}  its key, for holdline's user alone
{authority}  what clients trust: it can sign for {all} and for nothing else
{authority_key}  its key, for the next certificate only: keep it off this machine if you can

1. holdline's configuration:

   [[gateway]]
   name = \"…\"
   listen = \"127.0.0.1:443\"
   tls_certificate = \"{certificate}\"
   tls_key = \"{key}\"
   # Only where {host} is the gateway's own name and holdline's machine has the entry of step 2:
   # upstream_address = \"the address of the real gateway\"

2. The client's machine, in /etc/hosts:

   {entry}

3. The client's trust:

   PHP     openssl.cafile and curl.cainfo = \"{authority}\" in php.ini
   Ruby    SSL_CERT_FILE={authority} in its environment
   Python  SSL_CERT_FILE={authority}, or REQUESTS_CA_BUNDLE for requests
   curl    --cacert {authority}, or CURL_CA_BUNDLE in its environment
   Java    keytool -importcert -noprompt -cacerts -alias holdline -file {authority}
   all     Debian: copy it to /usr/local/share/ca-certificates/holdline.crt and run
           update-ca-certificates

   The first four replace the issuers that the client trusts otherwise; the last two add to them.

For the next certificate move the first two files away and run this again: holdline takes the new
ones while it runs, and clients trust them already.
"
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    use super::*;
    use crate::certificates::{PairFiles, issuers};

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    fn hosts() -> Vec<String> {
        ["gateway.example", "127.0.0.1"].map(str::to_owned).to_vec()
    }

    #[test]
    fn a_pair_and_its_authority_are_made_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("tls");
        let (files, until) = make(&hosts(), &out, wall_clock()).unwrap();
        assert_eq!(until.len(), "2026-11-21".len());
        let pair = PairFiles {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
        };
        assert!(pair.read().is_ok());
        assert_eq!(issuers(&files.authority).unwrap().len(), 1);
        assert_eq!([mode(&files.key), mode(&files.authority_key)], [0o600; 2]);
        assert_eq!(mode(&out), 0o755);
        let before = std::fs::read(&files.certificate).unwrap();
        let refused = make(&hosts(), &out, wall_clock()).err().unwrap();
        assert!(matches!(refused, Error::IsThere(_)), "{refused}");
        assert_eq!(std::fs::read(&files.certificate).unwrap(), before);
    }

    #[test]
    fn the_next_certificate_comes_from_the_same_authority() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path();
        let (files, _) = make(&hosts(), out, wall_clock()).unwrap();
        let authority = std::fs::read(&files.authority).unwrap();
        for path in [&files.certificate, &files.key] {
            std::fs::remove_file(path).unwrap();
        }
        let later = wall_clock() + Duration::from_hours(300 * 24);
        let turned: Vec<String> = hosts().into_iter().rev().collect();
        make(&turned, out, later).unwrap();
        assert!(out.join("127.0.0.1.pem").exists());
        make(&hosts(), out, later).unwrap();
        assert_eq!(std::fs::read(&files.authority).unwrap(), authority);
        let others = ["other.example".to_owned()];
        let refused = make(&others, out, later).err().unwrap();
        assert!(matches!(refused, Error::Authority(_)), "{refused}");
        std::fs::remove_file(&files.authority_key).unwrap();
        let refused = make(&others, out, later).err().unwrap();
        assert!(matches!(refused, Error::NoKey { .. }), "{refused}");
        assert!(
            refused.to_string().contains("ca.key, is not there"),
            "{refused}"
        );
        write(&files.authority_key, "", SECRET).unwrap();
        let refused = make(&others, out, later).err().unwrap().to_string();
        assert!(refused.ends_with("ca.key: it is empty"), "{refused}");
        std::fs::remove_file(&files.authority).unwrap();
        let refused = make(&others, out, later).err().unwrap();
        assert!(matches!(refused, Error::NoAuthority { .. }), "{refused}");
        assert!(!out.join("other.example.pem").exists());
    }

    #[test]
    fn the_next_steps_are_told() {
        let files = Files::of(&hosts(), Path::new("/etc/holdline/tls"));
        insta::assert_snapshot!(instructions(&hosts(), &files, "2027-12-23"));
    }
}
