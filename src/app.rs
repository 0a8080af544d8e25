//! The process from its configuration to its end: built bottom-up, run, drained top-down.
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use rustls::crypto::aws_lc_rs;
use tokio::net::TcpListener;

use crate::config::{Config, Gateway};
use crate::drain::Drain;
use crate::exchange::machine::Policy;
use crate::exchange::{self, Flight, Flights, HashKey, NoRandom, ReadPolicy, Recorder};
use crate::listener::{self, Evidence, Server, bind};
use crate::polling::{Backoff, Schedule};
use crate::proxy::{self, Proxy, Site, Sites};
use crate::results::Results;
use crate::timing::{Clock, Moment, Stamp, Stamps};
use crate::upstream::{self, CaFileError, Client, Connector, PlatformRootsError, TlsConfig};
use crate::{admin, protocol};

/// How long the last answers may take to leave once everything else has ended.
const LAST_ANSWERS: Duration = Duration::from_secs(3);

/// How often a drain looks whether anything still runs.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

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
}

/// A holdline that listens.
pub struct App {
    clock: Clock,
    drain: Drain,
    drain_timeout: Duration,
    flights: Flights,
    proxies: Vec<(TcpListener, Proxy)>,
    admin: (TcpListener, admin::Service),
    listener: listener::Config,
    listener_metrics: listener::Metrics,
}

