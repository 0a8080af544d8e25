//! A holdline: every room, built from the bottom up.
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::doors::{Door, control_socket, doors, listen, site};
use super::keeping::Keeping;
use super::learning::Learning;
use super::metrics::Metrics;
use super::pillars::Pillars;
use super::reloading::{Reloadable, Reloader};
use super::rules::{about, policy, read_policy};
use super::serving::Serving;
use super::stopping::Stopping;
use super::tls::GatewayTlsError;
use crate::config::Config;
use crate::control::{Desk, Socket};
use crate::drain::Drain;
use crate::exchange::{self, Flights, NoRandom, Recovered};
use crate::journal::{Journal, SystemDisk, Writer};
use crate::listener::{self, Evidence};
use crate::live::Live;
use crate::message::Budget;
use crate::polling::Schedules;
use crate::proxy::{self, Site};
use crate::results::Results;
use crate::telemetry::{Levels, Seldom};
use crate::timing::{Clock, Stamps};
use crate::{admin, control, journal};

/// Why holdline did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A listener's address cannot be bound.
    #[error("failed to listen on {address} ({key})")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The key that it stands under.
        key: &'static str,
        /// The system's words.
        source: io::Error,
    },
    /// TLS to a gateway.
    #[error("failed to prepare calls to gateway {gateway}")]
    GatewayTls {
        /// The gateway.
        gateway: String,
        /// What is wrong with its files.
        source: Box<GatewayTlsError>,
    },
    /// The certificates of a listener.
    #[error("failed to serve TLS on {address}")]
    Certificates {
        /// The listener.
        address: SocketAddr,
        /// What is wrong with its files.
        source: Box<listener::Error>,
    },
    /// The system's random numbers.
    #[error(transparent)]
    Random(#[from] NoRandom),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] journal::OpenError),
    /// The control socket.
    #[error("failed to listen on the control socket {}", path.display())]
    Control {
        /// Where it should be.
        path: PathBuf,
        /// Why it is not.
        source: control::SocketError,
    },
}

/// How a holdline ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was told to stop.
    AsTold,
    /// A part of it ended by itself, which should never be.
    Fallen,
    /// However it was, the disk did not take what was written last: an answer that was given, and
    /// that its client did not acknowledge, may be lost.
    Owing,
}

/// A holdline that listens.
pub struct App {
    clock: Clock,
    drain: Drain,
    flights: Flights,
    proxies: Vec<Door>,
    admin: (TcpListener, admin::Service),
    accepting: admin::Listeners,
    journal: Option<(Journal, Writer)>,
    /// Absent where nothing outlives the process.
    learning: Option<Learning>,
    control: Option<(Socket, Desk)>,
    listener_metrics: listener::Metrics,
    rooms: Reloadable,
    reloader: Reloader,
}

/// What the rooms are built on.
struct Ground<'a> {
    config: &'a Config,
    clock: Clock,
    drain: Drain,
    metrics: Metrics,
    levels: Option<Levels>,
}

impl App {
    /// Builds every room, reads the journal and binds every listener; nothing is served yet. The
    /// log is somebody else's.
    pub fn build(config: Config) -> Result<Self, Error> {
        Self::with_log(config, None)
    }

