//! The configuration read again while everything runs: all that can fail first, then every room in
//! one turn of the runtime, so that nobody sees half of it.
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::Mutex;

use super::Error;
use super::metrics::Reloads;
use super::rules::{about, policy, read_policy};
use super::tls;
use crate::certificates::PairFiles;
use crate::config::{self, Change, Config, Faults, Reloaded, Resolved};
use crate::drain::Drain;
use crate::exchange::Flights;
use crate::listener::{Certificates, Keyring};
use crate::live::Live;
use crate::polling::Schedules;
use crate::telemetry::{Capped, Filter, Levels, counted, with_causes};
use crate::timing::wall_clock;
use crate::upstream::{Client, Connector};
use crate::{admin, drain, listener, proxy};

/// Everything that takes other settings while it works. A room that is to be reloaded is named here,
/// has its part of [`Prepared`] where reading it may fail, and takes it in [`Reloadable::take_over`].
#[derive(Clone)]
pub(super) struct Reloadable {
    pub(super) flights: Flights,
    pub(super) schedules: Schedules,
    pub(super) proxy: Arc<proxy::Parts>,
    pub(super) listener: Live<listener::Config>,
    pub(super) drain: Live<drain::Config>,
    /// What the operator's page shows.
    pub(super) about: Live<admin::About>,
    /// The way to each gateway, in the order of the configuration.
    pub(super) clients: Vec<Client>,
    /// The certificates of each listener that speaks TLS.
    pub(super) keyrings: Vec<(SocketAddr, Keyring)>,
    /// Absent where the log is somebody else's.
    pub(super) levels: Option<Levels>,
    /// True if records outlive the process.
    pub(super) is_durable: bool,
}

/// What a reload has read besides the configuration itself.
struct Prepared {
    /// With the issuers that are trusted from now on, for each gateway; none where those of before stay.
    connectors: Vec<Option<Connector>>,
    certificates: Vec<(SocketAddr, Certificates)>,
    filter: Filter,
}

impl Prepared {
    /// Reads every file that the configuration names. What it names no more may be gone, or broken.
    fn read(reloaded: &Reloaded, keyrings: &[(SocketAddr, Keyring)]) -> Result<Self, Refused> {
        let config = &reloaded.resolved.config;
        let gateways = || config.gateways.iter().zip(&reloaded.named);
        let connectors = gateways().map(|(gateway, named)| {
            let connector = named.origin.then(|| tls::connector(gateway));
            connector.transpose()
        });
        let mut certificates = Vec::new();
        for (address, keyring) in keyrings {
            let here = gateways().filter(|(it, named)| it.listen == *address && named.clients);
            let named = here.filter_map(|(gateway, _)| gateway.tls.as_ref());
            let named: Vec<&PairFiles> = named.flat_map(|tls| &tls.pairs).collect();
            if !named.is_empty() {
                let kept = keyring.kept(|pair| !named.contains(&pair));
                certificates.extend(tls::renewed(config, *address, kept)?);
            }
        }
        Ok(Self {
            connectors: connectors.collect::<Result<_, Error>>()?,
            certificates,
            filter: Filter::parse(&config.log.level).map_err(Refused::Level)?,
        })
    }
}

impl Reloadable {
    /// Puts a configuration in force in every room. Nothing here waits or fails.
    fn take_over(&self, config: &Config, prepared: Prepared) {
        let policy = policy(config, self.is_durable);
        let read_policy = read_policy(&policy, &self.schedules);
        let polling = config.polling.clone();
        self.schedules.reconfigure(polling, config.proxy.hold);
        self.flights.reconfigure(config.exchange.clone(), policy);
        self.proxy.read_policy.replace(read_policy);
        self.proxy.bodies.resize(config.proxy.bodies);
        self.proxy.config.replace(config.proxy.clone());
        self.listener.replace(config.listener.clone());
        self.drain.replace(config.drain.clone());
        self.about.replace(about(config));
        for (client, connector) in self.clients.iter().zip(prepared.connectors) {
            client.reconfigure(config.upstream.clone(), connector);
        }
        for (address, certificates) in prepared.certificates {
            let mut keyrings = self.keyrings.iter();
            if let Some((_, keyring)) = keyrings.find(|(its, _)| *its == address) {
                keyring.replace(certificates);
            }
        }
        for (_, keyring) in &self.keyrings {
            keyring.expose();
        }
        let changed = self
            .levels
            .as_ref()
            .map(|levels| levels.change(prepared.filter));
        if let Some(Err(why)) = changed {
            tracing::error!(why, "failed to change the log's level");
        }
    }
}