impl App {
    /// Builds every room and binds every listener; nothing is served yet.
    pub fn build(config: Config, recorder: Arc<dyn Recorder>) -> Result<Self, Error> {
        let clock = Clock::start();
        let drain = Drain::new();
        let metrics = Metrics::default();
        let hash_key = HashKey::random(aws_lc_rs::default_provider().secure_random)?;
        let policy = policy(&config, recorder.is_durable());
        let read_policy = ReadPolicy {
            schedule: policy.schedule,
            backoff: policy.backoff,
            unknown_grace: policy.unknown_grace,
        };
        let flights = Flights::new(exchange::Parts {
            config: config.exchange.clone(),
            policy,
            hash_key,
            clock,
            stamps: Stamps::new(clock, Stamp::of_this_system()),
            drain: drain.clone(),
            recorder,
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
        let proxies = sites
            .into_iter()
            .map(|(address, sites)| {
                let listener = listen(address, "gateway.listen")?;
                Ok((
                    listener,
                    Proxy::new(Arc::clone(&shared), Sites::from(sites)),
                ))
            })
            .collect::<Result<_, Error>>()?;
        let service =
            admin::Service::new(metrics.registry(), flights.clone(), clock, drain.clone());
        let admin = (listen(config.admin.listen, "admin.listen")?, service);
        Ok(Self {
            clock,
            drain,
            drain_timeout: config.drain.timeout,
            flights,
            proxies,
            admin,
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
            drain_timeout,
            flights,
            proxies,
            admin,
            ..
        } = self;
        let clients = self.listener_metrics;
        let server = |metrics: &listener::Metrics, drain: &Drain| Server {
            config: self.listener.clone(),
            clock,
            drain: drain.clone(),
            metrics: metrics.clone(),
            evidence,
        };
        for (listener, proxy) in proxies {
            drain.spawn(server(&clients, &drain).run(listener, proxy));
        }
        // The operator may ask until the very end, so this listener has a drain of its own; and who
        // scrapes is no client, so its connections are counted nowhere.
        let admin_drain = Drain::new();
        let (admin_listener, service) = admin;
        let admin_served =
            server(&listener::Metrics::default(), &admin_drain).run(admin_listener, service);
        admin_drain.spawn(admin_served);
        stop.await;
        let stopping = Stopping {
            clock,
            drain,
            flights,
            clients,
        };
        stopping.drain(drain_timeout, hurry).await;
        admin_drain.begin(clock.now());
        admin_drain.end();
    }
}

/// What is left to do once the process is told to stop.
struct Stopping {
    clock: Clock,
    drain: Drain,
    flights: Flights,
    clients: listener::Metrics,
}

impl Stopping {
    /// No new submits; what runs may end; then every waiter is let go and the last answers leave.
    /// All of it within the time-out, of which the last answers have their part.
    async fn drain(self, timeout: Duration, hurry: impl Future<Output = ()>) {
        let end = self.clock.now() + timeout;
        let until = self.clock.now() + timeout.saturating_sub(LAST_ANSWERS.min(timeout / 10));
        let (running, at_rest) = self.flights.count();
        tracing::info!(running, at_rest, timeout = ?timeout, "draining");
        self.drain.begin(until);
        self.flights.begin_drain(until);
        tokio::select! {
            () = self.nothing_runs() => {}
            () = self.clock.sleep_until(until) => {}
            () = hurry => tracing::warn!("told twice to stop: not waiting for what runs"),
        }
        self.let_go(|flight| !flight.is_at_rest());
        self.drain.end();
        tokio::select! {
            () = self.nothing_is_served() => {}
            () = self.clock.sleep_until(end) => {}
        }
        self.let_go(|_| true);
        tokio::select! {
            () = self.drain.finished() => tracing::info!("stopped"),
            () = self.clock.sleep_until(end + DRAIN_LOOK) => {
                tracing::warn!(tasks = self.drain.tasks(), "stopped with tasks that did not end");
            }
        }
    }

    /// Returns when no exchange runs and no client is served: relayed requests and reads count too.
    async fn nothing_runs(&self) {
        while self.flights.count().0 > 0 || self.clients.open() > 0 {
            self.look_again().await;
        }
    }

    async fn nothing_is_served(&self) {
        while self.clients.open() > 0 {
            self.look_again().await;
        }
    }

    async fn look_again(&self) {
        let next: Moment = self.clock.now() + DRAIN_LOOK;
        self.clock.sleep_until(next).await;
    }

    /// Without a journal an exchange ends with the process; whoever reads the log must know which.
    fn let_go(&self, which: impl Fn(&Flight) -> bool) {
        for flight in self.flights.stop(which) {
            tracing::warn!(
                target: "holdline::exchange",
                exchange = %flight.id(),
                request_id = flight.ticket(),
                key = %crate::telemetry::Capped(flight.key().value.to_str().unwrap_or_default()),
                tracking_id = %crate::telemetry::Capped(
                    flight.facts().tracking_id.as_deref().unwrap_or_default()
                ),
                state = ?flight.state(),
                "forgotten at the stop: its answer was not acknowledged, and nothing is on disk"
            );
        }
    }
}

/// The metrics of every room.
#[derive(Default)]
struct Metrics {
    exchange: exchange::Metrics,
    proxy: proxy::Metrics,
    upstream: upstream::Metrics,
    listener: listener::Metrics,
}

impl Metrics {
    fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("holdline");
        self.listener.register(&mut registry);
        self.proxy.register(&mut registry);
        self.exchange.register(&mut registry);
        self.upstream.register(&mut registry);
        registry
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

fn site(
    gateway: &Gateway,
    config: &upstream::Config,
    clock: Clock,
    drain: &Drain,
    metrics: &upstream::Metrics,
) -> Result<Site, Error> {
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
    let client = Client::new(
        gateway.origin.clone(),
        connector,
        config.clone(),
        clock,
        drain.clone(),
        metrics.clone(),
    );
    Ok(Site {
        hosts: gateway
            .hosts
            .iter()
            .map(|host| host.as_str().to_owned())
            .collect(),
        gateway: Arc::new(exchange::Gateway {
            name: gateway.name.clone().into(),
            profile: &protocol::BEGATEWAY,
            client,
        }),
    })
}

fn listen(address: SocketAddr, key: &'static str) -> Result<TcpListener, Error> {
    bind(address).map_err(|source| Error::Bind {
        address,
        key,
        source,
    })
}
