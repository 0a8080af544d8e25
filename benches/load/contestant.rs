//! Who stands between the clients and the gateway: holdline as it may be set, and its peers.
use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::Failure;
use crate::machine;
use crate::process::Process;

/// Everybody who does not learn polls this often.
pub(crate) const INTERVAL: Duration = Duration::from_millis(500);

/// One who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contestant {
    NginxLua,
    HaproxyLua,
    Node,
    Holdline {
        journal: bool,
        learned: bool,
    },
    /// The same with nothing converted.
    HoldlineRelay,
    NginxRelay,
    HaproxyRelay,
}

/// Where a contestant works.
pub(crate) struct Place<'a> {
    pub(crate) holdline: &'a Path,
    /// Where its files may be; a directory of its own is made here.
    pub(crate) scratch: &'a Path,
    pub(crate) upstream: SocketAddr,
    /// A certificate and its key, if clients are to speak TLS.
    pub(crate) pair: Option<&'a Pair>,
    /// `polling.price`, if it is not the default.
    pub(crate) price: Option<&'a str>,
}

/// What `holdline cert` makes.
pub(crate) struct Pair {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) authority: PathBuf,
}

/// A contestant at work; it ends when this is dropped.
pub(crate) struct Running {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    _directory: TempDir,
}

impl Contestant {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::NginxLua => "nginx + Lua",
            Self::HaproxyLua => "HAProxy + Lua",
            Self::Node => "Node",
            Self::Holdline {
                journal: false,
                learned: false,
            } => "holdline, fixed, in memory",
            Self::Holdline {
                journal: true,
                learned: false,
            } => "holdline, fixed, journal",
            Self::Holdline {
                journal: false,
                learned: true,
            } => "holdline, learned, in memory",
            Self::Holdline {
                journal: true,
                learned: true,
            } => "holdline, learned, journal",
            Self::HoldlineRelay => "holdline",
            Self::NginxRelay => "nginx",
            Self::HaproxyRelay => "HAProxy",
        }
    }

    /// What keeps it from being measured here: a program or a package that is missing.
    pub(crate) fn missing(self) -> Option<&'static str> {
        let module = Path::new("/usr/lib/nginx/modules/ngx_http_lua_module.so");
        let there = |program, flag| machine::version(program, flag).is_some();
        match self {
            Self::NginxLua if !there("nginx", "-v") || !module.exists() => {
                Some("nginx, libnginx-mod-http-lua and lua-cjson")
            }
            Self::NginxRelay if !there("nginx", "-v") => Some("nginx"),
            Self::HaproxyLua | Self::HaproxyRelay if !there("haproxy", "-v") => Some("haproxy"),
            Self::Node if !there("node", "--version") => Some("nodejs"),
            Self::NginxLua
            | Self::HaproxyLua
            | Self::Node
            | Self::Holdline { .. }
            | Self::HoldlineRelay
            | Self::NginxRelay
            | Self::HaproxyRelay => None,
        }
    }

    /// Starts it, and waits until it accepts connections.
    pub(crate) async fn start(self, place: &Place<'_>) -> Result<Running, Failure> {
        let directory = tempfile::tempdir_in(place.scratch)?;
        let address = free_address()?;
        let mut command = self.command(place, directory.path(), address)?;
        let mut process = Process::start(&mut command, directory.path())?;
        let name = self.name();
        process
            .ready(address)
            .await
            .map_err(|why| format!("failed to start {name}: {why}"))?;
        tokio::time::sleep(self.settles()).await;
        Ok(Running {
            process,
            address,
            _directory: directory,
        })
    }

    /// How long its start goes on after connections are accepted: workers come after their master.
    const fn settles(self) -> Duration {
        match self {
            Self::NginxLua | Self::NginxRelay | Self::Node => Duration::from_millis(800),
            Self::HaproxyLua | Self::HaproxyRelay | Self::Holdline { .. } | Self::HoldlineRelay => {
                Duration::from_millis(100)
            }
        }
    }

    fn command(
        self,
        place: &Place<'_>,
        directory: &Path,
        address: SocketAddr,
    ) -> Result<Command, Failure> {
        let write = |name: &str, template: &str| {
            let path = directory.join(name);
            fs::write(&path, filled(template, place, directory, address)).map(|()| path)
        };
        let mut command = match self {
            Self::NginxLua | Self::NginxRelay => Command::new("nginx"),
            Self::HaproxyLua | Self::HaproxyRelay => Command::new("haproxy"),
            Self::Node => Command::new("node"),
            Self::Holdline { .. } | Self::HoldlineRelay => Command::new(place.holdline),
        };
        match self {
            Self::NginxLua => {
                let path = write("nginx.conf", include_str!("../peers/nginx-lua.conf"))?;
                command.arg("-c").arg(path);
            }
            Self::NginxRelay => {
                let path = write("nginx.conf", include_str!("../peers/nginx-relay.conf"))?;
                command.arg("-c").arg(path);
            }
            Self::HaproxyLua => {
                write("haproxy.lua", include_str!("../peers/haproxy.lua"))?;
                let path = write("haproxy.cfg", include_str!("../peers/haproxy-lua.cfg"))?;
                command.arg("-db").arg("-f").arg(path);
            }
            Self::HaproxyRelay => {
                let path = write("haproxy.cfg", include_str!("../peers/haproxy-relay.cfg"))?;
                command.arg("-db").arg("-f").arg(path);
            }
            Self::Node => {
                let path = write("node.mjs", include_str!("../peers/node.mjs"))?;
                command.arg(path).arg(address.to_string());
                command.arg(place.upstream.to_string());
                command.arg(INTERVAL.as_millis().to_string());
            }
            Self::Holdline { .. } | Self::HoldlineRelay => {
                let path = write("holdline.toml", &self.configuration(place))?;
                command.args(["run", "--config"]).arg(path);
            }
        }
        Ok(command)
    }

    /// The configuration of holdline: its defaults, but for what is measured.
    fn configuration(self, place: &Place<'_>) -> String {
        let mut text = "[[gateway]]\nname = \"bench\"\nlisten = \"@LISTEN@\"\n\
             upstream = \"http://@UPSTREAM@\"\n"
            .to_owned();
        if let Some(pair) = place.pair {
            let (certificate, key) = (pair.certificate.display(), pair.key.display());
            let _infallible = writeln!(
                text,
                "tls_certificate = [\"{certificate}\"]\ntls_key = [\"{key}\"]"
            );
        }
        let (journal, learned) = match self {
            Self::Holdline { journal, learned } => (journal, learned),
            Self::NginxLua
            | Self::HaproxyLua
            | Self::Node
            | Self::HoldlineRelay
            | Self::NginxRelay
            | Self::HaproxyRelay => (false, false),
        };
        if self == Self::HoldlineRelay {
            text.push_str("[routes]\npayments = \"relay\"\n");
        }
        let schedule = if learned { "learned" } else { "fixed" };
        let _infallible = write!(
            text,
            "[polling]\nschedule = \"{schedule}\"\ninterval = \"@MILLISECONDS@ms\"\n"
        );
        if let Some(price) = place.price {
            let _infallible = writeln!(text, "price = \"{price}\"");
        }
        let _infallible = write!(
            text,
            "[journal]\nin_memory = {}\npath = \"@DIRECTORY@/holdline.redb\"\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n[log]\nlevel = \"warn\"\n",
            !journal
        );
        text
    }
}

/// A template with everything that it leaves open.
fn filled(template: &str, place: &Place<'_>, directory: &Path, address: SocketAddr) -> String {
    let certificate = place.pair.map(|pair| {
        format!(
            "ssl_certificate {};\n        ssl_certificate_key {};",
            pair.certificate.display(),
            pair.key.display()
        )
    });
    template
        .replace("@LISTEN@", &address.to_string())
        .replace("@UPSTREAM@", &place.upstream.to_string())
        .replace("@DIRECTORY@", &directory.display().to_string())
        .replace("@INTERVAL@", &INTERVAL.as_secs_f64().to_string())
        .replace("@MILLISECONDS@", &INTERVAL.as_millis().to_string())
        .replace("@TLS@", if place.pair.is_some() { "ssl" } else { "" })
        .replace("@CERTIFICATE@", &certificate.unwrap_or_default())
}

/// An address that nobody listens at. It may be taken before it is used; then the start fails.
pub(crate) fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