    /// The same, for a process whose log has `levels`: a reload changes them, and so does the
    /// operator over the control socket.
    pub fn with_log(config: Config, levels: Option<Levels>) -> Result<Self, Error> {
        let ground = Ground {
            config: &config,
            clock: Clock::start(),
            drain: Drain::new(),
            metrics: Metrics::default(),
            levels,
        };
        let (clock, metrics) = (ground.clock, &ground.metrics);
        let stamps = Stamps::of_this_system(clock);
        let keeping = Keeping::open(&config, clock, stamps, &metrics.journal)?;
        let rooms = ground.rooms(&keeping, stamps);
        let learning = ground.learning(&rooms);
        let (sites, rooms) = ground.sites(rooms)?;
        let gateways: Vec<_> = sites.values().flatten().map(gateway_of).collect();
        let flights = rooms.flights.clone();
        let recovered = flights.recover(keeping.past, &gateways);
        tell_recovered(recovered);
        let journal = keeping.journal.as_ref().map(|(journal, _)| journal.clone());
        let accepting = admin::Listeners::default();
        let service = ground.operators_service(&rooms, journal.clone(), accepting.clone());
        // Clients come last: whoever is answered can also be asked about.
        let control = control_socket(&config)?.map(|socket| {
            let levels = ground.levels.clone();
            (
                socket,
                Desk::running(journal, flights.clone(), levels, stamps),
            )
        });
        let admin = (listen(config.admin.listen, "admin.listen")?, service);
        let proxies = doors(sites, &rooms.proxy, &config, &metrics.listener)?;
        let rooms = Reloadable {
            keyrings: proxies.iter().filter_map(Door::keyring).collect(),
            ..rooms
        };
        let reloads = metrics.reloads.clone();
        Ok(Self {
            clock,
            drain: ground.drain.clone(),
            flights,
            admin,
            accepting,
            proxies,
            journal: keeping.journal,
            learning,
            control,
            listener_metrics: ground.metrics.listener,
            reloader: Reloader::new(rooms.clone(), ground.drain, reloads, config),
            rooms,
        })
    }

    /// Where the gateways' listeners are; a port 0 of the configuration is a real one here.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.proxies
            .iter()
            .filter_map(|door| door.listener.local_addr().ok())
            .collect()
    }

    /// Where the operator's listener is.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.0.local_addr().ok()
    }

    /// The exchanges, for whoever runs holdline inside another program.
    pub fn flights(&self) -> &Flights {
        &self.flights
    }

    /// What takes a changed configuration over while it runs.
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    fn tell_addresses(&self) {
        for door in &self.proxies {
            let (address, tls) = (door.listener.local_addr(), door.keyring.is_some());
            if let Ok(address) = address {
                tracing::info!(%address, tls, "listening for clients");
            }
        }
        if let Some(address) = self.admin_address() {
            tracing::info!(%address, "listening for the operator");
        }
    }

    /// Serves until `stop` returns, then drains; `hurry` ends the drain before its time. Should a part
    /// end before that without which nothing goes on, it drains as well: what is held may end, and
    /// whoever started the process starts it anew.
    pub async fn run(
        self,
        stop: impl Future<Output = ()> + Send,
        hurry: impl Future<Output = ()> + Send,
    ) -> Ending {
        let serving = Serving {
            config: self.rooms.listener.clone(),
            clock: self.clock,
            evidence: Evidence::of_this_system(),
        };
        self.tell_addresses();
        let Self {
            clock,
            drain,
            flights,
            learning,
            listener_metrics: clients,
            ..
        } = self;
        // Exchanges write until their end, and the operator may ask until the very last: what serves
        // both has a drain of its own.
        let (last, mut pillars) = (Drain::new(), Pillars::default());
        let journal = self.journal.map(|(journal, writer)| {
            pillars.add("the journal's writer", last.spawn(writer.run()));
            journal
        });
        if let Some(learning) = learning.clone() {
            // Nothing else depends on it.
            drop(last.spawn(learning.run(clock, last.clone())));
        }
        let accepting = serving.clients(self.proxies, &clients, &drain, &mut pillars);
        self.accepting.are(accepting);
        serving.operators(self.admin, &last, &mut pillars);
        if let Some((socket, desk)) = self.control {
            let serving = control::serve(socket, desk, last.clone());
            pillars.add("the control socket", last.spawn(serving));
        }
        let ending = first_of(stop, pillars).await;
        let stopping = Stopping {
            clock,
            drain,
            flights,
            held: self.rooms.proxy.metrics.clone(),
            clients,
            journal,
        };
        let config = self.rooms.drain.now();
        let is_written = stopping.drain(&config, hurry).await;
        if let Some(learning) = learning {
            learning.close(clock).await;
        }
        last.begin();
        last.end();
        if is_written { ending } else { Ending::Owing }
    }
}