/// Why a reload changes nothing; the text completes "the configuration is refused: …".
#[derive(Debug, thiserror::Error)]
enum Refused {
    /// What was read has faults.
    #[error("{}", counted(.0.len(), "fault"))]
    Faults(Faults),
    /// A part of it does not go with what waits for a restart.
    #[error("{} together with keys that wait for a restart", counted(.0.len(), "fault"))]
    Mixture(Faults),
    /// A file that it names.
    #[error(transparent)]
    Room(#[from] Error),
    /// `log.level`.
    #[error("log.level {0}")]
    Level(String),
    /// The reading did not end.
    #[error("it could not be read to its end")]
    Unread,
    /// What the stop goes by was reckoned with the old one.
    #[error("holdline stops")]
    Stopping,
}

impl Refused {
    const fn faults(&self) -> Option<&Faults> {
        match self {
            Self::Faults(faults) | Self::Mixture(faults) => Some(faults),
            Self::Room(_) | Self::Level(_) | Self::Unread | Self::Stopping => None,
        }
    }
}

/// What came of a reload, in words for whoever asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// The whole of it is in force.
    Applied {
        /// How many keys have another value than before.
        changed: usize,
    },
    /// It is in force but for what needs a restart.
    Partly {
        /// How many keys have another value than before.
        changed: usize,
        /// How many wait.
        waiting: usize,
    },
    /// Nothing has changed.
    Refused,
}

impl fmt::Display for Reload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Applied { changed } => {
                write!(formatter, "reloaded: {} changed", counted(*changed, "key"))
            }
            Self::Partly { changed, waiting } => {
                let changed = counted(*changed, "key");
                let wait = if *waiting == 1 { "waits" } else { "wait" };
                write!(
                    formatter,
                    "reloaded: {changed} changed, {waiting} {wait} for a restart"
                )
            }
            Self::Refused => formatter.write_str("reload refused: the old configuration stays"),
        }
    }
}

/// Reloads a running holdline; clones are the same.
#[derive(Clone)]
pub struct Reloader(Arc<Inner>);

struct Inner {
    rooms: Reloadable,
    stop: Drain,
    metrics: Reloads,
    /// What is in force; held during a reload, so that there is one at a time.
    in_force: Mutex<Config>,
}

impl Reloader {
    pub(super) fn new(rooms: Reloadable, stop: Drain, metrics: Reloads, in_force: Config) -> Self {
        metrics.begin(wall_clock());
        Self(Arc::new(Inner {
            rooms,
            stop,
            metrics,
            in_force: Mutex::new(in_force),
        }))
    }

    /// Reads the configuration again, which may block, and puts it in force unless anything in it is
    /// wrong or the process is stopping by then. What came of it is told in the log, key by key.
    pub async fn reload(
        &self,
        read: impl FnOnce() -> Result<Resolved, Faults> + Send + 'static,
    ) -> Reload {
        let mut in_force = self.0.in_force.lock().await;
        tracing::info!("reading the configuration again");
        let (before, keyrings) = (in_force.clone(), self.0.rooms.keyrings.clone());
        let reading = tokio::task::spawn_blocking(move || prepare(&before, &keyrings, read));
        let reload = match reading.await {
            Ok(Ok(_)) if self.0.stop.is_draining() => refuse(&Refused::Stopping),
            Ok(Ok((reloaded, prepared))) => {
                self.0.rooms.take_over(&reloaded.resolved.config, prepared);
                tell(&reloaded);
                *in_force = reloaded.resolved.config;
                let changed = reloaded.changed.len();
                match reloaded.waiting.len() {
                    0 => Reload::Applied { changed },
                    waiting => Reload::Partly { changed, waiting },
                }
            }
            Ok(Err(why)) => refuse(&why),
            Err(_) => refuse(&Refused::Unread),
        };
        self.0.metrics.reloaded(reload, wall_clock());
        tracing::info!("{reload}");
        reload
    }
}

fn prepare(
    in_force: &Config,
    keyrings: &[(SocketAddr, Keyring)],
    read: impl FnOnce() -> Result<Resolved, Faults>,
) -> Result<(Reloaded, Prepared), Refused> {
    let read = read().map_err(Refused::Faults)?;
    let reloaded = config::reload(in_force, read).map_err(Refused::Mixture)?;
    let prepared = Prepared::read(&reloaded, keyrings)?;
    Ok((reloaded, prepared))
}

fn tell(reloaded: &Reloaded) {
    for warning in &reloaded.resolved.warnings {
        tracing::warn!("{warning}");
    }
    for Change { key, from, to } in &reloaded.changed {
        tracing::info!(key, from = %Capped(from), to = %Capped(to), "in force from now on");
    }
    for Change { key, from, to } in &reloaded.waiting {
        let note = config::read_already(key);
        tracing::warn!(key, still = %Capped(from), written = %Capped(to), note, "needs a restart");
    }
}

fn refuse(why: &Refused) -> Reload {
    for fault in why.faults().into_iter().flat_map(Faults::iter) {
        tracing::error!("{fault}");
    }
    tracing::error!(
        error = with_causes(why),
        "the configuration is refused, and the one in force stays"
    );
    Reload::Refused
}
