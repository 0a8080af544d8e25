//! A holdline: every room, built from the bottom up.
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use super::keeping::Keeping;
use super::metrics::Metrics;
use super::stopping::Stopping;
use crate::config::{Config, Gateway};
use crate::control::{Desk, Socket};
use crate::drain::Drain;
use crate::exchange::machine::Policy;
use crate::exchange::{self, Flights, NoRandom, ReadPolicy, Recovered};
use crate::journal::{Journal, Writer};
use crate::listener::{self, Evidence, Server, bind};
use crate::polling::{Backoff, Schedule};
use crate::proxy::{self, Proxy, Site};
use crate::results::Results;
use crate::timing::{Clock, Stamp, Stamps};
use crate::upstream::{self, CaFileError, Client, Connector, PlatformRootsError, TlsConfig};
use crate::{admin, control, journal, protocol};

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
    /// The CA file of a gateway.
    #[error("failed to trust the CA file of gateway {gateway}")]
    CaFile {
        /// The gateway.
        gateway: String,
        /// What is wrong with the file.
        source: CaFileError,
    },
    /// The system's certificate roots.
    #[error("failed to read the system's certificate roots")]
    PlatformRoots(#[from] PlatformRootsError),
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

/// A holdline that listens.
pub struct App {
    clock: Clock,
    drain: Drain,
    drain_timeout: Duration,
    flights: Flights,
    proxies: Vec<(TcpListener, Proxy)>,
    admin: (TcpListener, admin::Service),
    journal: Option<(Journal, Writer)>,
    control: Option<(Socket, Desk)>,
    listener: listener::Config,
    listener_metrics: listener::Metrics,
}

impl App {
    /// Builds every room, reads the journal and binds every listener; nothing is served yet.
    pub fn build(config: Config) -> Result<Self, Error> {
        let clock = Clock::start();
        let drain = Drain::new();
        let metrics = Metrics::default();
        let stamps = Stamps::new(clock, Stamp::of_this_system());
        let keeping = Keeping::open(&config, clock, stamps, &metrics.journal)?;
        let policy = policy(&config, keeping.recorder.is_durable());
        let read_policy = ReadPolicy {
            schedule: policy.schedule,
            backoff: policy.backoff,
            unknown_grace: policy.unknown_grace,
        };
        let flights = Flights::new(exchange::Parts {
            config: config.exchange.clone(),
            policy,
            hash_key: keeping.hash_key,
            clock,
            stamps,
            drain: drain.clone(),
            recorder: keeping.recorder,
            results: Arc::new(Results::new(config.results.clone())),
            metrics: metrics.exchange.clone(),
        });
        let shared = Arc::new(proxy::Parts {
            config: config.proxy.clone(),
            flights: flights.clone(),
            read_policy,
            clock,
            metrics: metrics.proxy.clone(),
        });
        let mut sites: BTreeMap<SocketAddr, Vec<Site>> = BTreeMap::new();
        for gateway in &config.gateways {
            let site = site(gateway, &config.upstream, clock, &drain, &metrics.upstream)?;
            sites.entry(gateway.listen).or_default().push(site);
        }
        let gateways: Vec<_> = sites.values().flatten().map(gateway_of).collect();
        let recovered = flights.recover(keeping.past, &gateways);
        if recovered != Recovered::default() {
            tracing::info!(?recovered, "exchanges of before the start");
        }
        let journal = keeping.journal.as_ref().map(|(journal, _)| journal.clone());
        let service = admin::Service::new(admin::Parts {
            registry: metrics.registry(journal.is_some()),
            flights: flights.clone(),
            clock,
            drain: drain.clone(),
            journal: journal.clone(),
        });
        // Clients come last: whoever is answered can also be asked about.
        let control = control_socket(&config)?
            .map(|socket| (socket, Desk::running(journal, flights.clone(), stamps)));
        let admin = (listen(config.admin.listen, "admin.listen")?, service);
        Ok(Self {
            clock,
            drain,
            drain_timeout: config.drain.timeout,
            flights,
            admin,
            proxies: doors(sites, &shared)?,
            journal: keeping.journal,
            control,
            listener: config.listener,
            listener_metrics: metrics.listener,
        })
    }

    /// Where the gateways' listeners are; a port 0 of the configuration is a real one here.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.proxies
            .iter()
            .filter_map(|(listener, _)| listener.local_addr().ok())
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

    /// Serves until `stop` returns, then drains; `hurry` ends the drain before its time.
    pub async fn run(
        self,
        stop: impl Future<Output = ()> + Send,
        hurry: impl Future<Output = ()> + Send,
    ) {
        let evidence = Evidence::of_this_system();
        for address in self.addresses() {
            tracing::info!(%address, "listening for clients");
        }
        if let Some(address) = self.admin_address() {
            tracing::info!(%address, "listening for the operator");
        }
        let Self {
            clock,
            drain,
            flights,
            listener_metrics: clients,
            ..
        } = self;
        let server = |metrics: &listener::Metrics, drain: &Drain| Server {
            config: self.listener.clone(),
            clock,
            drain: drain.clone(),
            metrics: metrics.clone(),
            evidence,
        };
        // Exchanges write until their end, and the operator may ask until the very last: what serves
        // both has a drain of its own.
        let last = Drain::new();
        let journal = self.journal.map(|(journal, writer)| {
            last.spawn(writer.run());
            journal
        });
        for (listener, proxy) in self.proxies {
            drain.spawn(server(&clients, &drain).run(listener, proxy));
        }
        // Who scrapes is no client, so its connections are counted nowhere.
        let (listener, service) = self.admin;
        last.spawn(server(&listener::Metrics::default(), &last).run(listener, service));
        if let Some((socket, desk)) = self.control {
            last.spawn(control::serve(socket, desk, last.clone()));
        }
        stop.await;
        let stopping = Stopping {
            clock,
            drain,
            flights,
            clients,
            journal,
        };
        stopping.drain(self.drain_timeout, hurry).await;
        last.begin(clock.now());
        last.end();
    }
}

fn policy(config: &Config, durable: bool) -> Policy {
    Policy {
        submit_start: config.exchange.submit_start,
        submit_timeout: config.exchange.submit_timeout,
        resubmits: config.exchange.resubmits,
        unknown_grace: config.polling.unknown_grace,
        retention: config.results.retention,
        reclaim: config.exchange.reclaim,
        poll_timeout: config.upstream.answer_timeout,
        schedule: Schedule::new(&config.polling),
        backoff: Backoff::new(&config.polling),
        durable,
    }
}

fn gateway_of(site: &Site) -> Arc<exchange::Gateway> {
    Arc::clone(&site.gateway)
}

fn site(
    gateway: &Gateway,
    config: &upstream::Config,
    clock: Clock,
    drain: &Drain,
    metrics: &upstream::Metrics,
) -> Result<Site, Error> {
    Ok(Site {
        hosts: gateway
            .hosts
            .iter()
            .map(|host| host.as_str().to_owned())
            .collect(),
        gateway: Arc::new(exchange::Gateway {
            name: gateway.name.clone().into(),
            profile: &protocol::BEGATEWAY,
            client: client(gateway, config, clock, drain, metrics)?,
        }),
    })
}

/// The calls to a gateway, as its configuration has them.
pub fn client(
    gateway: &Gateway,
    config: &upstream::Config,
    clock: Clock,
    drain: &Drain,
    metrics: &upstream::Metrics,
) -> Result<Client, Error> {
    let connector =
        match &gateway.ca_file {
            _ if !gateway.origin.is_tls() => Connector::network_without_tls(),
            None => Connector::network(TlsConfig::platform()?),
            Some(path) => Connector::network(TlsConfig::from_ca_file(path).map_err(|source| {
                Error::CaFile {
                    gateway: gateway.name.clone(),
                    source,
                }
            })?),
        };
    Ok(Client::new(
        gateway.origin.clone(),
        connector,
        config.clone(),
        clock,
        drain.clone(),
        metrics.clone(),
    ))
}

fn doors(
    sites: BTreeMap<SocketAddr, Vec<Site>>,
    shared: &Arc<proxy::Parts>,
) -> Result<Vec<(TcpListener, Proxy)>, Error> {
    sites
        .into_iter()
        .map(|(address, sites)| {
            let listener = listen(address, "gateway.listen")?;
            Ok((listener, Proxy::new(Arc::clone(shared), sites.into())))
        })
        .collect()
}

fn listen(address: SocketAddr, key: &'static str) -> Result<TcpListener, Error> {
    bind(address).map_err(|source| Error::Bind {
        address,
        key,
        source,
    })
}

fn control_socket(config: &Config) -> Result<Option<Socket>, Error> {
    let journal = (!config.journal.in_memory).then_some(config.journal.path.as_path());
    let Some(path) = config.control.path(journal) else {
        return Ok(None);
    };
    match Socket::bind(&path) {
        Ok(socket) => Ok(Some(socket)),
        Err(source) => Err(Error::Control { path, source }),
    }
}