impl Ground<'_> {
    /// The rooms that exchanges go through, as yet without a gateway.
    fn rooms(&self, keeping: &Keeping, stamps: Stamps) -> Reloadable {
        let config = self.config;
        let is_durable = keeping.recorder.is_durable();
        let policy = policy(config, is_durable);
        let polling = config.polling.clone();
        let metrics = self.metrics.polling.clone();
        let schedules = Schedules::new(polling, config.proxy.hold, metrics);
        let read_policy = read_policy(&policy, &schedules);
        let flights = Flights::new(exchange::Parts {
            config: config.exchange.clone(),
            policy,
            hash_key: keeping.hash_key.clone(),
            clock: self.clock,
            stamps,
            drain: self.drain.clone(),
            recorder: Arc::clone(&keeping.recorder),
            results: Arc::new(Results::new(config.results.clone())),
            metrics: self.metrics.exchange.clone(),
            schedules: schedules.clone(),
        });
        let proxy = proxy::Parts {
            config: Live::new(config.proxy.clone()),
            flights: flights.clone(),
            read_policy: Live::new(read_policy),
            clock: self.clock,
            drain: self.drain.clone(),
            metrics: self.metrics.proxy.clone(),
            relay_failures: Seldom::default(),
            bodies: Budget::new(config.proxy.bodies),
        };
        Reloadable {
            flights,
            schedules,
            proxy: Arc::new(proxy),
            listener: Live::new(config.listener.clone()),
            drain: Live::new(config.drain.clone()),
            about: Live::new(about(config)),
            clients: Vec::new(),
            keyrings: Vec::new(),
            levels: self.levels.clone(),
            is_durable,
        }
    }

    /// What polling learned before, and where it is kept from now on.
    fn learning(&self, rooms: &Reloadable) -> Option<Learning> {
        let journal = self.config.journal.file()?;
        let schedules = rooms.schedules.clone();
        let learning = Learning::beside(Arc::new(SystemDisk), journal, schedules);
        let gateways = &self.config.gateways;
        learning.restore(|name| gateways.iter().any(|gateway| gateway.name == name));
        Some(learning)
    }

    /// The gateways by the listener that they share, and the rooms with the way to each.
    fn sites(
        &self,
        mut rooms: Reloadable,
    ) -> Result<(BTreeMap<SocketAddr, Vec<Site>>, Reloadable), Error> {
        let mut sites: BTreeMap<SocketAddr, Vec<Site>> = BTreeMap::new();
        for gateway in &self.config.gateways {
            let upstream = &self.config.upstream;
            let metrics = &self.metrics.upstream;
            let site = site(gateway, upstream, self.clock, &self.drain, metrics)?;
            rooms.clients.push(site.gateway.client.clone());
            sites.entry(gateway.listen).or_default().push(site);
        }
        Ok((sites, rooms))
    }

    fn operators_service(
        &self,
        rooms: &Reloadable,
        journal: Option<Journal>,
        listeners: admin::Listeners,
    ) -> admin::Service {
        admin::Service::new(admin::Parts {
            registry: self.metrics.registry(rooms, self.clock, journal.is_some()),
            flights: rooms.flights.clone(),
            clock: self.clock,
            drain: self.drain.clone(),
            journal,
            listeners,
            about: rooms.about.clone(),
        })
    }
}

/// Tells what an earlier process left, if it left anything.
fn tell_recovered(recovered: Recovered) {
    if recovered == Recovered::default() {
        return;
    }
    let Recovered {
        waiting,
        undelivered,
        in_doubt,
        facts,
    } = recovered;
    tracing::info!(
        waiting,
        undelivered,
        in_doubt,
        facts,
        "took over the exchanges of an earlier process"
    );
}

/// Returns once the process is to stop, and why.
async fn first_of(stop: impl Future<Output = ()>, mut pillars: Pillars) -> Ending {
    tokio::select! {
        () = stop => Ending::AsTold,
        part = pillars.fallen() => {
            tracing::error!(part, "a part has ended without which nothing goes on: stopping");
            Ending::Fallen
        }
    }
}

fn gateway_of(site: &Site) -> Arc<exchange::Gateway> {
    Arc::clone(&site.gateway)
}
